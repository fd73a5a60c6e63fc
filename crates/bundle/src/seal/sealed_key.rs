//! `key.age`: the key of a bundle, sealed to people or under a passphrase.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor, scrypt};
use zeroize::Zeroizing;

use super::layout::read_header;
use super::{BundleKey, Identities, Recipient};
use crate::error::{BundleError, Result};
use crate::passphrase::Passphrase;

/// The largest `key.age` that is read, in bytes.
pub const SEALED_KEY_LIMIT: u64 = 64 * 1024;
/// The most recipients of a bundle: each takes about 100 bytes of `key.age`.
const RECIPIENT_LIMIT: usize = 256;
/// What scrypt costs for a new bundle, as a power of two of KiB: 256 MiB and about a second, as with `age`.
const WORK_FACTOR: u8 = 18;
/// The most that scrypt may cost for a bundle from outside: 1 GiB and some seconds.
const WORK_LIMIT: u8 = 20;
/// The most that is read of what should be one line, in bytes.
const LINE_LIMIT: u64 = 1024;

/// Who can open a bundle.
#[derive(Clone, Debug)]
pub enum Lock {
    /// Each of these.
    Recipients(Vec<Recipient>),
    /// Who knows it.
    Passphrase(Passphrase),
}

impl BundleKey {
    /// Seals the key; returns the bytes of `key.age`. With a passphrase that takes about a second and 256 MiB of memory.
    ///
    /// # Errors
    /// Where there is no recipient, or too many.
    pub fn lock(&self, lock: &Lock) -> io::Result<Vec<u8>> {
        self.lock_at(lock, WORK_FACTOR)
    }

    pub(super) fn lock_at(&self, lock: &Lock, work: u8) -> io::Result<Vec<u8>> {
        let encryptor = match lock {
            Lock::Recipients(all) if all.len() > RECIPIENT_LIMIT => {
                let reason = format!("a bundle has at most {RECIPIENT_LIMIT} recipients");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
            }
            Lock::Recipients(all) => Encryptor::with_recipients(all.iter().map(|it| &it.0 as _)),
            Lock::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(secret(passphrase));
                recipient.set_work_factor(work);
                Encryptor::with_recipients(std::iter::once(&recipient as _))
            }
        };
        let mut writer = encryptor.map_err(io::Error::other)?.wrap_output(Vec::new())?;
        writer.write_all(self.to_line().as_bytes())?;
        writer.finish()
    }
}

fn secret(passphrase: &Passphrase) -> SecretString {
    SecretString::from(passphrase.expose().to_owned())
}

/// A `key.age` that was read and not yet opened.
#[derive(Clone, Debug)]
pub struct SealedKey {
    path: PathBuf,
    bytes: Vec<u8>,
    wants_passphrase: bool,
}

impl SealedKey {
    /// Takes the bytes of `key.age`; `path` is its name.
    ///
    /// # Errors
    /// [`BundleError::Damaged`] where they are no age file, or too many.
    pub fn parse(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        if bytes.len() as u64 > SEALED_KEY_LIMIT {
            return Err(BundleError::damaged(
                path,
                format_args!("it has more than {SEALED_KEY_LIMIT} bytes"),
            ));
        }
        // Reading from memory fails at its end only.
        let header = read_header(&mut &bytes[..], SEALED_KEY_LIMIT).ok().flatten();
        let decryptor =
            header.and_then(|header| Decryptor::new_buffered(&header[..]).ok().map(|it| it.is_scrypt()));
        match decryptor {
            Some(wants_passphrase) => Ok(Self { path: path.to_owned(), bytes, wants_passphrase }),
            None => Err(BundleError::damaged(path, "it is no age file")),
        }
    }

    /// Tells whether [`Self::open`] will ask.
    #[must_use]
    pub fn wants_passphrase(&self) -> bool {
        self.wants_passphrase
    }

    /// Opens the key with one of the identities, or asks for the passphrase if it is sealed under one. With a passphrase it
    /// takes up to some seconds and 1 GiB of memory, as the file says.
    ///
    /// # Errors
    /// [`BundleError::WrongKey`] where no identity fits or the passphrase is wrong; [`BundleError::Damaged`]; what
    /// `ask` fails with.
    pub fn open(
        &self,
        identities: &Identities,
        ask: impl FnOnce() -> Result<Passphrase>,
    ) -> Result<BundleKey> {
        let decryptor = Decryptor::new_buffered(&self.bytes[..]).map_err(|error| self.refused(&error))?;
        let reader = if self.wants_passphrase {
            let mut identity = scrypt::Identity::new(secret(&ask()?));
            identity.set_max_work_factor(WORK_LIMIT);
            decryptor.decrypt(std::iter::once(&identity as _))
        } else {
            decryptor.decrypt(identities.0.iter().map(|it| it as _))
        };
        let reader = reader.map_err(|error| self.refused(&error))?;
        // What outgrows its memory leaves a copy behind that nobody wipes.
        let mut line = Zeroizing::new(Vec::with_capacity(LINE_LIMIT as usize + 1));
        let read = reader.take(LINE_LIMIT + 1).read_to_end(&mut line);
        match read {
            Ok(size) if size as u64 <= LINE_LIMIT => BundleKey::from_line(&self.path, &line),
            _ => Err(BundleError::damaged(&self.path, "it was altered behind its header")),
        }
    }

    fn refused(&self, error: &DecryptError) -> BundleError {
        let wrong = |reason| BundleError::wrong_key(&self.path, reason);
        match error {
            DecryptError::NoMatchingKeys => wrong("none of the identities opens it"),
            DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed if self.wants_passphrase => {
                wrong("the passphrase is wrong")
            }
            DecryptError::ExcessiveWork { .. } => wrong("its passphrase takes more work than is allowed"),
            _ => BundleError::damaged(&self.path, "its header was altered"),
        }
    }
}
