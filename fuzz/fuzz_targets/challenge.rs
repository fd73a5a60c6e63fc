//! The `WWW-Authenticate` and `Retry-After` headers: reading never panics and is bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealift_registry::client::fuzzing;

fuzz_target!(|header: &[u8]| fuzzing::challenge(header));
