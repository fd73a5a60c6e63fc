//! What the JSON documents of sealift have in common: a format, a version, an id, and bounds.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::error::{BundleError, Result};

/// The longest text in a document that is shown to people, in bytes.
const TEXT_LIMIT: usize = 4096;

/// What a document is, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// What it says that it is.
    pub(crate) format: &'static str,
    /// What people call it.
    pub(crate) name: &'static str,
    /// The latest version that is known.
    pub(crate) version: u64,
    /// The most bytes that are read.
    pub(crate) limit: u64,
}

/// What tells whether the rest can be read.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u64,
}

/// Reads a document; `path` is the file that it came from.
pub(crate) fn parse<T: DeserializeOwned>(kind: Kind, path: &Path, bytes: &[u8]) -> Result<T> {
    if bytes.len() as u64 > kind.limit {
        return Err(BundleError::damaged(path, format_args!("it has more than {} bytes", kind.limit)));
    }
    let head: Head =
        serde_json::from_slice(bytes).map_err(|error| BundleError::damaged(path, none(kind, &error)))?;
    if head.format != kind.format {
        let reason = format_args!("it is no {} but {:?}", kind.name, head.format);
        return Err(BundleError::damaged(path, reason));
    }
    if head.version == 0 {
        return Err(BundleError::damaged(path, "it has version 0, which there never was"));
    }
    if head.version > kind.version {
        return Err(BundleError::Version { path: path.to_owned(), found: head.version, known: kind.version });
    }
    let malformed =
        |error| BundleError::damaged(path, format_args!("this {} is malformed: {error}", kind.name));
    serde_json::from_slice(bytes).map_err(malformed)
}

/// Says of what is read where it stops being a document of that kind.
fn none(kind: Kind, error: &serde_json::Error) -> String {
    let (name, line, column) = (kind.name, error.line(), error.column());
    match error.classify() {
        Category::Eof => format!("it is no {name}, or it is cut off in line {line}"),
        Category::Data => format!("it is no {name}: it does not say what it is"),
        Category::Syntax | Category::Io => {
            format!("it is no {name}: from line {line}, character {column} on it is no JSON")
        }
    }
}

/// Checks an id: 32 hexadecimal digits.
pub(crate) fn check_id(id: &str) -> Result<(), String> {
    let is_fine = id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_fine { Ok(()) } else { Err("its id is malformed".to_owned()) }
}

/// Checks a text that is shown to people: it is short and does nothing to a terminal.
pub(crate) fn check_text(what: &str, text: &str) -> Result<(), String> {
    let is_fine = text.len() <= TEXT_LIMIT && !text.contains(char::is_control);
    if is_fine { Ok(()) } else { Err(format!("{what} is too long, or has characters that cannot be shown")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_document_is_told_in_plain_words() {
        const KIND: Kind = Kind { format: "sealift-receipt", name: "receipt", version: 1, limit: 100 };
        for (text, expected) in [
            ("127.0.0.1:5000/team/app:1\n", "it is no receipt: it does not say what it is"),
            ("quay.io/team/app:1\n", "it is no receipt: from line 1, character 1 on it is no JSON"),
            ("{\"format\":1}", "it is no receipt: it does not say what it is"),
            ("[]", "it is no receipt: it does not say what it is"),
            ("{\"format\":\n", "it is no receipt, or it is cut off in line 2"),
            ("", "it is no receipt, or it is cut off in line 1"),
            ("{\"format\":\"x\",\"version\":1}", "it is no receipt but \"x\""),
        ] {
            let error = parse::<serde_json::Value>(KIND, Path::new("m1.txt"), text.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), format!("m1.txt: {expected}"), "{text:?}");
        }
    }
}
