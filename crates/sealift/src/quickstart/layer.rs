//! A layer: a tar archive of files, compressed with gzip.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sealift_oci::Digest;

use super::filler::filler;

/// How large the files in a layer are.
const FILE: usize = 512 * 1024;

/// A layer, compressed.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// The compressed bytes.
    pub(crate) bytes: Bytes,
    /// The digest of the archive before it was compressed: images name their layers so.
    pub(crate) diff_id: Digest,
}

impl Layer {
    /// Makes a layer with files of so many bytes; about half of them stay when they are compressed.
    pub(crate) fn new(name: &str, size: usize) -> Self {
        // Writing to memory cannot fail.
        let archive = archive(name, size).unwrap_or_default();
        let bytes = compress(&archive).unwrap_or_default();
        Self { diff_id: Digest::sha256(&archive), bytes: bytes.into() }
    }
}

fn archive(name: &str, size: usize) -> io::Result<Vec<u8>> {
    let content = filler(name, size);
    let mut archive = tar::Builder::new(Vec::with_capacity(size + size / 8));
    for (number, part) in content.chunks(FILE).enumerate() {
        let mut header = tar::Header::new_ustar();
        header.set_size(part.len() as u64);
        header.set_mode(0o644);
        // No times, no owners: the same archive everywhere.
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        archive.append_data(&mut header, format!("opt/{name}/part-{number:03}"), part)?;
    }
    archive.into_inner()
}

fn compress(archive: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(archive.len()), Compression::fast());
    encoder.write_all(archive)?;
    encoder.finish()
}
