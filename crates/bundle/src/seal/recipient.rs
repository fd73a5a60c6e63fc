//! Whom something is sealed to.

use std::fmt;
use std::io;
use std::path::Path;

use super::Sealer;
use crate::error::{BundleError, Result};

/// How secret keys begin, which people take for the public ones.
const SECRET: &str = "AGE-SECRET-KEY-";
/// The most of a malformed recipient that is repeated in a message, in characters.
const SHOWN: usize = 80;

/// The public half of an identity: `age1…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(pub(super) age::x25519::Recipient);

impl Recipient {
    /// Reads a recipient as people write it.
    ///
    /// # Errors
    /// [`BundleError::WrongKey`] where it is none, or one of another kind, such as a plugin's or SSH's.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.get(..SECRET.len()).is_some_and(|start| start.eq_ignore_ascii_case(SECRET)) {
            let name = Path::new("AGE-SECRET-KEY-1…");
            return Err(BundleError::wrong_key(name, "it is an identity; its recipient begins with age1"));
        }
        text.parse().map(Self).map_err(|_| {
            let shown: String = text.chars().take(SHOWN).collect();
            BundleError::wrong_key(Path::new(&shown), "it is no recipient of age (age1…)")
        })
    }

    /// Seals what is in memory.
    ///
    /// # Errors
    /// As [`Sealer::new`].
    pub fn seal(&self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let (mut sealer, size) = Sealer::new(self, plain.len() as u64)?;
        let mut sealed = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        sealed.extend_from_slice(&sealer.update(plain)?);
        sealed.extend_from_slice(&sealer.finish()?);
        Ok(sealed)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", self.0)
    }
}
