//! The entries of a volume, against a catalogue that may lie: verifying never panics and comes to an end.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use sealift_bundle::fuzzing;

static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();

fuzz_target!(|input: (u16, u16, &[u8])| {
    let directory = DIRECTORY.get_or_init(|| {
        let directory = std::env::temp_dir().join(format!("sealift-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory for the fuzzer's files");
        directory
    });
    fuzzing::volume_bytes(directory, input.2, input.0.into(), input.1.into());
});
