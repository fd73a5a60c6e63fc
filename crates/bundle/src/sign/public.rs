//! Public keys, and checking signatures.

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minisign_verify::{Error, Signature};

use super::{COMMENT, ED25519, KeyId, decode_line, id_text};
use crate::error::{BundleError, Result};
use crate::key_file;

/// The largest signature file that is read, in bytes: the comments have room.
pub const SIGNATURE_LIMIT: u64 = 16 * 1024;
/// How many bytes a key has: algorithm, name, and the key itself.
const SIZE: usize = 42;
/// How many characters that is in base64.
const LINE: usize = 56;

/// A key that checks signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    bytes: [u8; SIZE],
}

impl PublicKey {
    pub(super) fn from_parts(id: KeyId, key: [u8; 32]) -> Self {
        let mut bytes = [0; SIZE];
        bytes[..2].copy_from_slice(&ED25519);
        bytes[2..10].copy_from_slice(&id);
        bytes[10..].copy_from_slice(&key);
        Self { bytes }
    }

    /// Reads what a person gave: the name of a key's file, or the line in it that is the key.
    ///
    /// # Errors
    /// As [`Self::parse`], and where the file cannot be read.
    pub fn from_argument(argument: &str) -> Result<Self> {
        let line = Some(argument.trim()).filter(|line| line.len() == LINE);
        if let Some(key) = line.and_then(|line| Self::from_bytes(&STANDARD.decode(line).ok()?)) {
            return Ok(key);
        }
        // It would be shown as the name of a file that is not there.
        if decode_line(argument).is_some_and(|bytes| is_secret(&bytes)) {
            let reason = "it is a secret key, and the public one is wanted";
            return Err(BundleError::wrong_key(Path::new("the key that was given"), reason));
        }
        let path = Path::new(argument);
        Self::parse(path, &key_file::read(path)?)
    }

    /// Reads the text of a key's file, or the one line that is the key; `path` is its name.
    ///
    /// # Errors
    /// [`BundleError::WrongKey`] where it is no public key.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let bytes = decode_line(text);
        let key = bytes.as_ref().and_then(|bytes| Self::from_bytes(bytes));
        key.ok_or_else(|| {
            let reason = match bytes.is_some_and(|bytes| is_secret(&bytes)) {
                true => "it is a secret key, and the public one is wanted",
                false => "it is no public key of minisign",
            };
            BundleError::wrong_key(path, reason)
        })
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes = <[u8; SIZE]>::try_from(bytes).ok()?;
        bytes.starts_with(&ED25519).then_some(Self { bytes })
    }

    /// Returns the name by which keys are told apart: 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        let mut id = KeyId::default();
        id.copy_from_slice(&self.bytes[2..10]);
        id_text(id)
    }

    /// Returns the key as one line, without its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        STANDARD.encode(self.bytes)
    }

    /// Writes the key's file.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{COMMENT}minisign public key {}\n{}\n", self.id(), self.to_line())
    }

    /// Checks the text of a signature's file against what it signs, and returns the comment that is signed
    /// with it. `path` is the file that is signed.
    ///
    /// # Errors
    /// [`BundleError::Untrusted`] where the signature is malformed, of another key, or does not fit.
    pub fn verify(&self, path: &Path, content: &[u8], signature: &str) -> Result<String> {
        let untrusted = |reason: &str| BundleError::untrusted(path, reason);
        if signature.len() as u64 > SIGNATURE_LIMIT {
            return Err(untrusted("its signature has more bytes than any has"));
        }
        let malformed = |_| untrusted("its signature is malformed");
        let read = Signature::decode(signature).map_err(malformed)?;
        let key = minisign_verify::PublicKey::from_base64(&self.to_line()).map_err(malformed)?;
        key.verify(content, &read, true).map_err(|error| match error {
            Error::UnexpectedKeyId => {
                let (signer, key) = (signer(signature), self.id());
                untrusted(&format!("it is signed with the key {signer}, and {key} is the one to trust"))
            }
            _ => untrusted("its signature does not fit: one of the two was altered"),
        })?;
        Ok(read.trusted_comment().to_owned())
    }
}

fn is_secret(bytes: &[u8]) -> bool {
    bytes.len() > SIZE && bytes.starts_with(&ED25519)
}

/// Names the key that a signature says it is of.
fn signer(signature: &str) -> String {
    let line = signature.lines().nth(1).unwrap_or_default();
    let bytes = STANDARD.decode(line.trim()).unwrap_or_default();
    let id = bytes.get(2..10).and_then(|id| KeyId::try_from(id).ok());
    id.map_or_else(|| "of another person".to_owned(), id_text)
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.to_line())
    }
}
