//! What fuzz targets reach of the readers of sealed bytes. It is built for the fuzzer only (`--cfg fuzzing`).

use std::path::Path;

use super::{BundleKey, Identities, Recipient, SealedKey};
use crate::error::BundleError;

/// Reads bytes as a sealed key and as a sealed entry, and as text that people give.
pub fn age(bytes: &[u8]) {
    let path = Path::new("file");
    if let Ok(key) = SealedKey::parse(path, bytes.to_vec()) {
        // No passphrase is tried: it is the work that takes long, and not the reading.
        let ask = || Err(BundleError::wrong_key(path, "nobody to ask"));
        assert!(key.open(&Identities::default(), ask).is_err());
    }
    assert!(BundleKey::generate().open(path, bytes, 1 << 20).is_err());
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(recipient) = Recipient::parse(text) {
            assert_eq!(Recipient::parse(&recipient.to_string()).ok(), Some(recipient));
        }
        let _ = Identities::parse(path, text);
    }
}
