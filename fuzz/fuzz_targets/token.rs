//! The answer of a token service: reading never panics, and nothing of it is printed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealift_registry::client::fuzzing;

fuzz_target!(|body: &[u8]| fuzzing::token(body));
