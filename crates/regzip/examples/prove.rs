//! Does what proves an update, and nothing else, as a yardstick for what packs one.
//!
//! `prove floor LIST` reads lines of two gzip files from `LIST`: it inflates the first, and of the second finds the recipe,
//! for which it is inflated, encoded again and compared. Two threads work at the same time.
//! `prove recognise FILE...` prints for each gzip file how many seconds it takes to know its encoder.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::panic)]

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::Mutex;
use std::time::Instant;

use flate2::bufread::MultiGzDecoder;

/// How much of a file is looked at: more plain bytes than all candidates are tried on.
const HEAD: u64 = 1 << 20;

fn floor(list: &str) {
    let list = std::fs::read_to_string(list).unwrap();
    let pairs: Mutex<Vec<&str>> = Mutex::new(list.lines().collect());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(pair) = pairs.lock().unwrap().pop() else { break };
                    let (old, new) = pair.split_once(' ').unwrap();
                    let old = BufReader::new(File::open(old).unwrap());
                    io::copy(&mut MultiGzDecoder::new(old), &mut io::sink()).unwrap();
                    regzip::identify(File::open(new).unwrap(), u64::MAX, |_| Ok(())).unwrap();
                }
            });
        }
    });
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args[0].as_str() {
        "floor" => floor(&args[1]),
        "recognise" => {
            for path in &args[1..] {
                let begin = Instant::now();
                let head = File::open(path).unwrap().take(HEAD);
                // Where the head is all, there is a recipe; else it ends within a member, and not before all were tried.
                if let Err(error) = regzip::identify(head, u64::MAX, |_| Ok(())) {
                    assert!(matches!(error, regzip::IdentifyError::Damaged(_)), "{path}: {error}");
                }
                println!("{:.3}", begin.elapsed().as_secs_f64());
            }
        }
        other => panic!("{other} is no way to use this"),
    }
}
