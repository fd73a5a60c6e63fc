//! The repair request: what a target lacks of what a bundle builds on. The members are explained in
//! `docs/BUNDLE-FORMAT.md`.

use std::collections::HashSet;
use std::path::Path;

use sealift_oci::{Digest, RepositoryName};
use serde::{Deserialize, Serialize};

use crate::catalogue::CONTENT_LIMIT;
use crate::document::{self, Kind, check_id, check_text};
use crate::error::{BundleError, Result};

/// What a repair request is.
const KIND: Kind = Kind { format: "sealift-repair", name: "repair request", version: 1, limit: REPAIR_LIMIT };
/// The largest repair request that is read, in bytes.
pub const REPAIR_LIMIT: u64 = 64 * 1024 * 1024;

/// What a target lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairRequest {
    /// `sealift-repair`.
    pub format: String,
    /// The version of the format.
    pub version: u64,
    /// The request's own id.
    pub id: String,
    /// When it was written: RFC 3339, UTC.
    pub created: String,
    /// The target: `registry.example/path`.
    pub target: String,
    /// The id of the bundle that could not be loaded.
    pub bundle: String,
    /// What it builds on and the target lacks.
    pub missing: Vec<MissingContent>,
    /// The images that could not be loaded, as people call them.
    pub images: Vec<String>,
}

/// Content that a target lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingContent {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The repositories that need it; it can be fetched from any of their sources.
    pub repositories: Vec<RepositorySource>,
}

/// A repository and where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositorySource {
    /// Its name in the bundle.
    pub name: RepositoryName,
    /// Where it came from.
    pub source: String,
}

impl RepairRequest {
    /// Makes a request that asks for nothing yet.
    #[must_use]
    pub fn new(id: String, created: String, target: String, bundle: String) -> Self {
        let (format, version) = (KIND.format.to_owned(), KIND.version);
        Self { format, version, id, created, target, bundle, missing: Vec::new(), images: Vec::new() }
    }

    /// Reads a request; `path` is the file that it came from.
    ///
    /// # Errors
    /// [`BundleError::Version`] of a later version; [`BundleError::Damaged`] where something does not fit.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let request: Self = document::parse(KIND, path, bytes)?;
        request.check().map_err(|reason| BundleError::damaged(path, reason))?;
        Ok(request)
    }

    /// Writes the request.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing to memory cannot fail.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    fn check(&self) -> Result<(), String> {
        check_id(&self.id)?;
        check_id(&self.bundle)?;
        check_text("its target", &self.target)?;
        self.images.iter().try_for_each(|image| check_text("an image", image))?;
        let count: usize = self.missing.iter().map(|missing| missing.repositories.len()).sum();
        if self.missing.len().max(count).max(self.images.len()) > CONTENT_LIMIT {
            return Err(format!("it lists more than {CONTENT_LIMIT} blobs or images"));
        }
        let mut digests = HashSet::new();
        for MissingContent { digest, repositories, .. } in &self.missing {
            if !digests.insert(digest) {
                return Err(format!("{digest} is listed twice"));
            }
            if repositories.is_empty() {
                return Err(format!("{digest} is needed by no repository"));
            }
            repositories.iter().try_for_each(|repository| check_text("a source", &repository.source))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn request() -> Value {
        let (one, two) = (Digest::sha256(b"one"), Digest::sha256(b"two"));
        json!({
            "format": "sealift-repair", "version": 1, "id": "a".repeat(32), "created": "2026-11-21T00:00:00Z",
            "target": "registry.example/azure", "bundle": "b".repeat(32), "images": ["app:1"],
            "missing": [
                {"digest": one, "size": 3, "repositories": [{"name": "app", "source": "quay.io/org/app"}]},
                {"digest": two, "size": 3, "repositories": [{"name": "app", "source": "quay.io/org/app"}]},
            ],
        })
    }

    fn parse(value: &Value) -> Result<RepairRequest> {
        RepairRequest::parse(Path::new("repair.json"), value.to_string().as_bytes())
    }

    #[test]
    fn what_is_written_is_read() {
        let mut value = request();
        value["missing"][0]["unknown"] = json!("later members are ignored");
        let read = parse(&value).unwrap();
        assert_eq!(RepairRequest::parse(Path::new("x"), &read.to_bytes()).unwrap(), read);
        let new = RepairRequest::new("a".repeat(32), String::new(), "r.example".to_owned(), "b".repeat(32));
        assert_eq!(RepairRequest::parse(Path::new("x"), &new.to_bytes()).unwrap(), new);
    }

    #[test]
    fn a_request_that_lies_is_refused() {
        let cases: &[(&str, Value, &str)] = &[
            ("/format", json!("sealift-receipt"), "no repair request"),
            ("/version", json!(9), "version 9"),
            ("/version", json!(0), "version 0"),
            ("/id", json!(""), "id is malformed"),
            ("/bundle", json!("/etc/passwd"), "id is malformed"),
            ("/target", json!("a\nb"), "cannot be shown"),
            ("/images/0", json!("a\u{7}"), "cannot be shown"),
            ("/missing/1/digest", json!(Digest::sha256(b"one")), "listed twice"),
            ("/missing/0/digest", json!("sha256:x"), "digest"),
            ("/missing/0/repositories", json!([]), "by no repository"),
            ("/missing/0/repositories/0/name", json!("A/../b"), "repository"),
            ("/missing/0/repositories/0/source", json!("a\rb"), "cannot be shown"),
        ];
        for (pointer, wrong, expected) in cases {
            let mut value = request();
            *value.pointer_mut(pointer).unwrap() = wrong.clone();
            let error = parse(&value).unwrap_err().to_string();
            assert!(error.starts_with("repair.json: ") && error.contains(expected), "{pointer}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = RepairRequest::parse(Path::new("x"), &bytes);
        }
    }
}
