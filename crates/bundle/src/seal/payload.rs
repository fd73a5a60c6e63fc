//! What follows the header of an age file: a nonce, and the content in chunks that are sealed one by one.
//!
//! Headers are age's own work: it draws, wraps, unwraps and proves the key of a file, and hands it over here through its
//! traits. The chunks are sealed and opened by aws-lc-rs, as TLS is, and where they lie: age's own reader and writer copy each
//! chunk into memory of its own, and the reader wipes it as well. One core seals 1.9 GB a second so, and 1.2 with age's writer
//! (`docs/PERFORMANCE.md`). The format is that of <https://c2sp.org/age#payload>.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::io;
use std::iter::once;

use age::secrecy::ExposeSecret;
use age::{DecryptError, Decryptor, EncryptError, Encryptor, Identity, Recipient, x25519};
use age_core::format::{FileKey, Stanza};
use age_core::primitives::hkdf;
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey};
use zeroize::Zeroizing;

use super::layout::{FILE_NONCE, SEALED_CHUNK};
use super::opener::OpenError;

/// What the key of the chunks is derived for.
const LABEL: &[u8] = b"payload";

/// The key of the chunks of one file; it is wiped when it goes, and never printed.
pub(super) struct Payload(LessSafeKey);

impl Payload {
    /// Draws the key of a new file, and returns the file's header and nonce as well.
    pub(super) fn draw(recipient: &x25519::Recipient) -> io::Result<(Self, Vec<u8>)> {
        let witness = Witness::of(recipient);
        let encryptor = Encryptor::with_recipients(once(&witness as _)).map_err(io::Error::other)?;
        let mut head = Vec::new();
        // By now header and nonce are written. age's writer of chunks goes away unused.
        drop(encryptor.wrap_output(&mut head)?);
        let payload = witness.payload(&head).ok_or_else(|| io::Error::other("age wrapped no key"))?;
        Ok((payload, head))
    }

    /// Unwraps the key of a file whose header and nonce are `head`, and proves that header.
    pub(super) fn unwrap(identity: &x25519::Identity, head: &[u8]) -> Result<Self, OpenError> {
        let decryptor = Decryptor::new_buffered(head).map_err(|_| OpenError::NotAge)?;
        let witness = Witness::of(identity);
        decryptor.decrypt(once(&witness as _)).map_err(|error| match error {
            DecryptError::Io(error) => OpenError::Io(error),
            _ => OpenError::OtherKey,
        })?;
        witness.payload(head).ok_or(OpenError::OtherKey)
    }

    /// Seals a chunk where it lies, and returns what comes behind it.
    pub(super) fn seal(&self, number: u64, is_last: bool, chunk: &mut [u8]) -> io::Result<Tag> {
        self.0
            .seal_in_place_separate_tag(nonce(number, is_last), Aad::empty(), chunk)
            .map_err(|_| io::Error::other("the cipher refuses a chunk"))
    }

    /// Opens chunks that lie one behind the other, of a file that has `count` of them; the first one here is number `first`.
    /// The plain bytes lie in front then, and how many they are is returned.
    pub(super) fn open(&self, first: u64, count: u64, chunks: &mut [u8]) -> io::Result<usize> {
        let (mut plain, mut start) = (0, 0);
        for number in first.. {
            let end = chunks.len().min(start + SEALED_CHUNK);
            let nonce = nonce(number, number + 1 == count);
            let opened = self.0.open_within(nonce, Aad::empty(), &mut chunks[plain..end], start - plain..);
            plain += opened.map_err(|_| altered())?.len();
            start = end;
            if start == chunks.len() {
                break;
            }
        }
        Ok(plain)
    }
}

fn altered() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a chunk does not fit its tag")
}

/// No two chunks of a file have the same: the number, and whether it is the last one.
fn nonce(number: u64, is_last: bool) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[3..11].copy_from_slice(&number.to_be_bytes());
    nonce[11] = u8::from(is_last);
    Nonce::assume_unique_for_key(nonce)
}

/// Does what another one does, and keeps the key of the file that is wrapped or unwrapped meanwhile.
struct Witness<'a, T> {
    inner: &'a T,
    file_key: OnceCell<FileKey>,
}

impl<'a, T> Witness<'a, T> {
    fn of(inner: &'a T) -> Self {
        Self { inner, file_key: OnceCell::new() }
    }

    fn keep(&self, key: &FileKey) {
        self.file_key.get_or_init(|| FileKey::init_with_mut(|kept| *kept = *key.expose_secret()));
    }

    /// Derives the key of the chunks; `None` where no key was seen.
    fn payload(&self, head: &[u8]) -> Option<Payload> {
        let nonce = head.last_chunk::<FILE_NONCE>()?;
        let key = Zeroizing::new(hkdf(nonce, LABEL, self.file_key.get()?.expose_secret()));
        Some(Payload(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &*key).ok()?)))
    }
}

impl Identity for Witness<'_, x25519::Identity> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        let unwrapped = self.inner.unwrap_stanza(stanza)?;
        Some(unwrapped.inspect(|key| self.keep(key)))
    }
}

impl Recipient for Witness<'_, x25519::Recipient> {
    fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        self.keep(key);
        self.inner.wrap_file_key(key)
    }
}
