//! Repair requests: reading never panics, and what is read prints as it reads back.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sealift_bundle::RepairRequest;

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("repair.json");
    if let Ok(read) = RepairRequest::parse(path, bytes) {
        assert_eq!(RepairRequest::parse(path, &read.to_bytes()).ok(), Some(read));
    }
});
