//! The checksum of a whole file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sealift_oci::{Algorithm, Hasher};

use super::files;

/// How much is read of a volume at once, in bytes: large enough that system calls do not count.
pub(crate) const READ_SIZE: usize = 1024 * 1024;

/// Returns the SHA-256 of a file in hexadecimal digits; `progress` is told how many bytes were read more.
pub(crate) fn hash_file(path: &Path, progress: &dyn Fn(u64)) -> io::Result<String> {
    hash(&mut files::open(path)?.0, progress)
}

/// The same of a file that is open, from where it stands.
pub(crate) fn hash(file: &mut File, progress: &dyn Fn(u64)) -> io::Result<String> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut buffer = vec![0; READ_SIZE];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hasher.finish().hex());
        }
        hasher.update(&buffer[..count]);
        progress(count as u64);
    }
}
