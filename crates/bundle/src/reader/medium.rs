//! What lies on the medium: the form of a bundle and its small files, proven before they are understood.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sealift_oci::Digest;

use super::checksums::{CHECKSUMS_LIMIT, Checksums};
use super::hash::hash;
use super::part;
use super::trailer::{TAIL, Trailer};
use super::volumes::DIFFERS;
use super::{Progress, ending, files};
use crate::catalogue::CATALOGUE_LIMIT;
use crate::error::{BundleError, Result};
use crate::names::{CATALOGUE, CHECKSUM, CHECKSUMS, KEY, SEALED, SIGNATURE};
use crate::seal::SEALED_KEY_LIMIT;
use crate::sign::{PublicKey, SIGNATURE_LIMIT};
use crate::writer::behind;

/// A bundle whose catalogue is not understood yet.
#[derive(Debug)]
pub(crate) struct Medium {
    /// What was opened.
    pub(crate) path: PathBuf,
    /// The list of checksums; a bundle that went through a pipe has none.
    pub(crate) checksums: Option<(PathBuf, Checksums)>,
    /// The file that the catalogue lies in, and its bytes as they lie there.
    pub(crate) catalogue: (PathBuf, Vec<u8>),
    /// The file that the bundle's own identity lies in, and its bytes; only a sealed bundle has one.
    pub(crate) key: Option<(PathBuf, Vec<u8>)>,
    /// The one file that is everything.
    pub(crate) whole: Option<Whole>,
}

/// A bundle that is one file.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) length: u64,
    pub(crate) trailer: Trailer,
}

impl Medium {
    /// Reads the small files. With `trust`, nothing is parsed before the signature and the checksums fit.
    /// One file is read whole for that, of which `progress` is told.
    pub(crate) fn open(path: &Path, trust: Option<&PublicKey>, progress: &Progress<'_>) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(BundleError::io(path))?;
        if metadata.is_dir() {
            return Self::open_directory(path, trust);
        }
        let path = files::behind_link(path)?;
        match part::of_a_bundle(&path) {
            Some(reason) => Err(BundleError::Part { path, reason }),
            None => Self::open_file(&path, trust, progress),
        }
    }

    fn open_directory(path: &Path, trust: Option<&PublicKey>) -> Result<Self> {
        let list = path.join(CHECKSUMS);
        let bytes = files::read_small(&list, CHECKSUMS_LIMIT)?.ok_or_else(|| BundleError::NotABundle {
            path: path.to_owned(),
            reason: format!("it has no {CHECKSUMS}: the bundle is unfinished, or this is none"),
        })?;
        check_signature(&list, &bytes, trust)?;
        let checksums = Checksums::parse(&list, &bytes)?;
        let sealed_catalogue = format!("{CATALOGUE}{SEALED}");
        let is_sealed = checksums.of(&sealed_catalogue).is_some();
        let read = |name: &str, limit| {
            let file = path.join(name);
            let bytes = files::read_needed(&file, limit)?;
            let is_right = checksums.of(name) == Some(Digest::sha256(&bytes).hex().as_str());
            let differs =
                || BundleError::damaged(&file, format_args!("it differs from its checksum in {CHECKSUMS}"));
            is_right.then_some(()).ok_or_else(differs)?;
            Ok((file, bytes))
        };
        let key = is_sealed.then(|| read(KEY, SEALED_KEY_LIMIT)).transpose()?;
        let name = if is_sealed { &sealed_catalogue } else { CATALOGUE };
        let catalogue = read(name, CATALOGUE_LIMIT)?;
        Ok(Self { path: path.to_owned(), checksums: Some((list, checksums)), catalogue, key, whole: None })
    }

    fn open_file(path: &Path, trust: Option<&PublicKey>, progress: &Progress<'_>) -> Result<Self> {
        let checksums = companion(path, trust)?;
        // All is read through one handle: what is proven and what is understood are the same file.
        let (mut file, length) = files::open(path).map_err(BundleError::io(path))?;
        if let (Some(_), Some(expected)) = (trust, &checksums) {
            let read = AtomicU64::new(0);
            let tell = |bytes| progress(read.fetch_add(bytes, Ordering::Relaxed) + bytes, length);
            let actual = hash(&mut file, &tell).map_err(BundleError::io(path))?;
            if expected.1.only().is_none_or(|(_, hash)| hash != actual) {
                return Err(BundleError::damaged(path, DIFFERS));
            }
        }
        let start = length.saturating_sub(TAIL);
        let trailer = Trailer::parse(path, &read_at(path, &mut file, start, length - start)?, length);
        if let Err(BundleError::NotABundle { .. }) = trailer {
            let checksum = checksums.as_ref().and_then(|(_, sums)| sums.only()).map(|(_, hash)| hash);
            ending::refuse_damaged(path, &mut file, length, checksum, progress)?;
        }
        let trailer = trailer?;
        let mut read = |offset, size| read_at(path, &mut file, offset, size);
        let bytes = read(trailer.catalogue.offset, trailer.catalogue.size)?;
        if Digest::sha256(&bytes).hex() != trailer.catalogue.sha256 {
            let at = trailer.catalogue.offset;
            return Err(BundleError::damaged(
                path,
                format_args!("the catalogue at byte {at} differs from its checksum"),
            ));
        }
        let key = trailer.key.map(|key| Ok((path.to_owned(), read(key.offset, key.size)?)));
        Ok(Self {
            path: path.to_owned(),
            checksums,
            catalogue: (path.to_owned(), bytes),
            key: key.transpose()?,
            whole: Some(Whole { length, trailer }),
        })
    }

    /// Tells whether a file of the list is one of the small ones, which were read.
    pub(crate) fn is_small(&self, name: &str) -> bool {
        let small = [Some(&self.catalogue), self.key.as_ref()];
        small.into_iter().flatten().any(|(path, _)| path.file_name().is_some_and(|it| it == name))
    }

    /// Returns the checksum that the one file should have.
    pub(crate) fn whole_checksum(&self) -> Option<&str> {
        let (_, checksums) = self.checksums.as_ref().filter(|_| self.whole.is_some())?;
        checksums.only().map(|(_, hash)| hash)
    }
}

/// Reads the checksum beside a bundle that is one file.
fn companion(path: &Path, trust: Option<&PublicKey>) -> Result<Option<(PathBuf, Checksums)>> {
    let list = behind(path, CHECKSUM);
    let Some(bytes) = files::read_small(&list, CHECKSUMS_LIMIT)? else {
        return match trust {
            Some(_) => Err(BundleError::untrusted(
                path,
                format_args!("{} is missing, and a signature with it", list.display()),
            )),
            None => Ok(None),
        };
    };
    check_signature(&list, &bytes, trust)?;
    let checksums = Checksums::parse(&list, &bytes)?;
    if checksums.only().is_none() {
        return Err(BundleError::damaged(&list, "it has more than one checksum"));
    }
    Ok(Some((list, checksums)))
}

fn check_signature(list: &Path, bytes: &[u8], trust: Option<&PublicKey>) -> Result<()> {
    let Some(key) = trust else { return Ok(()) };
    let file = behind(list, SIGNATURE);
    let signature = files::read_small(&file, SIGNATURE_LIMIT)?.ok_or_else(|| {
        BundleError::untrusted(list, format_args!("it is not signed: {} is missing", file.display()))
    })?;
    let text =
        String::from_utf8(signature).map_err(|_| BundleError::untrusted(&file, "it is no signature"))?;
    key.verify(list, bytes, &text).map(|_| ())
}

/// Reads a run of bytes whose size was checked.
fn read_at(path: &Path, file: &mut File, offset: u64, size: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset)).map_err(BundleError::io(path))?;
    file.take(size).read_to_end(&mut bytes).map_err(BundleError::io(path))?;
    if (bytes.len() as u64) < size {
        return Err(BundleError::damaged(path, format_args!("it ends before byte {}", offset + size)));
    }
    Ok(bytes)
}
