//! What fuzz targets reach of the readers of keys and signatures. It is built for the fuzzer only (`--cfg fuzzing`).

use std::path::Path;

use super::{PublicKey, SecretKeyFile};

/// Reads text as a public key, as a secret one, and as a signature.
pub fn minisign(text: &str) {
    let path = Path::new("key");
    if let Ok(key) = PublicKey::parse(path, text) {
        assert_eq!(PublicKey::parse(path, &key.to_text()).ok(), Some(key));
    }
    let _ = SecretKeyFile::parse(path, text).map(|file| file.wants_passphrase());
    assert!(PublicKey::from_parts([0; 8], [1; 32]).verify(path, b"content", text).is_err());
}
