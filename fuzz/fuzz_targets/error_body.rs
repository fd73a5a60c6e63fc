//! The body of an error: reading never panics, and what is read prints as it reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealift_registry::wire::{ERROR_BODY_LIMIT, ErrorBody};

fuzz_target!(|body: &[u8]| {
    if let Some(read) = ErrorBody::parse(body) {
        assert!(!read.errors.is_empty());
        let written = read.to_json();
        if written.len() <= ERROR_BODY_LIMIT {
            assert_eq!(ErrorBody::parse(&written), Some(read));
        }
    }
});
