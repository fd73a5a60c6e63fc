//! Signatures and keys as [minisign](https://jedisct1.github.io/minisign/) writes and reads them, so that people
//! check a bundle with a tool that they have.
//!
//! `minisign-verify`, by minisign's author, checks signatures. His crate that also makes them brings a library
//! that asks on the terminal, prints a secret key where it is formatted for debugging, and leaves it in memory.
//! So keys and signatures are written here: the algorithms are aws-lc-rs's Ed25519, BLAKE2b and scrypt.

#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod kdf;
mod public;
mod secret;
mod secret_file;
#[cfg(test)]
mod tests;

pub use public::{PublicKey, SIGNATURE_LIMIT};
pub use secret::SecretKey;
pub use secret_file::SecretKeyFile;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// What every file of minisign begins with.
const COMMENT: &str = "untrusted comment: ";
/// What the line with the signed comment begins with.
const TRUSTED_COMMENT: &str = "trusted comment: ";
/// Ed25519, in keys and in signatures over the content itself.
const ED25519: [u8; 2] = *b"Ed";
/// Ed25519 over the BLAKE2b hash of the content.
const ED25519_OF_HASH: [u8; 2] = *b"ED";

/// The eight bytes by which keys are told apart.
type KeyId = [u8; 8];

/// Writes the name of a key as minisign does.
fn id_text(id: KeyId) -> String {
    format!("{:016X}", u64::from_le_bytes(id))
}

/// Finds the one line that is no comment, and decodes it.
fn decode_line(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(COMMENT));
    let (line, rest) = (lines.next()?, lines.next());
    if rest.is_some() {
        return None;
    }
    STANDARD.decode(line).ok().map(Zeroizing::new)
}
