//! Parameters and frames of deltas.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (&str, u32, &[u8])| {
    let (parameters, size, carried) = input;
    sealift_bundle::fuzzing::delta(parameters, u64::from(size), carried);
});
