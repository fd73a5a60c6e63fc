//! The list of checksums, as `sha256sum` writes it: `<64 hexadecimal digits>  <name>` on each line.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{BundleError, Result};

/// The largest list that is read, in bytes: the most volumes, with room for their names.
pub(crate) const CHECKSUMS_LIMIT: u64 = 4 * 1024 * 1024;

/// The checksums by file name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checksums(BTreeMap<String, String>);

impl Checksums {
    /// Reads a list. It is read strictly: whatever differs by one bit is another list or none.
    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let wrong = |line: usize, what: &str| BundleError::damaged(path, format_args!("line {line}: {what}"));
        let text = std::str::from_utf8(bytes).map_err(|error| BundleError::damaged(path, error))?;
        let body =
            text.strip_suffix('\n').ok_or_else(|| BundleError::damaged(path, "its last line is cut off"))?;
        let mut sums = BTreeMap::new();
        for (line, number) in body.split('\n').zip(1..) {
            let (hash, name) =
                line.split_once("  ").ok_or_else(|| wrong(number, "it is no checksum and file name"))?;
            if !is_hash(hash) {
                return Err(wrong(number, "the checksum is malformed"));
            }
            if !is_plain(name) {
                return Err(wrong(number, "the name is no plain file name"));
            }
            if sums.insert(name.to_owned(), hash.to_owned()).is_some() {
                return Err(wrong(number, "the file is listed twice"));
            }
        }
        Ok(Self(sums))
    }

    /// Returns the checksum of a file in hexadecimal digits.
    pub(crate) fn of(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Lists the files.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the one line of the list that belongs to a bundle in one file.
    pub(crate) fn only(&self) -> Option<(&str, &str)> {
        let mut all = self.0.iter();
        let first = all.next().map(|(name, hash)| (name.as_str(), hash.as_str()));
        first.filter(|_| all.next().is_none())
    }
}

/// Tells whether a text is a SHA-256 in lower-case hexadecimal digits.
pub(crate) fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A name is shown to people and joined to a directory.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(|c: char| c == '/' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Checksums> {
        Checksums::parse(Path::new("SHA256SUMS"), text.as_bytes())
    }

    #[test]
    fn a_list_is_read() {
        let (one, two) = ("a".repeat(64), "0".repeat(64));
        let sums = parse(&format!("{one}  volume-1-of-1.tar\n{two}  catalogue.json\n")).unwrap();
        assert_eq!(sums.of("catalogue.json"), Some(two.as_str()));
        assert_eq!(sums.names().collect::<Vec<_>>(), ["catalogue.json", "volume-1-of-1.tar"]);
        assert_eq!(sums.only(), None);
        assert_eq!(parse(&format!("{one}  x.tar\n")).unwrap().only(), Some(("x.tar", one.as_str())));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let hash = "a".repeat(64);
        let cases = [
            (String::new(), "cut off"),
            (format!("{hash}  x"), "cut off"),
            (format!("{hash} x\n"), "line 1: it is no checksum"),
            (format!("{hash} *x\n"), "line 1: it is no checksum"),
            (format!("{}  x\n", "A".repeat(64)), "malformed"),
            (format!("{hash}  ../x\n"), "no plain file name"),
            (format!("{hash}  x\n\n"), "line 2"),
            (format!("{hash}  x\n{hash}  x\n"), "line 2: the file is listed twice"),
        ];
        for (text, expected) in cases {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.starts_with("SHA256SUMS: ") && error.contains(expected), "{text:?}: {error}");
        }
    }
}
