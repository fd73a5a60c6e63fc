//! Prints the recipe of gzip files, writes each again from its plain bytes, and tells how fast both went.
//!
//! `identify [--threads N] FILE...`

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::panic, clippy::expect_used)]

use std::fs::File;
use std::num::NonZeroUsize;
use std::time::Instant;

fn main() {
    let mut args = std::env::args().skip(1).peekable();
    let threads = args.next_if_eq("--threads").map_or(1, |_| args.next().unwrap().parse().unwrap());
    for path in args {
        let mut plain = Vec::new();
        let begin = Instant::now();
        let recipe = regzip::identify(File::open(&path).unwrap(), u64::MAX, |piece| {
            plain.extend_from_slice(piece);
            Ok(())
        });
        let identified = begin.elapsed().as_secs_f64();
        let recipe = match recipe {
            Ok(recipe) => recipe,
            Err(error) => {
                println!("{path}: {error} ({identified:.2} s)");
                continue;
            }
        };
        let mut stream = Vec::new();
        let begin = Instant::now();
        regzip::rebuild(&recipe, &plain[..], &mut stream, NonZeroUsize::new(threads).unwrap()).unwrap();
        let rebuilt = begin.elapsed().as_secs_f64();
        assert!(stream == std::fs::read(&path).unwrap(), "{path}: the stream is another one");
        let rate = |seconds: f64| plain.len() as f64 / 1e6 / seconds;
        let text = recipe.to_string();
        let line = text.lines().next().unwrap_or_default();
        println!(
            "{path}: {} plain, {} members, {:.100}; identified {identified:.2} s ({:.0} MB/s), rebuilt {rebuilt:.2} s ({:.0} MB/s)",
            plain.len(),
            recipe.members().len(),
            line,
            rate(identified),
            rate(rebuilt)
        );
    }
}
