//! The key of a bundle: drawn for it, and for nothing else.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use zeroize::Zeroizing;

use super::opener::{OpenError, OpenedStream, open_whole};
use super::{Identities, Recipient};
use crate::error::{BundleError, Result};

/// The identity that opens every entry of a bundle; never printed.
#[derive(Clone)]
pub struct BundleKey(pub(super) Identity);

impl BundleKey {
    /// Draws a key.
    #[must_use]
    pub fn generate() -> Self {
        Self(Identity::generate())
    }

    /// Returns what entries are sealed to.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }

    /// Opens what is in memory, of at most `limit` plain bytes; `path` is the file that it came from.
    ///
    /// # Errors
    /// [`BundleError::Damaged`] where it is too large, altered, cut, or sealed to another key.
    pub fn open(&self, path: &Path, sealed: &[u8], limit: u64) -> Result<Vec<u8>> {
        open_whole(&self.0, sealed, limit).map_err(|error| BundleError::damaged(path, error))
    }

    /// Opens what is read once, from its first byte to its last, and has `length` bytes sealed.
    pub(crate) fn stream<R: Read>(&self, sealed: R, length: u64) -> io::Result<OpenedStream<R>> {
        OpenedStream::new(&self.0, sealed, length).map_err(|error| match error {
            OpenError::Io(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        })
    }

    /// A person who has this very key, for tests.
    #[cfg(test)]
    pub(crate) fn identities(&self) -> Identities {
        Identities(vec![self.0.clone()])
    }

    /// The line that `age` reads.
    pub(super) fn to_line(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}\n", self.0.to_string().expose_secret()))
    }

    pub(super) fn from_line(path: &Path, text: &[u8]) -> Result<Self> {
        let identities = std::str::from_utf8(text).ok().and_then(|text| Identities::parse(path, text).ok());
        match identities.as_ref().map(|it| it.0.as_slice()) {
            Some([key]) => Ok(Self(key.clone())),
            _ => Err(BundleError::damaged(path, "it holds something else than the key of a bundle")),
        }
    }
}

impl fmt::Debug for BundleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BundleKey(…)")
    }
}
