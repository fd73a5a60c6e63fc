//! The `index.json` of a layout: reading never panics, and what is read is written so that it reads again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealift_bundle::fuzzing;

fuzz_target!(|bytes: &[u8]| fuzzing::layout_index(bytes));
