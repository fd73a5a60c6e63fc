//! What fuzz targets reach of the readers here. It is built for the fuzzer only (`--cfg fuzzing`).

use std::fs;
use std::path::Path;

use sealift_oci::Digest;
use serde_json::json;

use super::checksums::Checksums;
use super::trailer::{TAIL, Trailer};
use crate::entry::{self, BLOCK, END};
use crate::names::{CATALOGUE, TRAILER, volume};
use crate::reader::OpenOptions;

/// Reads bytes as the end of a bundle in one file, and its JSON alone.
pub fn trailer(bytes: &[u8], length: u64) {
    let path = Path::new("x.tar");
    let _ = Trailer::parse(path, bytes, length);
    let mut content = bytes.to_vec();
    content.resize(BLOCK as usize, b' ');
    let tail = [entry::header(TRAILER, BLOCK), content, END.to_vec()].concat();
    if let Ok(trailer) = Trailer::parse(path, &tail, length) {
        assert!(tail.len() as u64 == TAIL);
        assert!(trailer.catalogue.offset + trailer.catalogue.size <= length);
    }
}

/// Reads bytes as a list of checksums; what is read names plain files.
pub fn checksums(bytes: &[u8]) {
    if let Ok(sums) = Checksums::parse(Path::new("SHA256SUMS"), bytes) {
        assert!(sums.names().all(|name| !name.contains('/') && sums.of(name).is_some()));
    }
}

/// Verifies a bundle in one file whose entries are `bytes` and whose catalogue has a blob of `size` bytes at
/// `offset`; the file lies in `directory`.
pub fn volume_bytes(directory: &Path, bytes: &[u8], offset: u64, size: u64) {
    let digest = Digest::sha256(b"content");
    let catalogue = json!({
        "format": "sealift-bundle", "version": 1, "id": "0".repeat(32), "created": "", "tool": "",
        "volumes": [{"name": volume(1, 1)}],
        "content": [{"digest": digest, "size": size, "at": [{"volume": 1, "offset": offset, "size": size}]}],
        "repositories": [{"name": "app", "source": "", "manifests": [], "blobs": [digest], "tags": {}}],
        "images": [],
    });
    let mut file = bytes.to_vec();
    file.extend_from_slice(entry::padding(bytes.len() as u64));
    let place = append(&mut file, CATALOGUE, catalogue.to_string().as_bytes());
    let mut trailer = json!({"format": TRAILER, "version": 1, "catalogue": place}).to_string().into_bytes();
    trailer.resize(BLOCK as usize, b' ');
    append(&mut file, TRAILER, &trailer);
    file.extend_from_slice(&END);
    let path = directory.join("bundle.tar");
    // A disk that is full is no finding of the fuzzer.
    if fs::write(&path, &file).is_ok() {
        let _ = crate::verify::verify_blocking(&path, &OpenOptions::default(), 1, &|_, _| {});
    }
}

fn append(file: &mut Vec<u8>, name: &str, content: &[u8]) -> serde_json::Value {
    let size = content.len() as u64;
    file.extend_from_slice(&entry::header(name, size));
    let place = json!({"offset": file.len(), "size": size, "sha256": Digest::sha256(content).hex()});
    file.extend_from_slice(content);
    file.extend_from_slice(entry::padding(size));
    place
}
