//! The last entry of a bundle that is one file: where the catalogue lies.

use std::path::Path;

use serde::Deserialize;

use super::checksums::is_hash;
use crate::catalogue::{CATALOGUE_LIMIT, VERSION};
use crate::document::{self, Kind};
use crate::entry::{self, BLOCK, END};
use crate::error::{BundleError, Result};
use crate::names::TRAILER;
use crate::seal::SEALED_KEY_LIMIT;

/// How many bytes from the end of the file lead to the catalogue: header, content, and the end of the archive.
pub(crate) const TAIL: u64 = 2 * BLOCK + END.len() as u64;
/// What a trailer is.
const KIND: Kind = Kind { format: TRAILER, name: "trailer", version: VERSION, limit: BLOCK };

/// Where the catalogue lies.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Trailer {
    pub(crate) catalogue: Place,
    /// The bundle's own identity; a sealed bundle has one.
    #[serde(default)]
    pub(crate) key: Option<KeyPlace>,
}

/// A run of bytes with their checksum.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

/// A run of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct KeyPlace {
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

impl Trailer {
    /// Reads the last bytes of the file `path`, which has `length` bytes.
    pub(crate) fn parse(path: &Path, tail: &[u8], length: u64) -> Result<Self> {
        let none = || BundleError::NotABundle {
            path: path.to_owned(),
            reason: "it does not end as a bundle does: it is none, or it is cut off".to_owned(),
        };
        let block = BLOCK as usize;
        if tail.len() as u64 != TAIL
            || tail[..block] != entry::header(TRAILER, BLOCK)
            || tail[2 * block..] != END
        {
            return Err(none());
        }
        let trailer = Self::parse_content(path, &tail[block..2 * block])?;
        trailer.check(length).map_err(|reason| BundleError::damaged(path, reason))?;
        Ok(trailer)
    }

    fn parse_content(path: &Path, content: &[u8]) -> Result<Self> {
        let text = content.trim_ascii_end();
        if content[text.len()..].iter().any(|byte| *byte != b' ') {
            return Err(BundleError::damaged(path, "its trailer is not padded with spaces"));
        }
        document::parse(KIND, path, text)
    }

    fn check(&self, length: u64) -> Result<(), String> {
        let is_inside = |offset: u64, size: u64| offset.checked_add(size).is_some_and(|end| end <= length);
        let Place { offset, size, sha256 } = &self.catalogue;
        if *size > CATALOGUE_LIMIT || !is_inside(*offset, *size) {
            return Err(format!("its catalogue lies at {offset} with {size} bytes, which cannot be"));
        }
        if !is_hash(sha256) {
            return Err("the checksum of its catalogue is malformed".to_owned());
        }
        match self.key {
            Some(KeyPlace { offset, size }) if size > SEALED_KEY_LIMIT || !is_inside(offset, size) => {
                Err(format!("its key lies at {offset} with {size} bytes, which cannot be"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn trailer() -> Value {
        json!({"format": TRAILER, "version": 1, "later": "ignored",
               "catalogue": {"offset": 512, "size": 10, "sha256": "a".repeat(64)}})
    }

    fn tail(value: &Value, pad: u8) -> Vec<u8> {
        let mut content = value.to_string().into_bytes();
        content.resize(BLOCK as usize, pad);
        [entry::header(TRAILER, BLOCK), content, END.to_vec()].concat()
    }

    #[test]
    fn a_trailer_is_read() {
        let read = Trailer::parse(Path::new("x.tar"), &tail(&trailer(), b' '), 4096).unwrap();
        assert_eq!((read.catalogue.offset, read.catalogue.size, read.key), (512, 10, None));
    }

    #[test]
    fn a_trailer_that_lies_is_refused() {
        let cases = [
            ("/format", json!("other"), "no trailer"),
            ("/version", json!(0), "version 0"),
            ("/version", json!(2), "version 2"),
            ("/catalogue/offset", json!(4090), "cannot be"),
            ("/catalogue/offset", json!(u64::MAX), "cannot be"),
            ("/catalogue/size", json!(CATALOGUE_LIMIT + 1), "cannot be"),
            ("/catalogue/sha256", json!("A".repeat(64)), "checksum"),
            ("/catalogue", json!(null), "invalid type"),
            ("/later", json!("x".repeat(600)), "cut off in line 1"),
        ];
        for (pointer, wrong, expected) in cases {
            let mut value = trailer();
            *value.pointer_mut(pointer).unwrap() = wrong;
            let error =
                Trailer::parse(Path::new("x.tar"), &tail(&value, b' '), 4096).unwrap_err().to_string();
            assert!(error.starts_with("x.tar: ") && error.contains(expected), "{pointer}: {error}");
        }
        let mut keyed = trailer();
        keyed["key"] = json!({"offset": 0, "size": SEALED_KEY_LIMIT + 1});
        assert!(Trailer::parse(Path::new("x"), &tail(&keyed, b' '), u64::MAX).is_err());
        assert!(Trailer::parse(Path::new("x"), &tail(&trailer(), b'\n'), 4096).is_err());
    }

    #[test]
    fn every_flipped_bit_of_the_end_is_seen() {
        let right = tail(
            &json!({"format": TRAILER, "version": 1,
                                 "catalogue": {"offset": 512, "size": 10, "sha256": "a".repeat(64)}}),
            b' ',
        );
        let path = Path::new("x.tar");
        let expected = Trailer::parse(path, &right, 4096).unwrap();
        for bit in 0..right.len() * 8 {
            let mut flipped = right.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // What is still read leads to other bytes, or to other checksums of them.
            assert!(Trailer::parse(path, &flipped, 4096).ok().as_ref() != Some(&expected), "bit {bit}");
        }
    }
}
