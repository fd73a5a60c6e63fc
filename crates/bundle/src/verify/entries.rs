//! The content of entries, against what it should be.

use std::io::{self, Read};

use sealift_oci::{Algorithm, Digest, Hasher};
use serde_json::Value;

use super::tape::{Broken, Place, Tape};
use crate::catalogue::{CATALOGUE_LIMIT, Content};
use crate::delta::Delta;
use crate::entry;
use crate::names::{CATALOGUE, KEY, SEALED, TRAILER};
use crate::reader::Bundle;
use crate::seal::BundleKey;

/// What is wrong with content; nothing where it is right.
type Verdict = Result<Option<String>, Broken>;

/// Checks content that the catalogue lists; `stored` bytes are taken off the tape.
pub(super) fn listed(tape: &mut Tape<'_>, bundle: &Bundle, content: &Content, stored: u64) -> Verdict {
    let (digest, size) = match (&content.encoding, Delta::of(content)) {
        (None, _) => (content.digest, content.size),
        // What comes out of it is only known where its base is.
        (Some(_), Some(Ok(delta))) => (delta.carried_digest, delta.carried()),
        (Some(encoding), _) => {
            let what = format!("{} has an encoding that is not known: {:?}", content.digest, encoding.id);
            return Ok(tape.each(stored, |_| {})?.then_some(what));
        }
    };
    match bundle.key() {
        Some(key) => sealed(tape, key, (&content.digest, &digest), size, stored),
        None => plain_of(tape, &content.digest, &digest, stored),
    }
}

/// Checks bytes against their digest.
pub(super) fn plain(tape: &mut Tape<'_>, digest: &Digest, size: u64) -> Verdict {
    plain_of(tape, digest, digest, size)
}

/// Checks bytes of content against the digest that they should have.
fn plain_of(tape: &mut Tape<'_>, content: &Digest, expected: &Digest, size: u64) -> Verdict {
    let mut hasher = Hasher::new(expected.algorithm());
    if !tape.each(size, |piece| hasher.update(piece))? {
        return Ok(Some(format!("{content} is cut off")));
    }
    Ok(differs(content, expected, &hasher.finish()))
}

fn differs(content: &Digest, expected: &Digest, actual: &Digest) -> Option<String> {
    (actual != expected).then(|| format!("{content} is damaged: its bytes have the digest {actual}"))
}

/// Decrypts content and checks it; `size` bytes of that digest should come out.
fn sealed(
    tape: &mut Tape<'_>,
    key: &BundleKey,
    (digest, expected): (&Digest, &Digest),
    size: u64,
    stored: u64,
) -> Verdict {
    Ok(match decrypt(tape, key, expected.algorithm(), stored, size)? {
        Ok(actual) => differs(digest, expected, &actual),
        Err(reason) => Some(format!("{digest} is damaged: {reason}")),
    })
}

/// Decrypts an entry of `stored` bytes, of which at most `size` should come out, and returns their digest.
fn decrypt(
    tape: &mut Tape<'_>,
    key: &BundleKey,
    algorithm: Algorithm,
    stored: u64,
    size: u64,
) -> Result<Result<Digest, String>, Broken> {
    let mut entry = EntryReader { tape, left: stored, is_broken: false };
    let outcome = hash_opened(key, &mut entry, algorithm, size);
    if entry.is_broken {
        return Err(Broken);
    }
    let left = entry.left;
    if !tape.each(left, |_| {})? {
        return Ok(Err("it is cut off".to_owned()));
    }
    Ok(outcome.map_err(|error| error.to_string()))
}

fn hash_opened(
    key: &BundleKey,
    entry: &mut EntryReader<'_, '_>,
    algorithm: Algorithm,
    size: u64,
) -> io::Result<Digest> {
    let stored = entry.left;
    let mut opened = key.stream(entry, stored)?;
    if opened.size() > size {
        return Err(io::Error::other(format!("it has {} bytes, not {size}", opened.size())));
    }
    let mut hasher = Hasher::new(algorithm);
    while let Some(plain) = opened.next()? {
        hasher.update(plain);
    }
    Ok(hasher.finish())
}

/// The stored bytes of one entry.
struct EntryReader<'t, 'a> {
    tape: &'t mut Tape<'a>,
    left: u64,
    is_broken: bool,
}

impl Read for EntryReader<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = self.left.min(buffer.len() as u64);
        let piece = self.tape.piece(limit).map_err(|Broken| {
            self.is_broken = true;
            io::Error::other("the volume cannot be read")
        })?;
        buffer[..piece.len()].copy_from_slice(&piece);
        self.left -= piece.len() as u64;
        Ok(piece.len())
    }
}

/// Checks an entry that the catalogue does not list. What an interrupted run left behind is among them.
pub(super) fn unlisted(tape: &mut Tape<'_>, bundle: &Bundle, at: &Place, name: &str, size: u64) -> Verdict {
    if let Some(digest) = digest_of(name) {
        // What goes on in a volume that is no part of this run is left to that volume's checksum.
        let is_last = at.volume == bundle.volumes().len();
        let verdict = plain(tape, &digest, size)?;
        if bundle.content(&digest).is_some_and(|content| content.at.is_empty()) {
            return Ok(
                verdict.or_else(|| Some(format!("{digest} lies there, and the catalogue says nowhere")))
            );
        }
        return Ok(verdict.filter(|_| is_last || !tape.is_over()));
    }
    if let Some(key) = bundle.key().filter(|_| is_sealed_entry(name)) {
        let opened = decrypt(tape, key, Algorithm::Sha256, size, u64::MAX)?;
        return Ok(opened.err().map(|reason| format!("{name} is damaged: {reason}")));
    }
    let is_allowed = bundle.key().is_none() && (is_layout(name) || entry::is_delta_name(name));
    if !is_allowed && !is_inside(bundle, at, name, size) {
        tape.each(size, |_| {})?;
        return Ok(Some(format!("{name:?} is no entry of a bundle")));
    }
    if size > CATALOGUE_LIMIT || !is_layout(name) || is_summed(bundle, at) {
        let is_whole = tape.each(size, |_| {})?;
        return Ok((!is_whole).then(|| format!("{name} is cut off")));
    }
    let bytes = tape.exact(size)?;
    let layout = crate::writer::layout(bundle.catalogue());
    let expected = layout.iter().find(|(known, _)| *known == name).map(|(_, content)| content.as_slice());
    let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    let is_right = expected.is_some_and(|expected| parse(&bytes) == parse(expected));
    Ok((!is_right).then(|| format!("{name} differs from the catalogue")))
}

/// Tells whether a checksum covers the volume.
fn is_summed(bundle: &Bundle, at: &Place) -> bool {
    bundle.volume(at.volume).is_some_and(|volume| volume.sha256().is_some())
}

fn is_layout(name: &str) -> bool {
    matches!(name, "oci-layout" | "index.json")
}

fn is_sealed_entry(name: &str) -> bool {
    let number = name.strip_prefix("sealed/").and_then(|rest| rest.strip_suffix(SEALED));
    number.is_some_and(|number| number.len() == 10 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn digest_of(name: &str) -> Option<Digest> {
    let (algorithm, hash) = name.strip_prefix("blobs/")?.split_once('/')?;
    format!("{algorithm}:{hash}").parse().ok()
}

/// Tells whether an entry is one of those that a bundle in one file ends with, at its place. Their content was read
/// and checked when the bundle was opened.
fn is_inside(bundle: &Bundle, at: &Place, name: &str, size: u64) -> bool {
    let Some(whole) = &bundle.medium().whole else { return false };
    let (catalogue, key) = (&whole.trailer.catalogue, whole.trailer.key);
    let here = (at.position, size);
    match name.strip_suffix(SEALED).unwrap_or(name) {
        CATALOGUE => name.ends_with(SEALED) == key.is_some() && here == (catalogue.offset, catalogue.size),
        _ if name == KEY => key.is_some_and(|key| here == (key.offset, key.size)),
        TRAILER => size == crate::entry::BLOCK,
        _ => false,
    }
}
