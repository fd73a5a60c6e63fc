//! Bundles as a place to read, one or several on top of each other.
//!
//! Images and repositories of several bundles are merged. Content is read from the first bundle in the list that
//! has it and whose volumes are there. Where bundles differ in what a tag points at, the later one in the list is
//! right: list them in the order in which they were made.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, RepositoryName, Tag};
use sealift_store::accept::ObjectName;
use sealift_store::{
    Admin, BlobBody, Error, ErrorKind, Operation, Page, PageRequest, Result, Source, Store, Target,
    cannot_delete,
};

use crate::catalogue::{Catalogue, Content};
use crate::delta::{Bases, BlobLookup, Delta, Memory};
use crate::reader::{Bundle, blocking_read};

mod undo;

/// Said of what the bundles carry as a delta of something that none of them has.
const NO_BASE: &str = "it is carried as a delta, and what it builds on is in none of the bundles here, or takes more than may be undone; serve the bundles before this one beside it, or load all into a directory";

/// Bundles to read as one place.
#[derive(Clone, Debug)]
pub struct BundleStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    place: String,
    bundles: Vec<Bundle>,
    repositories: BTreeMap<RepositoryName, Held>,
    /// What deltas are undone with; without, they cannot be read.
    bases: Option<Bases>,
    /// There is nothing but the bundles: what cannot be made of them is not there.
    is_alone: bool,
}

/// What one repository holds in all bundles together.
#[derive(Debug, Default)]
struct Held {
    /// The media type of each manifest.
    manifests: BTreeMap<Digest, String>,
    blobs: BTreeSet<Digest>,
    tags: BTreeMap<Tag, Digest>,
}

impl BundleStore {
    /// Makes one place of bundles.
    #[must_use]
    pub fn new(bundles: Vec<Bundle>) -> Self {
        Self::open(bundles, None, false)
    }

    /// Makes one place of bundles, where what they carry as deltas can be read, too: it is made from what they build on.
    #[must_use]
    pub fn with_bases(bundles: Vec<Bundle>, bases: Bases) -> Self {
        Self::open(bundles, Some(bases), false)
    }

    /// Makes one place of bundles that stand alone: what deltas build on is in them or nowhere. What can then not be made
    /// of them is not there, and not only for who reads it.
    #[must_use]
    pub fn alone(bundles: Vec<Bundle>, memory: Memory, threads: NonZeroUsize) -> Self {
        Self::open(bundles, Some(Bases { lookup: Arc::new(Nowhere), memory, threads }), true)
    }

    fn open(bundles: Vec<Bundle>, bases: Option<Bases>, is_alone: bool) -> Self {
        let names: Vec<String> = bundles.iter().map(|bundle| bundle.path().display().to_string()).collect();
        let mut repositories = BTreeMap::new();
        for bundle in &bundles {
            merge(&mut repositories, bundle.catalogue());
        }
        Self { shared: Arc::new(Shared { place: names.join(" + "), bundles, repositories, bases, is_alone }) }
    }

    /// Returns the bundles, in their order.
    #[must_use]
    pub fn bundles(&self) -> &[Bundle] {
        &self.shared.bundles
    }

    /// Says why content cannot be read, as far as that is known without reading it: its volume is missing or has another
    /// size. What the bundles leave out is no matter of volumes.
    ///
    /// # Errors
    /// As reading it.
    pub fn check(&self, digest: &Digest) -> Result<()> {
        let found = self.shared.find(digest).filter(|(_, content)| !content.at.is_empty());
        let checked = found.map(|(bundle, content)| bundle.check_readable(content, Operation::FetchBlob));
        checked.unwrap_or(Ok(())).map_err(|error| error.at(self.place()).object(digest))
    }

    /// Returns the bundle that content is read from, where one carries it.
    #[must_use]
    pub fn holder(&self, digest: &Digest) -> Option<&Bundle> {
        let found = self.shared.find(digest).filter(|(_, content)| !content.at.is_empty());
        found.map(|(bundle, _)| bundle)
    }

    /// Tells whether content can be read with nothing but these bundles: one has it whole, or what differs from what others
    /// have, whole or again as what differs.
    #[must_use]
    pub fn is_complete(&self, digest: &Digest) -> bool {
        self.shared.has_whole(digest) || undo::is_complete(&self.shared, digest)
    }
}

fn merge(all: &mut BTreeMap<RepositoryName, Held>, catalogue: &Catalogue) {
    for repository in &catalogue.repositories {
        let held = all.entry(repository.name.clone()).or_default();
        let manifests = repository.manifests.iter();
        held.manifests.extend(manifests.map(|manifest| (manifest.digest, manifest.media_type.clone())));
        held.blobs.extend(&repository.blobs);
        held.tags.extend(repository.tags.iter().map(|(tag, digest)| (tag.clone(), *digest)));
    }
}

impl Shared {
    /// Tells whether some bundle can give content as it lies.
    fn has_whole(&self, digest: &Digest) -> bool {
        self.find(digest).is_some_and(|(bundle, it)| it.encoding.is_none() && bundle.is_readable(it))
    }

    /// Finds content: in the first bundle that can give it, else in the first that knows of it.
    fn find(&self, digest: &Digest) -> Option<(&Bundle, &Content)> {
        let all = || self.bundles.iter().filter_map(|bundle| Some((bundle, bundle.content(digest)?)));
        let carried = || all().filter(|(_, content)| !content.at.is_empty());
        let readable = || carried().filter(|(bundle, content)| bundle.is_readable(content));
        readable()
            .find(|(_, content)| content.encoding.is_none())
            .or_else(|| readable().next())
            .or_else(|| carried().next())
            .or_else(|| all().next())
    }
}

impl Store for BundleStore {
    fn place(&self) -> &str {
        &self.shared.place
    }

    fn source(&self, repository: &RepositoryName) -> Arc<dyn Source> {
        Arc::new(Reader { shared: Arc::clone(&self.shared), name: repository.clone() })
    }

    fn target(&self, _: &RepositoryName) -> Result<Arc<dyn Target>> {
        let error = Error::new(ErrorKind::ReadOnly, Operation::Connect).at(self.place());
        Err(error.because("a finished bundle can only be read"))
    }

    fn admin(&self) -> Arc<dyn Admin> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl Admin for BundleStore {
    async fn repositories(&self, page: &PageRequest) -> Result<Page<RepositoryName>> {
        Ok(Page::of_sorted(self.shared.repositories.keys().cloned(), page, ToString::to_string))
    }

    async fn delete_manifest(&self, _: &RepositoryName, _: &ManifestRef) -> Result<()> {
        Err(cannot_delete(self.place(), Operation::DeleteManifest))
    }

    async fn delete_blob(&self, _: &RepositoryName, _: &Digest) -> Result<()> {
        Err(cannot_delete(self.place(), Operation::DeleteBlob))
    }
}

/// Where nothing is.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl BlobLookup for Nowhere {
    async fn open(&self, digest: &Digest) -> Result<BlobBody> {
        Err(Error::new(ErrorKind::NotFound, Operation::FetchBlob).object(digest).because(NO_BASE))
    }
}

/// One repository of a place.
#[derive(Clone, Debug)]
struct Reader {
    shared: Arc<Shared>,
    name: RepositoryName,
}

impl Reader {
    fn held(&self) -> Option<&Held> {
        self.shared.repositories.get(&self.name)
    }

    /// Names place and object in an error.
    fn name(&self, reference: &ManifestRef) -> impl Fn(Error) -> Error + use<> {
        let (place, object) = (self.shared.place.clone(), ObjectName(&self.name, reference).to_string());
        move |error| error.at(&place).object(&object)
    }

    /// Finds a manifest, its media type, and the bundle to read it from.
    fn find_manifest(&self, reference: &ManifestRef, operation: Operation) -> Result<(&Bundle, Descriptor)> {
        let missing = || Error::new(ErrorKind::NotFound, operation);
        let held = self.held().ok_or_else(missing)?;
        let digest = match reference {
            ManifestRef::Digest(digest) => digest,
            ManifestRef::Tag(tag) => held.tags.get(tag).ok_or_else(missing)?,
        };
        let media_type = held.manifests.get(digest).ok_or_else(missing)?;
        let (bundle, content) = self.carried(digest, operation)?;
        Ok((bundle, Descriptor::new(media_type, *digest, content.size)))
    }

    /// Finds content that a bundle carries.
    fn carried(&self, digest: &Digest, operation: Operation) -> Result<(&Bundle, &Content)> {
        let missing = || Error::new(ErrorKind::NotFound, operation);
        let found = self.shared.find(digest).ok_or_else(missing)?;
        if found.1.at.is_empty() {
            return Err(missing().because("the bundle left it out, because the other side has it"));
        }
        Ok(found)
    }

    /// Finds a blob of this repository. Manifests are blobs, too, as in a directory.
    fn find_blob(&self, digest: &Digest, operation: Operation) -> Result<(&Bundle, &Content)> {
        let is_held = |held: &Held| held.blobs.contains(digest) || held.manifests.contains_key(digest);
        if !self.held().is_some_and(is_held) {
            return Err(Error::new(ErrorKind::NotFound, operation));
        }
        let (bundle, content) = self.carried(digest, operation)?;
        let is_delta = content.encoding.is_some() && bundle.is_readable(content);
        if self.shared.is_alone && is_delta && !undo::is_complete(&self.shared, digest) {
            return Err(Error::new(ErrorKind::NotFound, operation).because(NO_BASE));
        }
        Ok((bundle, content))
    }

    async fn read_manifest(&self, reference: &ManifestRef, operation: Operation) -> Result<Manifest> {
        let (bundle, descriptor) = self.find_manifest(reference, operation)?;
        let bundle = bundle.clone();
        blocking_read(operation, move || bundle.read_manifest(&descriptor.digest, &descriptor.media_type))
            .await
    }

    /// Type and annotations of a referrer stand in its own bytes, so those of one page are read.
    fn list_referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &PageRequest,
    ) -> Page<Descriptor> {
        let attached = |bundle: &Bundle| bundle.graph().attached_to(&self.name, subject).to_vec();
        let attached: BTreeSet<Digest> = self.shared.bundles.iter().flat_map(attached).collect();
        let behind = |it: &Digest| page.after.as_ref().is_none_or(|after| it.to_string() > *after);
        let described = attached
            .into_iter()
            .filter(behind)
            // One that cannot be read is not listed: fetching it would fail too, and then says why.
            .filter_map(|digest| {
                let operation = Operation::ListReferrers;
                let (bundle, found) = self.find_manifest(&digest.into(), operation).ok()?;
                Some(bundle.read_manifest(&digest, &found.media_type).ok()?.descriptor)
            })
            .filter(|it| artifact_type.is_none() || it.artifact_type.as_deref() == artifact_type);
        Page::of_sorted(described, page, |descriptor| descriptor.digest.to_string())
    }
}

#[async_trait]
impl Source for Reader {
    fn repository(&self) -> &RepositoryName {
        &self.name
    }

    async fn resolve(&self, reference: &ManifestRef) -> Result<Descriptor> {
        let found = self.find_manifest(reference, Operation::Resolve);
        found.map(|(_, descriptor)| descriptor).map_err(self.name(reference))
    }

    async fn manifest(&self, reference: &ManifestRef) -> Result<Manifest> {
        self.read_manifest(reference, Operation::FetchManifest).await.map_err(self.name(reference))
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<u64> {
        let found = self.find_blob(digest, Operation::CheckBlob);
        found.map(|(_, content)| content.size).map_err(self.name(&(*digest).into()))
    }

    async fn open_blob(&self, digest: &Digest, offset: u64) -> Result<BlobBody> {
        let name = self.name(&(*digest).into());
        let (bundle, content) = self.find_blob(digest, Operation::FetchBlob).map_err(&name)?;
        match (Delta::of(content), &self.shared.bases) {
            (Some(Ok(_)), Some(bases)) => {
                undo::open(&self.shared, digest, bases, offset).await.map_err(&name)
            }
            _ => bundle.read(content, offset).await.map_err(&name),
        }
    }

    async fn tags(&self, page: &PageRequest) -> Result<Page<Tag>> {
        let operation = Operation::ListTags;
        let missing = || Error::new(ErrorKind::NotFound, operation).at(&self.shared.place).object(&self.name);
        let held = self.held().ok_or_else(missing)?;
        Ok(Page::of_sorted(held.tags.keys().cloned(), page, ToString::to_string))
    }

    async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Descriptor>> {
        let (reader, asked, page) = (self.clone(), *subject, page.clone());
        let wanted = artifact_type.map(str::to_owned);
        let list = move || Ok(reader.list_referrers(&asked, wanted.as_deref(), &page));
        blocking_read(Operation::ListReferrers, list).await.map_err(self.name(&(*subject).into()))
    }

    fn keeps_referrers_in_tags(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
