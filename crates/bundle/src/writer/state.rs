//! What a bundle that is written holds so far.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sealift_oci::{Digest, Manifest, RepositoryName, Tag};
use sealift_store::accept::{missing_link, required_blobs, required_manifests};

use crate::catalogue::Content;
use crate::held::Held;

/// Everything that is whole.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) content: HashMap<Digest, Content>,
    pub(super) repositories: BTreeMap<RepositoryName, Holding>,
    /// What the other side has.
    pub(super) base: Held,
}

/// What one repository holds.
#[derive(Debug, Default)]
pub(super) struct Holding {
    pub(super) manifests: BTreeMap<Digest, HeldManifest>,
    pub(super) blobs: BTreeSet<Digest>,
    pub(super) tags: BTreeMap<Tag, Digest>,
}

/// What is remembered of a manifest.
#[derive(Clone, Debug)]
pub(super) struct HeldManifest {
    pub(super) media_type: String,
    pub(super) size: u64,
    /// Nothing but its subject leads to it.
    pub(super) is_attached: bool,
}

impl State {
    /// Takes over what an earlier process left behind. A delta is of no use where nothing says any more who has what it
    /// builds on.
    pub(super) fn take_up(&mut self, left: Vec<Content>) {
        let is_usable = |it: &Content| it.bases.iter().all(|base| self.base.get(base).is_some());
        let usable = left.into_iter().filter(is_usable);
        self.content = usable.map(|content| (content.digest, content)).collect();
    }

    /// Returns a blob's size if the repository holds it.
    pub(super) fn blob_size(&self, repository: &RepositoryName, digest: &Digest) -> Option<u64> {
        let held = self.repositories.get(repository)?;
        (held.blobs.contains(digest)).then(|| self.content.get(digest).map(|content| content.size))?
    }

    /// Puts a blob into a repository if the bundle or the other side has it.
    pub(super) fn link(&mut self, repository: &RepositoryName, digest: &Digest) -> bool {
        if !self.content.contains_key(digest) {
            let Some(base) = self.base.get(digest) else { return false };
            let held = base.repositories.iter().cloned().collect();
            self.content.insert(*digest, Content { held, ..Content::elsewhere(*digest, base.size) });
        }
        self.repositories.entry(repository.clone()).or_default().blobs.insert(*digest);
        true
    }

    /// Says what a manifest links to and the repository lacks.
    pub(super) fn check_links(
        &self,
        repository: &RepositoryName,
        manifest: &Manifest,
    ) -> sealift_store::Result<()> {
        let held = self.repositories.get(repository);
        let lacks_blob = |digest: &Digest| !held.is_some_and(|held| held.blobs.contains(digest));
        if let Some(digest) = required_blobs(manifest).find(lacks_blob) {
            return Err(missing_link("blob", &digest));
        }
        let lacks = |digest: &Digest| !held.is_some_and(|held| held.manifests.contains_key(digest));
        match required_manifests(manifest).find(lacks) {
            Some(digest) => Err(missing_link("manifest", &digest)),
            None => Ok(()),
        }
    }

    /// Shows a manifest whose bytes are there.
    pub(super) fn show(&mut self, repository: &RepositoryName, manifest: &Manifest, tag: Option<&Tag>) {
        let held = self.repositories.entry(repository.clone()).or_default();
        let descriptor = &manifest.descriptor;
        let remembered = HeldManifest {
            media_type: descriptor.media_type.clone(),
            size: descriptor.size,
            is_attached: manifest.links.subject.is_some(),
        };
        held.manifests.insert(descriptor.digest, remembered);
        if let Some(tag) = tag {
            held.tags.insert(tag.clone(), descriptor.digest);
        }
    }
}
