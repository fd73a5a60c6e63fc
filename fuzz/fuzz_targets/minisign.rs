//! Public keys, secret keys and signatures: reading never panics, and no text is a signature that nobody made.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealift_bundle::fuzzing;

fuzz_target!(|text: &str| fuzzing::minisign(text));
