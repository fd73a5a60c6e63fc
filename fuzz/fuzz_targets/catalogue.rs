//! The catalogue of a bundle: reading never panics, and what is read is consistent and prints as it reads back.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sealift_bundle::Catalogue;

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("catalogue.json");
    if let Ok(read) = Catalogue::parse(path, bytes) {
        assert_eq!(Catalogue::parse(path, &read.to_bytes()).ok(), Some(read));
    }
});
