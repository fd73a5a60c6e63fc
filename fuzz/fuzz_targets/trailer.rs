//! The end of a bundle in one file: reading never panics, and leads to no place outside the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealift_bundle::fuzzing;

fuzz_target!(|input: (u64, &[u8])| fuzzing::trailer(input.1, input.0));
