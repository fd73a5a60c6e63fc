//! One file that does not end as a bundle does: a damaged bundle, of which it is told where, or something else.
//!
//! A bundle that lost its end would pass for the layout that it is as well, and nothing would miss what the catalogue
//! says. So what shows that a file was a bundle is looked for, before anybody takes it for something else.

use std::fs::File;
use std::io::Seek;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Progress;
use super::hash::hash;
use super::trailer::TAIL;
use super::volumes::DIFFERS;
use crate::entry::END;
use crate::error::{BundleError, Result};
use crate::layout::{Headers, headers};
use crate::names::{CATALOGUE, KEY, SEALED_CATALOGUE, TRAILER};

/// Refuses a file of `length` bytes that was a bundle, or that differs from the checksum beside it.
pub(super) fn refuse_damaged(
    path: &Path,
    file: &mut File,
    length: u64,
    checksum: Option<&str>,
    progress: &Progress<'_>,
) -> Result<()> {
    let mut is_bundle = false;
    let found = headers(file, length, |name| is_bundle |= is_of_a_bundle(name));
    if is_bundle {
        let reason = format_args!("the end of the bundle is damaged: {}", place(&found, length));
        return Err(BundleError::damaged(path, reason));
    }
    let Some(expected) = checksum else { return Ok(()) };
    let read = AtomicU64::new(0);
    let tell = |bytes| progress(read.fetch_add(bytes, Ordering::Relaxed) + bytes, length);
    file.rewind().map_err(BundleError::io(path))?;
    match hash(file, &tell).map_err(BundleError::io(path))? == expected {
        true => Ok(()),
        false => Err(BundleError::damaged(path, DIFFERS)),
    }
}

/// Tells whether an entry is one that a bundle has in one file, and a layout has not.
fn is_of_a_bundle(name: &str) -> bool {
    [CATALOGUE, SEALED_CATALOGUE, KEY, TRAILER].contains(&name)
}

/// Says where the end is not as it should be.
fn place(found: &Headers, length: u64) -> String {
    let end = found.end + END.len() as u64;
    match found.is_ended {
        false => format!("from byte {} on nothing can be read", found.end),
        true if length < end => format!("it is cut off at byte {length}"),
        true if length > end => format!("more follows at byte {end}"),
        true => format!("it begins at byte {}", length.saturating_sub(TAIL)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry;

    fn archive(names: &[&str]) -> Vec<u8> {
        names.iter().flat_map(|name| entry::header(name, 0)).chain(END).collect()
    }

    fn check(content: &[u8], checksum: Option<&str>) -> Result<()> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.tar");
        std::fs::write(&path, content).unwrap();
        let mut file = File::open(&path).unwrap();
        refuse_damaged(&path, &mut file, content.len() as u64, checksum, &|_, _| {})
    }

    #[test]
    fn what_was_a_bundle_is_told_with_the_place() {
        let whole = archive(&["oci-layout", TRAILER]);
        let flipped = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        };
        for (content, expected) in [
            (whole[..whole.len() - 1].to_vec(), "it is cut off at byte 2047"),
            ([&whole[..], b"x"].concat(), "more follows at byte 2048"),
            (flipped(whole.len() - 1), "it begins at byte 0"),
            (flipped(1024), "from byte 1024 on nothing can be read"),
        ] {
            let error = check(&content, None).unwrap_err().to_string();
            assert!(error.ends_with(&format!("the end of the bundle is damaged: {expected}")), "{error}");
        }
        for name in [CATALOGUE, SEALED_CATALOGUE, KEY] {
            assert!(matches!(check(&archive(&[name]), None), Err(BundleError::Damaged { .. })), "{name}");
        }
    }

    #[test]
    fn what_else_it_is_has_the_checksum_beside_it() {
        let other = archive(&["oci-layout", "index.json"]);
        let sum = sealift_oci::Digest::sha256(&other).hex();
        check(&other, None).unwrap();
        check(&other, Some(&sum)).unwrap();
        let error = check(&other, Some(&"0".repeat(64))).unwrap_err();
        assert!(matches!(&error, BundleError::Damaged { reason, .. } if reason == DIFFERS), "{error}");
    }
}
