//! The `Link` header: reading never panics, and the reference is a part of the header.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealift_registry::wire::parse_next_link;

fuzz_target!(|header: &str| {
    if let Some(reference) = parse_next_link(header) {
        assert!(header.contains(reference));
    }
});
