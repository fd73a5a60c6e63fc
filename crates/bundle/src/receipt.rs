//! The receipt: what a target holds after a bundle was loaded. The members are explained in
//! `docs/BUNDLE-FORMAT.md`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use sealift_oci::{Digest, RepositoryName, Tag};
use serde::{Deserialize, Serialize};

use crate::catalogue::{CONTENT_LIMIT, Image};
use crate::document::{self, Kind, check_id, check_text};
use crate::error::{BundleError, Result};
use crate::reader::Bundle;

/// What a receipt is.
const KIND: Kind = Kind { format: "sealift-receipt", name: "receipt", version: 1, limit: RECEIPT_LIMIT };
/// The largest receipt that is read, in bytes.
pub const RECEIPT_LIMIT: u64 = 64 * 1024 * 1024;
/// The most bundles of a receipt.
const BUNDLE_LIMIT: usize = 100_000;

/// What a target holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// `sealift-receipt`.
    pub format: String,
    /// The version of the format.
    pub version: u64,
    /// What bundles that build on this receipt call it.
    pub id: String,
    /// When it was written: RFC 3339, UTC.
    pub created: String,
    /// What wrote it.
    pub tool: String,
    /// The target: `registry.example/path`.
    pub target: String,
    /// The ids of the bundles that were loaded there.
    pub bundles: Vec<String>,
    /// What each repository holds.
    pub repositories: Vec<ReceivedRepository>,
}

/// What a repository of the target holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedRepository {
    /// Its name, as in the bundles.
    pub name: RepositoryName,
    /// Where it came from.
    pub source: String,
    /// The manifests.
    pub manifests: Vec<ReceivedManifest>,
    /// The blobs.
    pub blobs: Vec<ReceivedBlob>,
    /// What the tags point at.
    pub tags: BTreeMap<Tag, Digest>,
}

/// A manifest that the target holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedManifest {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its media type.
    pub media_type: String,
}

/// A blob that the target holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedBlob {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl Receipt {
    /// Makes a receipt that says nothing yet.
    #[must_use]
    pub fn new(id: String, created: String, tool: String, target: String) -> Self {
        let (format, version) = (KIND.format.to_owned(), KIND.version);
        Self { format, version, id, created, tool, target, bundles: Vec::new(), repositories: Vec::new() }
    }

    /// Adds what images of a bundle brought, each under the tag that it got: their manifests and blobs and, unless it
    /// was left behind, what is attached. The bundle's manifests are read for it, which blocks.
    pub fn add(&mut self, bundle: &Bundle, images: &[Image], with_attachments: bool) {
        let catalogue = bundle.catalogue();
        let sizes: HashMap<Digest, u64> = catalogue.content.iter().map(|it| (it.digest, it.size)).collect();
        let size = |digest: &Digest| sizes.get(digest).copied().unwrap_or_default();
        // Attachments keep the tags that they had; images may have got others.
        let roots: HashSet<Digest> = catalogue.images.iter().map(|image| image.digest).collect();
        let mut owned: HashMap<&RepositoryName, Vec<&Image>> = HashMap::new();
        images.iter().for_each(|image| owned.entry(&image.repository).or_default().push(image));
        let known = self.repositories.iter().zip(0..);
        let known: HashMap<RepositoryName, usize> = known.map(|(it, at)| (it.name.clone(), at)).collect();
        for repository in &catalogue.repositories {
            let own = owned.remove(&repository.name).unwrap_or_default();
            let reached: HashSet<Digest> =
                own.iter().flat_map(|image| bundle.reach_of(image, with_attachments)).collect();
            if reached.is_empty() {
                continue;
            }
            let manifests = repository.manifests.iter().filter(|held| reached.contains(&held.digest));
            let manifests = manifests.map(|held| ReceivedManifest {
                digest: held.digest,
                size: size(&held.digest),
                media_type: held.media_type.clone(),
            });
            let blobs = repository.blobs.iter().filter(|digest| reached.contains(digest));
            let attached = repository.tags.iter();
            let attached = attached.filter(|(_, digest)| reached.contains(digest) && !roots.contains(digest));
            let tagged = own.iter().filter_map(|image| Some((image.tag.clone()?, image.digest)));
            let received = ReceivedRepository {
                name: repository.name.clone(),
                source: repository.source.clone(),
                manifests: manifests.collect(),
                blobs: blobs.map(|&digest| ReceivedBlob { digest, size: size(&digest) }).collect(),
                tags: attached.map(|(tag, digest)| (tag.clone(), *digest)).chain(tagged).collect(),
            };
            // A catalogue lists each repository once.
            match known.get(&repository.name) {
                Some(&at) => self.repositories[at].merge(received),
                None => self.repositories.push(received),
            }
        }
        self.bundles.push(catalogue.id.clone());
    }

    /// Reads a receipt; `path` is the file that it came from.
    ///
    /// # Errors
    /// [`BundleError::Version`] of a later version; [`BundleError::Damaged`] where something does not fit.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let receipt: Self = document::parse(KIND, path, bytes)?;
        receipt.check().map_err(|reason| BundleError::damaged(path, reason))?;
        Ok(receipt)
    }

    /// Writes the receipt.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Maps have text as keys, and writing to memory cannot fail.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    fn check(&self) -> Result<(), String> {
        check_id(&self.id)?;
        check_text("its target", &self.target)?;
        if self.bundles.len() > BUNDLE_LIMIT {
            return Err(format!("it lists more than {BUNDLE_LIMIT} bundles"));
        }
        self.bundles.iter().try_for_each(|id| check_id(id))?;
        let count: usize = self.repositories.iter().map(|it| it.manifests.len() + it.blobs.len()).sum();
        if count > CONTENT_LIMIT {
            return Err(format!("it lists more than {CONTENT_LIMIT} blobs"));
        }
        let (mut names, mut sizes) = (HashSet::new(), HashMap::new());
        for repository in &self.repositories {
            if !names.insert(&repository.name) {
                return Err(format!("the repository {} is listed twice", repository.name));
            }
            repository.check(&mut sizes)?;
        }
        Ok(())
    }
}

impl ReceivedRepository {
    /// Lists everything with its size.
    pub(crate) fn content(&self) -> impl Iterator<Item = (Digest, u64)> + '_ {
        let blobs = self.blobs.iter().map(|blob| (blob.digest, blob.size));
        self.manifests.iter().map(|manifest| (manifest.digest, manifest.size)).chain(blobs)
    }

    /// All that it holds is listed once; the later bundle says what a tag means.
    fn merge(&mut self, more: Self) {
        let known: HashSet<Digest> = self.manifests.iter().map(|it| it.digest).collect();
        self.manifests.extend(more.manifests.into_iter().filter(|it| !known.contains(&it.digest)));
        let known: HashSet<Digest> = self.blobs.iter().map(|it| it.digest).collect();
        self.blobs.extend(more.blobs.into_iter().filter(|it| !known.contains(&it.digest)));
        self.tags.extend(more.tags);
    }

    fn check(&self, sizes: &mut HashMap<Digest, u64>) -> Result<(), String> {
        check_text("a source", &self.source)?;
        for (digest, size) in self.content() {
            if *sizes.entry(digest).or_insert(size) != size {
                return Err(format!("{digest} is listed with two sizes"));
            }
        }
        let held: HashSet<Digest> = self.manifests.iter().map(|it| it.digest).collect();
        match self.tags.iter().find(|(_, digest)| !held.contains(digest)) {
            Some((tag, digest)) => {
                Err(format!("{}:{tag} points at {digest}, which the repository does not hold", self.name))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn digest(content: &str) -> Digest {
        Digest::sha256(content.as_bytes())
    }

    pub(crate) fn receipt() -> Value {
        json!({
            "format": "sealift-receipt", "version": 1, "id": "a".repeat(32), "created": "2026-11-21T00:00:00Z",
            "tool": "sealift 0.1.0", "target": "registry.example/azure", "bundles": ["0".repeat(32)],
            "repositories": [
                {"name": "app", "source": "quay.io/org/app", "tags": {"1": digest("m")},
                 "manifests": [{"digest": digest("m"), "size": 10, "media_type": "application/x"}],
                 "blobs": [{"digest": digest("b"), "size": 20}]},
                {"name": "two", "source": "", "tags": {}, "manifests": [],
                 "blobs": [{"digest": digest("b"), "size": 20}]},
            ],
        })
    }

    fn parse(value: &Value) -> Result<Receipt> {
        Receipt::parse(Path::new("receipt.json"), value.to_string().as_bytes())
    }

    #[test]
    fn what_is_written_is_read() {
        let mut value = receipt();
        value["unknown"] = json!(["later members are ignored"]);
        let read = parse(&value).unwrap();
        assert_eq!(Receipt::parse(Path::new("x"), &read.to_bytes()).unwrap(), read);
        let text = |text: &str| text.to_owned();
        let new = Receipt::new("b".repeat(32), text("2026-11-21T00:00:00Z"), text("tool"), text("r.example"));
        assert_eq!(Receipt::parse(Path::new("x"), &new.to_bytes()).unwrap(), new);
    }

    #[test]
    fn a_receipt_that_lies_is_refused() {
        let cases: &[(&str, Value, &str)] = &[
            ("/format", json!("sealift-bundle"), "no receipt"),
            ("/version", json!(2), "version 2"),
            ("/version", json!(0), "version 0"),
            ("/id", json!("x"), "id is malformed"),
            ("/target", json!("a\u{1b}[2J"), "cannot be shown"),
            ("/bundles/0", json!("../x"), "id is malformed"),
            ("/repositories/0/name", json!("../x"), "repository"),
            ("/repositories/1/name", json!("app"), "listed twice"),
            ("/repositories/1/blobs/0/size", json!(21), "two sizes"),
            ("/repositories/1/blobs/0/size", json!(-1), "invalid"),
            ("/repositories/0/tags", json!({"1": digest("b")}), "does not hold"),
            ("/repositories/0/source", json!("x".repeat(5000)), "too long"),
        ];
        for (pointer, wrong, expected) in cases {
            let mut value = receipt();
            *value.pointer_mut(pointer).unwrap() = wrong.clone();
            let error = parse(&value).unwrap_err().to_string();
            assert!(error.starts_with("receipt.json: ") && error.contains(expected), "{pointer}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Receipt::parse(Path::new("x"), &bytes);
        }
    }
}
