//! A wrapper that counts calls and bytes, for tests that ask who fetched what how often.

#![deny(clippy::missing_trait_methods)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt};
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, RepositoryName, Tag};

use crate::sync::lock;
use crate::{
    Admin, BlobBody, Expected, LinkOutcome, Method, Page, PageRequest, Result, Source, Store, Target, Upload,
    UploadId,
};

/// What is counted apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    /// The method.
    pub method: Method,
    /// The repository; `None` for the list of repositories.
    pub repository: Option<RepositoryName>,
    /// The tag or digest; empty for lists and for uploads before their end.
    pub object: String,
}

/// How often and how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many calls were made, also those that failed.
    pub calls: u64,
    /// How many bytes of content went through: of bodies as far as they were read, of manifests, and of
    /// whole uploads when they were finished.
    pub bytes: u64,
}

type Tallies = Arc<Mutex<BTreeMap<Counted, Tally>>>;

/// A place that counts what is asked of it.
#[derive(Debug)]
pub struct Counting {
    inner: Arc<dyn Store>,
    tallies: Tallies,
}

impl Counting {
    /// Wraps a place.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, tallies: Tallies::default() }
    }

    /// Returns everything that was counted.
    #[must_use]
    pub fn tallies(&self) -> BTreeMap<Counted, Tally> {
        lock(&self.tallies).clone()
    }

    /// Sums up one method.
    #[must_use]
    pub fn of(&self, method: Method) -> Tally {
        self.sum(|counted| counted.method == method)
    }

    /// Sums up one method on one tag or digest, in all repositories.
    #[must_use]
    pub fn of_object(&self, method: Method, object: impl std::fmt::Display) -> Tally {
        let object = object.to_string();
        self.sum(|counted| counted.method == method && counted.object == object)
    }

    /// Sums up what fits.
    pub fn sum(&self, fits: impl Fn(&Counted) -> bool) -> Tally {
        let tallies = lock(&self.tallies);
        let fitting = tallies.iter().filter(|(counted, _)| fits(counted));
        fitting.fold(Tally::default(), |sum, (_, tally)| Tally {
            calls: sum.calls + tally.calls,
            bytes: sum.bytes + tally.bytes,
        })
    }

    /// Begins counting anew.
    pub fn reset(&self) {
        lock(&self.tallies).clear();
    }

    fn counter(&self, repository: Option<&RepositoryName>) -> Counter {
        Counter { tallies: Arc::clone(&self.tallies), repository: repository.cloned() }
    }
}

#[derive(Clone, Debug)]
struct Counter {
    tallies: Tallies,
    repository: Option<RepositoryName>,
}

impl Counter {
    fn add(&self, method: Method, object: &str, calls: u64, bytes: u64) {
        let counted = Counted { method, repository: self.repository.clone(), object: object.to_owned() };
        let mut tallies = lock(&self.tallies);
        let tally = tallies.entry(counted).or_default();
        tally.calls += calls;
        tally.bytes += bytes;
    }

    fn call(&self, method: Method, object: impl std::fmt::Display) {
        self.add(method, &object.to_string(), 1, 0);
    }

    /// Counts the bytes of a body while it is read.
    fn body(&self, method: Method, object: String, body: BlobBody) -> BlobBody {
        let (counter, length) = (self.clone(), body.length());
        let count = move |piece: &bytes::Bytes| counter.add(method, &object, 0, piece.len() as u64);
        BlobBody::from_stream(length, body.into_stream().inspect_ok(count).boxed())
    }

    fn upload(&self, inner: Box<dyn Upload>) -> Box<dyn Upload> {
        Box::new(CountingUpload { inner, counter: self.clone() })
    }
}

impl Store for Counting {
    fn place(&self) -> &str {
        self.inner.place()
    }

    fn source(&self, repository: &RepositoryName) -> Arc<dyn Source> {
        Arc::new(CountingSource {
            inner: self.inner.source(repository),
            counter: self.counter(Some(repository)),
        })
    }

    fn target(&self, repository: &RepositoryName) -> Result<Arc<dyn Target>> {
        let inner = self.inner.target(repository)?;
        Ok(Arc::new(CountingTarget { inner, counter: self.counter(Some(repository)) }))
    }

    fn admin(&self) -> Arc<dyn Admin> {
        Arc::new(CountingAdmin { inner: self.inner.admin(), counter: self.counter(None) })
    }
}

#[derive(Debug)]
struct CountingSource {
    inner: Arc<dyn Source>,
    counter: Counter,
}

#[async_trait]
impl Source for CountingSource {
    fn repository(&self) -> &RepositoryName {
        self.inner.repository()
    }

    async fn resolve(&self, reference: &ManifestRef) -> Result<Descriptor> {
        self.counter.call(Method::Resolve, reference);
        self.inner.resolve(reference).await
    }

    async fn manifest(&self, reference: &ManifestRef) -> Result<Manifest> {
        self.counter.call(Method::Manifest, reference);
        let manifest = self.inner.manifest(reference).await?;
        self.counter.add(Method::Manifest, &reference.to_string(), 0, manifest.bytes.len() as u64);
        Ok(manifest)
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<u64> {
        self.counter.call(Method::StatBlob, digest);
        self.inner.stat_blob(digest).await
    }

    async fn open_blob(&self, digest: &Digest, offset: u64) -> Result<BlobBody> {
        self.counter.call(Method::OpenBlob, digest);
        let body = self.inner.open_blob(digest, offset).await?;
        Ok(self.counter.body(Method::OpenBlob, digest.to_string(), body))
    }

    async fn tags(&self, page: &PageRequest) -> Result<Page<Tag>> {
        self.counter.call(Method::Tags, "");
        self.inner.tags(page).await
    }

    async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Descriptor>> {
        self.counter.call(Method::Referrers, subject);
        self.inner.referrers(subject, artifact_type, page).await
    }

    fn keeps_referrers_in_tags(&self) -> bool {
        self.inner.keeps_referrers_in_tags()
    }
}

#[derive(Debug)]
struct CountingTarget {
    inner: Arc<dyn Target>,
    counter: Counter,
}

#[async_trait]
impl Target for CountingTarget {
    fn repository(&self) -> &RepositoryName {
        self.inner.repository()
    }

    async fn stat_manifest(&self, reference: &ManifestRef) -> Result<Option<Descriptor>> {
        self.counter.call(Method::StatManifest, reference);
        self.inner.stat_manifest(reference).await
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<Option<u64>> {
        self.counter.call(Method::StatBlob, digest);
        self.inner.stat_blob(digest).await
    }

    async fn link_blob(&self, digest: &Digest, from: &RepositoryName) -> Result<LinkOutcome> {
        self.counter.call(Method::LinkBlob, digest);
        Ok(match self.inner.link_blob(digest, from).await? {
            LinkOutcome::Upload(upload) => LinkOutcome::Upload(self.counter.upload(upload)),
            other => other,
        })
    }

    async fn begin_upload(&self, expected: Option<Expected>) -> Result<Box<dyn Upload>> {
        self.counter.call(Method::BeginUpload, "");
        self.inner.begin_upload(expected).await.map(|upload| self.counter.upload(upload))
    }

    async fn resume_upload(&self, id: &UploadId) -> Result<Box<dyn Upload>> {
        self.counter.call(Method::ResumeUpload, "");
        self.inner.resume_upload(id).await.map(|upload| self.counter.upload(upload))
    }

    async fn put_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        let object = tag.map_or_else(|| manifest.digest().to_string(), ToString::to_string);
        self.counter.add(Method::PutManifest, &object, 1, manifest.bytes.len() as u64);
        self.inner.put_manifest(manifest, tag).await
    }
}

#[derive(Debug)]
struct CountingUpload {
    inner: Box<dyn Upload>,
    counter: Counter,
}

#[async_trait]
impl Upload for CountingUpload {
    fn id(&self) -> &UploadId {
        self.inner.id()
    }

    fn offset(&self) -> u64 {
        self.inner.offset()
    }

    async fn append(&mut self, body: BlobBody) -> Result<u64> {
        self.counter.call(Method::Append, "");
        self.inner.append(self.counter.body(Method::Append, String::new(), body)).await
    }

    async fn finish(self: Box<Self>, digest: &Digest) -> Result<()> {
        self.counter.add(Method::Finish, &digest.to_string(), 1, self.inner.offset());
        self.inner.finish(digest).await
    }

    async fn cancel(self: Box<Self>) -> Result<()> {
        self.counter.call(Method::Cancel, "");
        self.inner.cancel().await
    }
}

#[derive(Debug)]
struct CountingAdmin {
    inner: Arc<dyn Admin>,
    counter: Counter,
}

#[async_trait]
impl Admin for CountingAdmin {
    async fn repositories(&self, page: &PageRequest) -> Result<Page<RepositoryName>> {
        self.counter.call(Method::Repositories, "");
        self.inner.repositories(page).await
    }

    async fn delete_manifest(&self, repository: &RepositoryName, reference: &ManifestRef) -> Result<()> {
        self.counter.call(Method::DeleteManifest, reference);
        self.inner.delete_manifest(repository, reference).await
    }

    async fn delete_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<()> {
        self.counter.call(Method::DeleteBlob, digest);
        self.inner.delete_blob(repository, digest).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{self, fixture};
    use crate::{MemoryStore, put_blob};

    fn counting() -> Arc<Counting> {
        Arc::new(Counting::new(Arc::new(MemoryStore::new("memory"))))
    }

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let store: Arc<dyn Store> = counting();
        conformance::all(&store).await;
        conformance::strict(&store).await;
        conformance::lies_leave_nothing(store.as_ref()).await;
        conformance::deleting(store.as_ref()).await;
    }

    #[tokio::test]
    async fn calls_and_bytes_are_counted_apart() {
        let store = counting();
        let repository = "a".parse().unwrap();
        let content = fixture::noise("content", 1000);
        let digest = Digest::sha256(&content);
        let target = store.target(&repository).unwrap();
        put_blob(target.as_ref(), &digest, 1000, BlobBody::from(content)).await.unwrap();
        let source = store.source(&repository);
        source.open_blob(&digest, 0).await.unwrap().collect(1000).await.unwrap();
        source.open_blob(&digest, 900).await.unwrap().collect(1000).await.unwrap();
        // What is opened and not read is a call without bytes.
        source.open_blob(&digest, 0).await.unwrap();
        assert!(source.manifest(&digest.into()).await.is_err());

        assert_eq!(store.of_object(Method::OpenBlob, digest), Tally { calls: 3, bytes: 1100 });
        assert_eq!(store.of_object(Method::Finish, digest), Tally { calls: 1, bytes: 1000 });
        assert_eq!(store.of(Method::Append), Tally { calls: 1, bytes: 1000 });
        assert_eq!(store.of(Method::Manifest), Tally { calls: 1, bytes: 0 });
        assert_eq!(store.of_object(Method::OpenBlob, "x"), Tally::default());
        assert_eq!(store.tallies().len(), 5);
        store.reset();
        assert!(store.tallies().is_empty());
    }
}
