//! Secret keys, and what they sign.

use std::fmt;
use std::io;
use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blake2::{Blake2b512, Digest};
use zeroize::Zeroizing;

use super::secret_file;
use super::{COMMENT, ED25519_OF_HASH, KeyId, PublicKey, TRUSTED_COMMENT, id_text};
use crate::error::{BundleError, Result};
use crate::passphrase::Passphrase;

/// The longest comment that is signed, in bytes; minisign reads 8192.
const COMMENT_LIMIT: usize = 1024;

/// A key that signs.
pub struct SecretKey {
    pub(super) id: KeyId,
    pub(super) seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
}

impl SecretKey {
    /// Draws a new key.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn generate() -> io::Result<Self> {
        let (mut id, mut seed) = (KeyId::default(), Zeroizing::new([0; 32]));
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        getrandom::fill(&mut *seed).map_err(io::Error::other)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(io::Error::other)?;
        Ok(Self { id, seed, pair })
    }

    /// Puts a key together; `None` where its halves do not fit.
    pub(super) fn from_parts(id: KeyId, seed: Zeroizing<[u8; 32]>, public: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_and_public_key(&*seed, public).ok()?;
        Some(Self { id, seed, pair })
    }

    /// Returns the name by which keys are told apart: 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        id_text(self.id)
    }

    /// Returns the key that checks signatures of this one.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::from_parts(self.id, self.public_bytes())
    }

    pub(super) fn public_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        bytes
    }

    /// Writes the key's file, hidden under a passphrase if one is given. That takes most of a second and 32 MiB
    /// of memory.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn to_text(&self, passphrase: Option<&Passphrase>) -> io::Result<Zeroizing<String>> {
        secret_file::write(self, passphrase)
    }

    /// Signs `content` and a comment of one line, and returns the text of the signature's file. `path` is the
    /// file that is signed.
    ///
    /// # Errors
    /// [`BundleError::Untrusted`] where the comment is long or has several lines.
    pub fn sign(&self, path: &Path, content: &[u8], comment: &str) -> Result<String> {
        if comment.len() > COMMENT_LIMIT || comment.trim() != comment || comment.contains(char::is_control) {
            return Err(BundleError::untrusted(path, "the comment to sign is no short line of text"));
        }
        let signature = self.pair.sign(&Blake2b512::digest(content));
        let whole = self.pair.sign(&[signature.as_ref(), comment.as_bytes()].concat());
        let line = [&ED25519_OF_HASH[..], &self.id, signature.as_ref()].concat();
        let (line, whole) = (STANDARD.encode(line), STANDARD.encode(whole.as_ref()));
        Ok(format!("{COMMENT}signed by sealift\n{line}\n{TRUSTED_COMMENT}{comment}\n{whole}\n"))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.id())
    }
}
