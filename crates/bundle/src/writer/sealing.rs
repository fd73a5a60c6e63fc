//! How the content of a bundle is sealed: with a key of the bundle's own, which is itself sealed to whoever may open
//! it. Of the key only its public half and its sealed form stay in memory.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::error::{BundleError, Result};
use crate::names::KEY;
use crate::seal::{BundleKey, Identities, Lock, Recipient, SealedKey};

/// What seals a bundle.
#[derive(Debug)]
pub(super) struct Sealing {
    pub(super) recipient: Recipient,
    /// The bytes of `key.age`.
    pub(super) key: Vec<u8>,
    /// Numbers the entries.
    next: AtomicU64,
}

/// What the journal keeps of it; nothing here opens anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptSealing {
    /// The bundle's own recipient.
    recipient: String,
    /// The bytes of `key.age`.
    key: Vec<u8>,
    /// To whom the key is sealed; nobody where it is under a passphrase.
    recipients: Vec<String>,
}

impl KeptSealing {
    /// Draws a key for a bundle and seals it.
    pub(super) fn draw(path: &Path, lock: &Lock) -> Result<Self> {
        let key = BundleKey::generate();
        let sealed = key.lock(lock).map_err(BundleError::io(path))?;
        let recipients = match lock {
            Lock::Recipients(all) => names(all),
            Lock::Passphrase(_) => Vec::new(),
        };
        Ok(Self { recipient: key.recipient().to_string(), key: sealed, recipients })
    }

    /// Checks that an unfinished bundle is for the same people as is wished now.
    pub(super) fn is_for(&self, path: &Path, lock: &Lock) -> Result<bool> {
        match lock {
            Lock::Recipients(all) => Ok(self.recipients == names(all)),
            Lock::Passphrase(passphrase) => {
                let sealed = SealedKey::parse(&path.with_file_name(KEY), self.key.clone())?;
                let opened = sealed.open(&Identities::default(), || Ok(passphrase.clone()));
                Ok(self.recipients.is_empty() && opened.is_ok())
            }
        }
    }

    /// Lists who can open it; nobody by name where it is under a passphrase.
    pub(super) fn recipients(&self) -> &[String] {
        &self.recipients
    }

    /// Goes on sealing behind as many entries.
    pub(super) fn take_up(&self, entries: u64) -> Result<Sealing> {
        let recipient = Recipient::parse(&self.recipient)?;
        Ok(Sealing { recipient, key: self.key.clone(), next: AtomicU64::new(entries + 1) })
    }
}

/// Names recipients as they are kept.
pub(super) fn names(recipients: &[Recipient]) -> Vec<String> {
    recipients.iter().map(ToString::to_string).collect()
}

impl Sealing {
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}
