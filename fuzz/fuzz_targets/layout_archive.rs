//! A layout in a tar archive: reading never panics, and whatever is found lies within the archive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealift_bundle::fuzzing;

fuzz_target!(|bytes: &[u8]| fuzzing::layout_archive(bytes));
