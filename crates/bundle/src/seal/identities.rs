//! The file that a person's identities are in, as `age-keygen` writes it.

use std::fmt;
use std::path::Path;

use age::x25519::Identity;

use crate::error::{BundleError, Result};
use crate::key_file;

/// How a file begins that is itself encrypted.
const ENCRYPTED: [&str; 2] = ["age-encryption.org/", "-----BEGIN AGE ENCRYPTED FILE-----"];

/// The identities that may open something; never printed.
#[derive(Clone, Default)]
pub struct Identities(pub(super) Vec<Identity>);

impl Identities {
    /// Reads an identity file.
    ///
    /// # Errors
    /// As [`Self::parse`], and where it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(path, &key_file::read(path)?)
    }

    /// Reads the text of an identity file: one identity a line, empty lines and comments; `path` is its name.
    ///
    /// # Errors
    /// [`BundleError::WrongKey`] where a line is something else, or there is no identity. The line is named by its number, and
    /// not repeated.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let wrong = |reason: &str| BundleError::wrong_key(path, reason);
        if ENCRYPTED.iter().any(|start| text.starts_with(start)) {
            return Err(wrong("it is encrypted itself: decrypt it with `age -d` first"));
        }
        let mut identities = Vec::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let identity = line.parse().map_err(|_| wrong(&format!("line {number} is no identity of age")));
            identities.push(identity?);
        }
        if identities.is_empty() {
            return Err(wrong("it holds no identity of age"));
        }
        Ok(Self(identities))
    }

    /// Adds those of another file.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({})", self.0.len())
    }
}
