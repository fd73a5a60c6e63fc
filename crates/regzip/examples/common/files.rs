//! Real files as inputs: pieces of them, which a seed draws.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

#[path = "walk.rs"]
mod walk;

use super::inputs::Numbers;

/// One input in so many is a piece of a real file, where there are any.
const ONE_IN: u64 = 9;

/// The files below what the command line names.
pub struct Files {
    /// Those that were named themselves are read whole, too.
    pub named: Vec<PathBuf>,
    below: Vec<PathBuf>,
}

impl Files {
    pub fn new(args: &[String]) -> Self {
        let named = args.iter().map(PathBuf::from).filter(|it| !it.is_dir()).collect();
        Self { named, below: walk::files(args) }
    }

    /// A piece of at most `len` bytes for some of the seeds, from anywhere in any of the files, and its name.
    pub fn piece(&self, seed: u64, len: usize) -> Option<(String, Vec<u8>)> {
        if self.below.is_empty() || seed % ONE_IN != ONE_IN - 1 {
            return None;
        }
        let mut numbers = Numbers::new(seed ^ 0xf11e);
        let path = &self.below[numbers.below(self.below.len())];
        let mut file = File::open(path).unwrap();
        let size = file.metadata().unwrap().len() as usize;
        let from = numbers.below(size.saturating_sub(len) + 1);
        file.seek(SeekFrom::Start(from as u64)).unwrap();
        let mut plain = Vec::new();
        file.take(len as u64).read_to_end(&mut plain).unwrap();
        Some((format!("{} {from} {}", path.display(), plain.len()), plain))
    }
}
