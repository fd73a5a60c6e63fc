//! A gzip stream: looking for its encoder never panics, and what is found writes these very bytes.
#![no_main]

use std::num::NonZeroUsize;

use libfuzzer_sys::fuzz_target;

/// Streams that inflate to more are not what is looked for here.
const LIMIT: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    // Nearly everything that does not begin like gzip is refused at once.
    let stream = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], bytes].concat();
    let mut plain = Vec::new();
    let found = regzip::identify(&stream[..], LIMIT, |piece| {
        plain.extend_from_slice(piece);
        Ok(())
    });
    if let Ok(recipe) = found {
        let mut again = Vec::new();
        let len = regzip::rebuild(&recipe, &plain[..], &mut again, NonZeroUsize::MIN);
        assert!(len.is_ok() && again == stream);
    }
});
