//! The file of a secret key: a comment, and 158 bytes in base64.
//!
//! | bytes | what |
//! |---|---|
//! | 2, 2, 2 | the algorithms: `Ed` signs; `Sc` (scrypt) or zeros hide; `B2` (BLAKE2b) checks |
//! | 32, 8, 8 | salt, `opslimit` and `memlimit` of scrypt |
//! | 8, 32, 32, 32 | the key's name, seed, public half, and checksum: hidden |

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use zeroize::Zeroizing;

use super::kdf::{COSTS, HIDDEN, Kdf};
use super::{COMMENT, ED25519, SecretKey, decode_line};
use crate::error::{BundleError, Result};
use crate::key_file;
use crate::passphrase::Passphrase;

const SCRYPT: [u8; 2] = *b"Sc";
const PLAIN: [u8; 2] = [0, 0];
const BLAKE2B: [u8; 2] = *b"B2";
/// The bytes before the hidden ones.
const HEAD: usize = 54;
/// The bytes of a public key, which people take for the secret one.
const PUBLIC: usize = 42;

/// The file of a secret key, which may want a passphrase.
pub struct SecretKeyFile {
    path: PathBuf,
    kdf: Option<Kdf>,
    secret: Zeroizing<[u8; HIDDEN]>,
}

impl SecretKeyFile {
    /// Reads a file.
    ///
    /// # Errors
    /// As [`Self::parse`], and where it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(path, &key_file::read(path)?)
    }

    /// Reads a file's text; `path` is its name.
    ///
    /// # Errors
    /// [`BundleError::WrongKey`] where it is no secret key.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let bytes = decode_line(text).unwrap_or_default();
        let wrong = |reason| BundleError::wrong_key(path, reason);
        if bytes.len() == PUBLIC {
            return Err(wrong("it is a public key, and the secret one is wanted"));
        }
        let Some((head, secret)) = bytes.split_first_chunk::<HEAD>() else {
            return Err(wrong("it is no secret key of minisign"));
        };
        let secret = <&[u8; HIDDEN]>::try_from(secret).ok().filter(|_| head[..2] == ED25519);
        let secret = secret.ok_or_else(|| wrong("it is no secret key of minisign"))?;
        let kdf = match (head[2..4] == SCRYPT, head[2..4] == PLAIN, head[4..6] == BLAKE2B) {
            (true, _, true) => Some(kdf(head)),
            (_, true, true) => None,
            _ => return Err(wrong("it is kept in a way that is not known")),
        };
        Ok(Self { path: path.to_owned(), kdf, secret: Zeroizing::new(*secret) })
    }

    /// Tells whether [`Self::open`] will ask.
    #[must_use]
    pub fn wants_passphrase(&self) -> bool {
        self.kdf.is_some()
    }

    /// Opens the key, and asks for the passphrase if it wants one. With one it takes up to some seconds and 1 GiB of
    /// memory, as the file says.
    ///
    /// # Errors
    /// [`BundleError::WrongKey`] where the passphrase is wrong or the file is damaged, and what `ask` fails with.
    pub fn open(self, ask: impl FnOnce() -> Result<Passphrase>) -> Result<SecretKey> {
        let Self { path, kdf, mut secret } = self;
        let wrong = |reason| BundleError::wrong_key(&path, reason);
        if let Some(kdf) = &kdf {
            let applied = kdf.apply(&ask()?, &mut secret);
            applied.ok_or_else(|| wrong("its passphrase takes more work than is allowed"))?;
        }
        let reason = if kdf.is_some() { "the passphrase is wrong" } else { "it is damaged" };
        let (plain, sum) = secret.split_at(HIDDEN - 32);
        // minisign leaves the checksum out where nothing is hidden.
        let is_left_out = kdf.is_none() && sum.iter().all(|byte| *byte == 0);
        if !is_left_out && checksum(plain)[..] != *sum {
            return Err(wrong(reason));
        }
        let (mut id, mut seed) = ([0; 8], Zeroizing::new([0; 32]));
        id.copy_from_slice(&plain[..8]);
        seed.copy_from_slice(&plain[8..40]);
        SecretKey::from_parts(id, seed, &plain[40..]).ok_or_else(|| wrong("it is damaged"))
    }
}

impl std::fmt::Debug for SecretKeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SecretKeyFile").field(&self.path).finish()
    }
}

fn kdf(head: &[u8; HEAD]) -> Kdf {
    let mut salt = [0; 32];
    salt.copy_from_slice(&head[6..38]);
    let number = |at: usize| head[at..at + 8].iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte));
    Kdf { costs: (number(38), number(46)), salt }
}

fn checksum(plain: &[u8]) -> [u8; 32] {
    Blake2b::<U32>::new().chain_update(ED25519).chain_update(plain).finalize().into()
}

/// Writes a key's file.
pub(super) fn write(key: &SecretKey, passphrase: Option<&Passphrase>) -> io::Result<Zeroizing<String>> {
    let mut secret = Zeroizing::new([0; HIDDEN]);
    secret[..8].copy_from_slice(&key.id);
    secret[8..40].copy_from_slice(&*key.seed);
    secret[40..72].copy_from_slice(&key.public_bytes());
    let sum = checksum(&secret[..72]);
    secret[72..].copy_from_slice(&sum);

    let mut bytes = Zeroizing::new(Vec::with_capacity(HEAD + HIDDEN));
    bytes.extend([ED25519, if passphrase.is_some() { SCRYPT } else { PLAIN }, BLAKE2B].as_flattened());
    match passphrase {
        Some(passphrase) => {
            let mut kdf = Kdf { costs: COSTS, salt: [0; 32] };
            getrandom::fill(&mut kdf.salt).map_err(io::Error::other)?;
            kdf.apply(passphrase, &mut secret).ok_or(io::ErrorKind::OutOfMemory)?;
            bytes.extend(kdf.salt);
            bytes.extend(kdf.costs.0.to_le_bytes());
            bytes.extend(kdf.costs.1.to_le_bytes());
        }
        None => bytes.resize(HEAD, 0),
    }
    bytes.extend(&*secret);
    let line = Zeroizing::new(STANDARD.encode(&*bytes));
    let kind = if passphrase.is_some() { "encrypted secret key" } else { "secret key" };
    Ok(Zeroizing::new(format!("{COMMENT}minisign {kind} {}\n{}\n", key.id(), *line)))
}
