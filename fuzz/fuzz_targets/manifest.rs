//! A manifest from anywhere: reading never panics, and the bytes stay what they were.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sealift_oci::{Digest, Manifest};

fuzz_target!(|bytes: &[u8]| {
    let received = Bytes::copy_from_slice(bytes);
    if let Ok(manifest) = Manifest::parse(None, received) {
        assert_eq!(manifest.bytes, bytes);
        assert_eq!(manifest.digest(), Digest::sha256(bytes));
    }
});
