//! Finds the recipes of real gzip files, writes each anew from its plain bytes alone, and compares the digests.
//!
//! `soak-layers FILE|DIR...` takes all files below the folders whose names end in `.gz` or `.tgz`; a file whose bytes were
//! there before is left out. It prints a line for each file whose encoder is not known, and a table of the others.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::print_stdout, clippy::expect_used)]

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

#[path = "common/walk.rs"]
mod walk;

/// Digests what goes through it.
struct Digesting<T> {
    inner: T,
    digest: Sha256,
    bytes: u64,
}

impl<T> Digesting<T> {
    fn new(inner: T) -> Self {
        Self { inner, digest: Sha256::new(), bytes: 0 }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<T: Read> Read for Digesting<T> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(room)?;
        self.add(&room[..count]);
        Ok(count)
    }
}

impl Write for Digesting<()> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Sums {
    files: usize,
    stream: u64,
    plain: u64,
    different: usize,
}

impl Sums {
    fn add(&mut self, stream: u64, plain: u64, same: bool) {
        self.files += 1;
        self.stream += stream;
        self.plain += plain;
        self.different += usize::from(!same);
    }

    fn print(&self, name: &str) {
        println!("| {name} | {} | {} | {} | {} |", self.files, self.stream, self.plain, self.different);
    }
}

/// What writes members, each only once.
fn encoders(recipe: &regzip::Recipe) -> String {
    let mut names: Vec<_> = recipe.members().iter().map(|it| it.encoder().to_string()).collect();
    names.dedup();
    names.join(" + ")
}

/// Writes the stream anew from what another program inflates, and tells whether it is the same.
fn same(path: &Path, recipe: &regzip::Recipe, digest: &Sha256) -> bool {
    let plain = MultiGzDecoder::new(BufReader::new(File::open(path).unwrap()));
    let mut rebuilt = Digesting::new(());
    // What follows the last member is no plain byte.
    let plain = plain.take(recipe.plain());
    regzip::rebuild(recipe, plain, &mut rebuilt, NonZeroUsize::MIN).unwrap();
    rebuilt.digest.finalize() == digest.clone().finalize()
}

fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "gz" || it == "tgz")
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let paths: Vec<PathBuf> = walk::files(&args).into_iter().filter(|it| is_gzip(it)).collect();
    let (mut seen, mut rows) = (HashSet::new(), BTreeMap::<String, Sums>::new());
    let (mut all, mut unknown) = (Sums::default(), Sums::default());
    for path in &paths {
        let mut stream = Digesting::new(BufReader::new(File::open(path).unwrap()));
        let found = regzip::identify(&mut stream, u64::MAX, |_| Ok(()));
        io::copy(&mut stream, &mut io::sink()).unwrap();
        if !seen.insert(stream.digest.clone().finalize()) {
            continue;
        }
        match found {
            Ok(recipe) => {
                let same = same(path, &recipe, &stream.digest);
                rows.entry(encoders(&recipe)).or_default().add(stream.bytes, recipe.plain(), same);
                all.add(stream.bytes, recipe.plain(), same);
            }
            Err(error) => {
                println!("{}: {error}", path.display());
                unknown.add(stream.bytes, 0, true);
            }
        }
    }
    println!("| encoder | files | gzip bytes | plain bytes | different |\n|---|---|---|---|---|");
    rows.iter().for_each(|(name, sums)| sums.print(name));
    all.print("all of these");
    unknown.print("not known");
}
