//! The list of checksums of a bundle: reading never panics, and gives plain file names only.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealift_bundle::fuzzing;

fuzz_target!(|bytes: &[u8]| fuzzing::checksums(bytes));
