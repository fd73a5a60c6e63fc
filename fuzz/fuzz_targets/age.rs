//! Sealed keys, sealed entries, identities and recipients: reading never panics, and nothing opens that nobody
//! sealed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealift_bundle::fuzzing;

fuzz_target!(|bytes: &[u8]| fuzzing::age(bytes));
