//! Receipts: reading never panics, and what is read prints as it reads back.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sealift_bundle::{Held, Receipt};

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("receipt.json");
    if let Ok(read) = Receipt::parse(path, bytes) {
        Held::default().add_receipt(&read);
        assert_eq!(Receipt::parse(path, &read.to_bytes()).ok(), Some(read));
    }
});
