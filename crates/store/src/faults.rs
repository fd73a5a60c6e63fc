//! A wrapper that fails, cuts, spoils, refuses and lies by a script, for tests of whoever uses a place.

#![deny(clippy::missing_trait_methods)]

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, RepositoryName, Tag};

use crate::sync::lock;
use crate::{
    Admin, BlobBody, Error, ErrorKind, Expected, LinkOutcome, Method, Page, PageRequest, Result, Source,
    Store, Target, Upload, UploadId,
};

/// A call that is about to be made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The repository; `None` for the list of repositories.
    pub repository: Option<RepositoryName>,
    /// The tag or digest; empty for lists and for uploads before their end.
    pub object: String,
    /// How many calls with the same method, repository and object came before this one.
    pub count: u64,
}

/// What becomes of a call. What makes no sense for its method lets it pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Makes the call.
    Pass,
    /// Makes the call after a while.
    Delay(Duration),
    /// Fails and makes no call.
    Fail(ErrorKind),
    /// Makes the call and fails: the answer is lost.
    LoseAnswer(ErrorKind),
    /// Breaks off a body, read or appended, behind this many bytes.
    CutBodyAfter(u64),
    /// Flips a bit of the byte at this offset: of a body, read or appended, or of a manifest that is read.
    FlipBit(u64),
    /// Refuses to link a blob.
    RefuseLink,
    /// Says of a blob that it has this size, or that it is not there.
    SaySize(Option<u64>),
}

type Script = dyn Fn(&Call) -> Action + Send + Sync;

/// A place with faults.
pub struct Faults {
    inner: Arc<dyn Store>,
    director: Arc<Director>,
}

struct Director {
    place: String,
    script: Box<Script>,
    counts: Mutex<HashMap<Call, u64>>,
}

impl Faults {
    /// Wraps a place; `script` says what becomes of each call.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, script: impl Fn(&Call) -> Action + Send + Sync + 'static) -> Self {
        let director =
            Director { place: inner.place().to_owned(), script: Box::new(script), counts: Mutex::default() };
        Self { inner, director: Arc::new(director) }
    }

    /// Wraps a place where the first call of `method` on each object goes wrong.
    #[must_use]
    pub fn first(inner: Arc<dyn Store>, method: Method, action: Action) -> Self {
        Self::new(
            inner,
            move |call| {
                if call.method == method && call.count == 0 { action } else { Action::Pass }
            },
        )
    }

    fn scene(&self, repository: Option<&RepositoryName>) -> Scene {
        Scene { director: Arc::clone(&self.director), repository: repository.cloned() }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl fmt::Debug for Director {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Director")
    }
}

/// Where a call is made.
#[derive(Clone, Debug)]
struct Scene {
    director: Arc<Director>,
    repository: Option<RepositoryName>,
}

impl Scene {
    fn action(&self, method: Method, object: &dyn fmt::Display) -> Action {
        let mut call =
            Call { method, repository: self.repository.clone(), object: object.to_string(), count: 0 };
        let mut counts = lock(&self.director.counts);
        let count = counts.entry(call.clone()).or_default();
        call.count = *count;
        *count += 1;
        drop(counts);
        (self.director.script)(&call)
    }

    fn error(&self, method: Method, kind: ErrorKind, object: &dyn fmt::Display) -> Error {
        let repository = self.repository.as_ref().map(ToString::to_string).unwrap_or_default();
        Error::new(kind, method.operation())
            .at(&self.director.place)
            .object(format_args!("{repository} {object}"))
            .because("a test wants it so")
    }

    /// Makes a call as the script says.
    async fn play<T>(
        &self,
        method: Method,
        object: &(dyn fmt::Display + Sync),
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.obey(self.action(method, object), method, object, call).await
    }

    /// Makes a call as an action says; what the action means for the result is the caller's matter.
    async fn obey<T>(
        &self,
        action: Action,
        method: Method,
        object: &(dyn fmt::Display + Sync),
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        match action {
            Action::Fail(kind) => return Err(self.error(method, kind, object)),
            Action::LoseAnswer(kind) => {
                call.await?;
                return Err(self.error(method, kind, object));
            }
            Action::Delay(wait) => tokio::time::sleep(wait).await,
            _ => {}
        }
        call.await
    }

    fn upload(&self, inner: Box<dyn Upload>) -> Box<dyn Upload> {
        Box::new(FaultyUpload { inner, scene: self.clone() })
    }

    fn distort(&self, method: Method, action: Action, body: BlobBody) -> BlobBody {
        match action {
            Action::CutBodyAfter(length) => {
                cut(body, length, self.error(method, ErrorKind::Unavailable, &""))
            }
            Action::FlipBit(offset) => flip(body, offset),
            _ => body,
        }
    }
}

/// The body announces its whole length and breaks off before.
fn cut(body: BlobBody, after: u64, error: Error) -> BlobBody {
    let length = body.length();
    let broken = body.take(after).into_stream().chain(stream::once(async { Err(error) }));
    BlobBody::from_stream(length, broken.boxed())
}

fn flip(body: BlobBody, offset: u64) -> BlobBody {
    let (length, mut position) = (body.length(), 0);
    let spoil = move |piece: Bytes| {
        let start = position;
        position += piece.len() as u64;
        flip_at(piece, offset.checked_sub(start))
    };
    BlobBody::from_stream(length, body.into_stream().map_ok(spoil).boxed())
}

fn flip_at(piece: Bytes, offset: Option<u64>) -> Bytes {
    let inside = offset.and_then(|it| usize::try_from(it).ok()).filter(|it| *it < piece.len());
    let Some(offset) = inside else { return piece };
    let mut spoilt = BytesMut::from(piece);
    spoilt[offset] ^= 1;
    spoilt.freeze()
}

impl Store for Faults {
    fn place(&self) -> &str {
        self.inner.place()
    }

    fn source(&self, repository: &RepositoryName) -> Arc<dyn Source> {
        Arc::new(FaultySource { inner: self.inner.source(repository), scene: self.scene(Some(repository)) })
    }

    fn target(&self, repository: &RepositoryName) -> Result<Arc<dyn Target>> {
        let inner = self.inner.target(repository)?;
        Ok(Arc::new(FaultyTarget { inner, scene: self.scene(Some(repository)) }))
    }

    fn admin(&self) -> Arc<dyn Admin> {
        Arc::new(FaultyAdmin { inner: self.inner.admin(), scene: self.scene(None) })
    }
}

#[derive(Debug)]
struct FaultySource {
    inner: Arc<dyn Source>,
    scene: Scene,
}

#[async_trait]
impl Source for FaultySource {
    fn repository(&self) -> &RepositoryName {
        self.inner.repository()
    }

    async fn resolve(&self, reference: &ManifestRef) -> Result<Descriptor> {
        let call = self.inner.resolve(reference);
        self.scene.play(Method::Resolve, reference, call).await
    }

    async fn manifest(&self, reference: &ManifestRef) -> Result<Manifest> {
        let call = self.inner.manifest(reference);
        let action = self.scene.action(Method::Manifest, reference);
        let mut manifest = self.scene.obey(action, Method::Manifest, reference, call).await?;
        if let Action::FlipBit(offset) = action {
            manifest.bytes = flip_at(manifest.bytes, Some(offset));
        }
        Ok(manifest)
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<u64> {
        let call = self.inner.stat_blob(digest);
        match self.scene.action(Method::StatBlob, digest) {
            Action::SaySize(Some(size)) => Ok(size),
            Action::SaySize(None) => Err(self.scene.error(Method::StatBlob, ErrorKind::NotFound, digest)),
            action => self.scene.obey(action, Method::StatBlob, digest, call).await,
        }
    }

    async fn open_blob(&self, digest: &Digest, offset: u64) -> Result<BlobBody> {
        let call = self.inner.open_blob(digest, offset);
        let action = self.scene.action(Method::OpenBlob, digest);
        let body = self.scene.obey(action, Method::OpenBlob, digest, call).await?;
        Ok(self.scene.distort(Method::OpenBlob, action, body))
    }

    async fn tags(&self, page: &PageRequest) -> Result<Page<Tag>> {
        self.scene.play(Method::Tags, &"", self.inner.tags(page)).await
    }

    async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Descriptor>> {
        let call = self.inner.referrers(subject, artifact_type, page);
        self.scene.play(Method::Referrers, subject, call).await
    }

    fn keeps_referrers_in_tags(&self) -> bool {
        self.inner.keeps_referrers_in_tags()
    }
}

#[derive(Debug)]
struct FaultyTarget {
    inner: Arc<dyn Target>,
    scene: Scene,
}

#[async_trait]
impl Target for FaultyTarget {
    fn repository(&self) -> &RepositoryName {
        self.inner.repository()
    }

    async fn stat_manifest(&self, reference: &ManifestRef) -> Result<Option<Descriptor>> {
        let call = self.inner.stat_manifest(reference);
        self.scene.play(Method::StatManifest, reference, call).await
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<Option<u64>> {
        let call = self.inner.stat_blob(digest);
        match self.scene.action(Method::StatBlob, digest) {
            Action::SaySize(size) => Ok(size),
            action => self.scene.obey(action, Method::StatBlob, digest, call).await,
        }
    }

    async fn link_blob(&self, digest: &Digest, from: &RepositoryName) -> Result<LinkOutcome> {
        let action = self.scene.action(Method::LinkBlob, digest);
        if action == Action::RefuseLink {
            return Ok(LinkOutcome::Refused);
        }
        let call = self.inner.link_blob(digest, from);
        Ok(match self.scene.obey(action, Method::LinkBlob, digest, call).await? {
            LinkOutcome::Upload(upload) => LinkOutcome::Upload(self.scene.upload(upload)),
            other => other,
        })
    }

    async fn begin_upload(&self, expected: Option<Expected>) -> Result<Box<dyn Upload>> {
        let call = self.inner.begin_upload(expected);
        let upload = self.scene.play(Method::BeginUpload, &"", call).await?;
        Ok(self.scene.upload(upload))
    }

    async fn resume_upload(&self, id: &UploadId) -> Result<Box<dyn Upload>> {
        let call = self.inner.resume_upload(id);
        let upload = self.scene.play(Method::ResumeUpload, &"", call).await?;
        Ok(self.scene.upload(upload))
    }

    async fn put_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<()> {
        let reference = tag.cloned().map_or(ManifestRef::from(manifest.digest()), ManifestRef::from);
        let call = self.inner.put_manifest(manifest, tag);
        self.scene.play(Method::PutManifest, &reference, call).await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    inner: Box<dyn Upload>,
    scene: Scene,
}

#[async_trait]
impl Upload for FaultyUpload {
    fn id(&self) -> &UploadId {
        self.inner.id()
    }

    fn offset(&self) -> u64 {
        self.inner.offset()
    }

    async fn append(&mut self, body: BlobBody) -> Result<u64> {
        let action = self.scene.action(Method::Append, &"");
        let call = self.inner.append(self.scene.distort(Method::Append, action, body));
        self.scene.obey(action, Method::Append, &"", call).await
    }

    async fn finish(self: Box<Self>, digest: &Digest) -> Result<()> {
        self.scene.play(Method::Finish, digest, self.inner.finish(digest)).await
    }

    async fn cancel(self: Box<Self>) -> Result<()> {
        self.scene.play(Method::Cancel, &"", self.inner.cancel()).await
    }
}

#[derive(Debug)]
struct FaultyAdmin {
    inner: Arc<dyn Admin>,
    scene: Scene,
}

#[async_trait]
impl Admin for FaultyAdmin {
    async fn repositories(&self, page: &PageRequest) -> Result<Page<RepositoryName>> {
        self.scene.play(Method::Repositories, &"", self.inner.repositories(page)).await
    }

    async fn delete_manifest(&self, repository: &RepositoryName, reference: &ManifestRef) -> Result<()> {
        let call = self.inner.delete_manifest(repository, reference);
        self.scene.play(Method::DeleteManifest, reference, call).await
    }

    async fn delete_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<()> {
        self.scene.play(Method::DeleteBlob, digest, self.inner.delete_blob(repository, digest)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{self, fixture};
    use crate::{MemoryStore, put_blob};

    fn name(text: &str) -> RepositoryName {
        text.parse().unwrap()
    }

    async fn filled() -> (Arc<dyn Store>, Bytes, Digest) {
        let store = Arc::new(MemoryStore::new("memory"));
        let content = fixture::noise("content", 1000);
        let digest = fixture::push_blob(store.target(&name("a")).unwrap().as_ref(), &content).await;
        (store, content, digest)
    }

    #[tokio::test]
    async fn without_faults_it_keeps_the_contract() {
        let memory = Arc::new(MemoryStore::new("memory"));
        let store: Arc<dyn Store> = Arc::new(Faults::new(memory, |_| Action::Pass));
        conformance::all(&store).await;
        conformance::strict(&store).await;
        conformance::lies_leave_nothing(store.as_ref()).await;
        conformance::deleting(store.as_ref()).await;
    }

    #[tokio::test]
    async fn bodies_that_are_read_break_and_spoil() {
        let (inner, content, digest) = filled().await;
        for (action, kind) in [
            (Action::Fail(ErrorKind::Denied), Some(ErrorKind::Denied)),
            (Action::LoseAnswer(ErrorKind::Busy), Some(ErrorKind::Busy)),
            (Action::CutBodyAfter(0), Some(ErrorKind::Unavailable)),
            (Action::CutBodyAfter(999), Some(ErrorKind::Unavailable)),
            (Action::FlipBit(0), Some(ErrorKind::Mismatch)),
            (Action::FlipBit(999), Some(ErrorKind::Mismatch)),
            (Action::FlipBit(1000), None),
            (Action::Delay(Duration::from_millis(1)), None),
            (Action::RefuseLink, None),
        ] {
            let store = Faults::first(Arc::clone(&inner), Method::OpenBlob, action);
            let source = store.source(&name("a"));
            for expected in [kind, None] {
                let read = async {
                    let body = source.open_blob(&digest, 0).await?;
                    crate::verified(body, digest, 1000).collect(1000).await
                };
                let read = read.await;
                assert_eq!(read.as_ref().err().map(Error::kind), expected, "{action:?}");
                assert!(read.is_err() || read.unwrap() == content, "{action:?}");
            }
        }
    }

    #[tokio::test]
    async fn writing_fails_before_or_after_it_is_done() {
        let (inner, content, digest) = filled().await;
        let put = |store: Arc<Faults>, repository: RepositoryName| {
            let content = content.clone();
            async move {
                let target = store.target(&repository).unwrap();
                put_blob(target.as_ref(), &digest, 1000, BlobBody::from(content)).await
            }
        };
        let cases = [
            (Method::Append, Action::CutBodyAfter(10), false),
            (Method::Append, Action::FlipBit(10), false),
            (Method::Finish, Action::Fail(ErrorKind::Unavailable), false),
            (Method::Finish, Action::LoseAnswer(ErrorKind::Unavailable), true),
        ];
        for (number, (method, action, arrived)) in cases.into_iter().enumerate() {
            let store = Arc::new(Faults::first(Arc::clone(&inner), method, action));
            let repository = name(&format!("b{number}"));
            assert!(put(Arc::clone(&store), repository.clone()).await.is_err(), "{action:?}");
            let stat = inner.target(&repository).unwrap().stat_blob(&digest).await.unwrap();
            assert_eq!(stat.is_some(), arrived, "{action:?}");
            put(store, repository).await.unwrap();
        }
    }

    #[tokio::test]
    async fn links_are_refused_and_sizes_wrong_on_demand() {
        let (inner, _, digest) = filled().await;
        let store = Faults::new(inner, |call| match call.method {
            Method::LinkBlob => Action::RefuseLink,
            Method::StatBlob if call.count == 0 => Action::SaySize(None),
            Method::StatBlob => Action::SaySize(Some(7)),
            _ => Action::Pass,
        });
        let target = store.target(&name("a")).unwrap();
        let linked = target.link_blob(&digest, &name("a")).await.unwrap();
        assert!(matches!(linked, LinkOutcome::Refused));
        assert_eq!(target.stat_blob(&digest).await.unwrap(), None);
        assert_eq!(target.stat_blob(&digest).await.unwrap(), Some(7));
        assert_eq!(store.source(&name("a")).stat_blob(&digest).await.unwrap(), 7);
    }
}
