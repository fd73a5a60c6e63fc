//! Ranges in all their forms: reading never panics, and what is read prints as it reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealift_registry::wire::{ByteRange, ChunkRange, ContentRange, Received};

fuzz_target!(|input: (u64, &str)| {
    let (size, text) = input;
    if let Some(range) = ByteRange::parse(text) {
        assert_eq!(ByteRange::parse(&range.to_string()), Some(range));
        if let Some(found) = range.resolve(size) {
            assert!(found.first <= found.last && found.last < size);
            let _ = found.length();
        }
    }
    if let Some(range) = ContentRange::parse(text) {
        assert_eq!(ContentRange::parse(&range.to_string()), Some(range));
        let _ = range.length();
    }
    if let Some(range) = ChunkRange::parse(text) {
        assert_eq!(ChunkRange::parse(&range.to_string()), Some(range));
        let _ = range.length();
    }
    if let Some(received) = Received::parse(text) {
        assert_eq!(Received::parse(&received.to_string()), Some(received));
    }
});
