//! What the other side holds: from its receipts, or assumed from a catalogue of what was sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sealift_oci::{Digest, RepositoryName};

use crate::catalogue::Catalogue;
use crate::receipt::Receipt;

/// Content by digest. A writer leaves it out; a load mounts it from the repositories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    content: BTreeMap<Digest, HeldContent>,
    /// The manifests of each repository, which lead to layers that new ones are like.
    manifests: BTreeMap<RepositoryName, BTreeSet<Digest>>,
    ids: BTreeSet<String>,
}

/// Content that the other side holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldContent {
    /// Its size in bytes.
    pub size: u64,
    /// The repositories that have it, as bundles call them.
    pub repositories: BTreeSet<RepositoryName>,
}

impl Held {
    /// Adds what a target says that it holds.
    pub fn add_receipt(&mut self, receipt: &Receipt) {
        self.ids.insert(receipt.id.clone());
        for repository in &receipt.repositories {
            for (digest, size) in repository.content() {
                self.add(digest, size, &repository.name);
            }
            self.add_manifests(&repository.name, repository.manifests.iter().map(|it| it.digest));
        }
    }

    /// Adds everything that a bundle holds or builds on, as if it had been delivered.
    pub fn add_catalogue(&mut self, catalogue: &Catalogue) {
        self.ids.insert(catalogue.id.clone());
        let sizes: HashMap<Digest, u64> = catalogue.content.iter().map(|it| (it.digest, it.size)).collect();
        for repository in &catalogue.repositories {
            let manifests = repository.manifests.iter().map(|manifest| &manifest.digest);
            for digest in manifests.chain(&repository.blobs) {
                // A catalogue lists all content that its repositories hold.
                let Some(&size) = sizes.get(digest) else { continue };
                self.add(*digest, size, &repository.name);
            }
            self.add_manifests(&repository.name, repository.manifests.iter().map(|it| it.digest));
        }
    }

    /// Adds what a bundle holds that is gone on with, so that nobody counts it once more; see
    /// [`crate::BundleWriter::left`].
    pub fn add_left(&mut self, left: &BTreeMap<Digest, u64>) {
        for (digest, size) in left {
            let new = || HeldContent { size: *size, repositories: BTreeSet::new() };
            self.content.entry(*digest).or_insert_with(new);
        }
    }

    fn add_manifests(&mut self, repository: &RepositoryName, manifests: impl Iterator<Item = Digest>) {
        self.manifests.entry(repository.clone()).or_default().extend(manifests);
    }

    /// Lists the manifests that a repository holds.
    pub fn manifests(&self, repository: &RepositoryName) -> impl Iterator<Item = &Digest> {
        self.manifests.get(repository).into_iter().flatten()
    }

    /// The first size stays: a wrong one is found when the content is asked for.
    pub(crate) fn add(&mut self, digest: Digest, size: u64, repository: &RepositoryName) {
        let new = || HeldContent { size, repositories: BTreeSet::new() };
        self.content.entry(digest).or_insert_with(new).repositories.insert(repository.clone());
    }

    /// Returns content that is held.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<&HeldContent> {
        self.content.get(digest)
    }

    /// Lists everything that is held.
    pub fn iter(&self) -> impl Iterator<Item = (&Digest, &HeldContent)> {
        self.content.iter()
    }

    /// Lists the ids of the receipts and bundles, for [`crate::Catalogue::builds_on`].
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use sealift_store::conformance::fixture::image;

    use crate::fixture::Builder;

    #[test]
    fn receipts_and_catalogues_add_up() {
        let receipt = crate::receipt::tests::receipt().to_string();
        let receipt = Receipt::parse(Path::new("x"), receipt.as_bytes()).unwrap();
        let one = image("one");
        let mut builder = Builder::default();
        let left_out = Digest::sha256(&one.blobs[0]);
        builder.image("app", "1", &one).leave_out(left_out);
        let catalogue = builder.write(tempfile::tempdir().unwrap().path());
        let mut held = Held::default();
        held.add_receipt(&receipt);
        held.add_catalogue(&catalogue);
        let blob = held.get(&Digest::sha256(b"b")).unwrap();
        let names: Vec<_> = blob.repositories.iter().map(RepositoryName::as_str).collect();
        assert_eq!((blob.size, names), (20, vec!["app", "two"]));
        assert_eq!(held.get(&Digest::sha256(b"m")).unwrap().size, 10);
        assert_eq!(held.get(&left_out).unwrap().size, one.blobs[0].len() as u64);
        assert_eq!(held.get(&one.digest()).unwrap().size, one.manifest.bytes.len() as u64);
        assert!(held.get(&Digest::sha256(b"other")).is_none());
        assert_eq!(held.iter().count(), 6);
        let manifests: BTreeSet<Digest> = held.manifests(&"app".parse().unwrap()).copied().collect();
        assert_eq!(manifests, BTreeSet::from([Digest::sha256(b"m"), one.digest()]));
        assert_eq!(held.ids().collect::<Vec<_>>(), ["0".repeat(32), "a".repeat(32)]);
    }
}
