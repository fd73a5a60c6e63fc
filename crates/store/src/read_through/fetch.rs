//! What a flight does: fetches an object from the first upstream that has it, and keeps it.

use std::sync::Arc;

use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, RepositoryName, Tag};
use tokio::sync::watch;

use super::Shared;
use super::arrival::Arrival;
use crate::{
    BlobBody, Checkpoint, Error, ErrorKind, Expected, Operation, Result, Source, Store, Upload, verified_from,
};

/// The largest blob that is fetched, in bytes: far more than any layer has, and less than fills a disk unseen.
const BLOB_LIMIT: u64 = 256 * 1024 * 1024 * 1024;

impl Shared {
    /// Fetches a blob, or joins who does.
    pub(super) fn fetch_blob(
        self: &Arc<Self>,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<watch::Receiver<Arrival>> {
        let (shared, name, wanted) = (Arc::clone(self), repository.clone(), *digest);
        self.blobs.join(&(repository.clone(), *digest), Arrival::Wanted, |progress| async move {
            let progress = Arc::new(progress);
            let fetched = shared.keep_blob(&name, &wanted, &progress).await;
            let succeeded = fetched.is_ok();
            progress.send_replace(fetched.map_or_else(Arrival::Failed, |()| Arrival::Here));
            succeeded
        })
    }

    async fn keep_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        progress: &Arc<watch::Sender<Arrival>>,
    ) -> Result<()> {
        // It may have come between the caller's look and this flight.
        if self.kept.source(repository).stat_blob(digest).await.is_ok() {
            return Ok(());
        }
        // The semaphore is never closed.
        let _turn = self.transfers.acquire().await;
        let fetch = |source| async move {
            Transfer { shared: self, repository, digest, source, progress }.run().await
        };
        self.ask(repository, Operation::FetchBlob, fetch).await
    }

    /// Asks how large a blob is.
    pub(super) async fn blob_size(
        self: &Arc<Self>,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<u64> {
        let key = (repository.clone(), *digest);
        let arriving = self.blobs.look(&key).map(|progress| progress.borrow().clone());
        if let Some(Arrival::Arriving(_, size)) = arriving {
            return Ok(size);
        }
        let (shared, name, wanted) = (Arc::clone(self), repository.clone(), *digest);
        let stat = async move {
            if let Ok(size) = shared.kept.source(&name).stat_blob(&wanted).await {
                return Ok(size);
            }
            let stat = |source: Arc<dyn Source>| async move { source.stat_blob(&wanted).await };
            shared.ask(&name, Operation::CheckBlob, stat).await
        };
        self.sizes.answer(&key, stat).await
    }

    /// Fetches a manifest by its digest.
    pub(super) async fn fetch_manifest(
        self: &Arc<Self>,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<()> {
        let (shared, name, wanted) = (Arc::clone(self), repository.clone(), ManifestRef::from(*digest));
        let key = (name.clone(), wanted.clone());
        let fetch = async move {
            if shared.kept.source(&name).resolve(&wanted).await.is_ok() {
                return Ok(());
            }
            let fetch = |source: Arc<dyn Source>| {
                let (shared, name, wanted) = (&shared, &name, &wanted);
                async move {
                    let manifest = source.manifest(wanted).await?;
                    shared.keep_manifest(name, &manifest, None).await
                }
            };
            shared.ask(&name, Operation::FetchManifest, fetch).await
        };
        self.manifests.answer(&key, fetch).await
    }

    /// Finds out what a tag points at now, and keeps that.
    pub(super) async fn fetch_tag(self: &Arc<Self>, repository: &RepositoryName, tag: &Tag) -> Result<()> {
        let (shared, name, tag) = (Arc::clone(self), repository.clone(), tag.clone());
        let key = (name.clone(), tag.clone().into());
        let fetch = async move {
            // What others asked for since the caller looked is here.
            let kept = shared.kept.source(&name).resolve(&tag.clone().into()).await.ok();
            if kept.is_some() && shared.ledger.is_fresh(&name, &tag, shared.terms.tag_ttl) {
                return Ok(());
            }
            let fetch = |source| shared.renew(source, &name, &tag, kept.as_ref());
            match shared.ask(&name, Operation::FetchManifest, fetch).await {
                // It was pushed here, or deleted there: it stays.
                Err(error) if error.kind() == ErrorKind::NotFound && kept.is_some() => {}
                renewed => renewed?,
            }
            shared.ledger.answered(&name, &tag);
            Ok(())
        };
        self.manifests.answer(&key, fetch).await
    }

    /// Tells whether somebody has waited for a tag in vain, and the answer is due still.
    pub(super) fn is_late(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        let key = (repository.clone(), tag.clone().into());
        self.ledger.get(repository, tag).is_some_and(|it| it.is_stale) && self.manifests.look(&key).is_some()
    }

    /// Takes over what one upstream says of a tag; what is here already is not read again.
    async fn renew(
        &self,
        source: Arc<dyn Source>,
        repository: &RepositoryName,
        tag: &Tag,
        kept: Option<&Descriptor>,
    ) -> Result<()> {
        let by_tag = ManifestRef::from(tag.clone());
        let manifest = match kept {
            None => source.manifest(&by_tag).await?,
            Some(_) => {
                let by_digest = source.resolve(&by_tag).await?.digest.into();
                match self.kept.source(repository).manifest(&by_digest).await {
                    Ok(manifest) => manifest,
                    Err(_) => source.manifest(&by_digest).await?,
                }
            }
        };
        self.keep_manifest(repository, &manifest, Some(tag)).await
    }

    async fn keep_manifest(
        &self,
        repository: &RepositoryName,
        manifest: &Manifest,
        tag: Option<&Tag>,
    ) -> Result<()> {
        self.kept.target(repository)?.put_manifest(manifest, tag).await
    }
}

/// One blob from one upstream.
struct Transfer<'a> {
    shared: &'a Shared,
    repository: &'a RepositoryName,
    digest: &'a Digest,
    source: Arc<dyn Source>,
    progress: &'a Arc<watch::Sender<Arrival>>,
}

impl Transfer<'_> {
    async fn run(self) -> Result<()> {
        let body = self.source.open_blob(self.digest, 0).await?;
        let size = match body.length() {
            Some(size) => size,
            None => self.source.stat_blob(self.digest).await?,
        };
        if size > BLOB_LIMIT {
            let reason = format_args!("it has {size} bytes, and at most {BLOB_LIMIT} are taken").to_string();
            return Err(Error::new(ErrorKind::Invalid, Operation::FetchBlob).because(reason));
        }
        let target = self.shared.kept.target(self.repository)?;
        let mut upload = target.begin_upload(Some(Expected::new(*self.digest, size))).await?;
        self.progress.send_replace(Arrival::Arriving(upload.id().clone(), size));
        match self.fill(upload.as_mut(), body, size).await {
            Ok(()) => upload.finish(self.digest).await,
            Err(error) => {
                // What is left of it expires.
                let _ = upload.cancel().await;
                Err(error)
            }
        }
    }

    /// Writes all bytes; a body that breaks off is gone on with where it did.
    async fn fill(&self, upload: &mut dyn Upload, first: BlobBody, size: u64) -> Result<()> {
        let mut point = Checkpoint::start(self.digest.algorithm());
        let mut opened = Ok(first);
        let mut failures = 0;
        loop {
            let error = match opened {
                Ok(body) => match self.append(upload, body, &mut point, size).await {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            failures += 1;
            let wait = self.shared.terms.backoff.wait(failures, error.wait());
            let may_go_on = error.kind().is_transient() && failures < self.shared.terms.attempts;
            let Some(wait) = wait.filter(|_| may_go_on && upload.offset() == point.offset) else {
                return Err(error);
            };
            tokio::time::sleep(wait).await;
            opened = self.source.open_blob(self.digest, point.offset).await;
        }
    }

    async fn append(
        &self,
        upload: &mut dyn Upload,
        body: BlobBody,
        point: &mut Checkpoint,
        size: u64,
    ) -> Result<()> {
        let body = verified_from(body, point.clone(), *self.digest, size, |_| {});
        let hash = body.running_hash().cloned();
        let progress = Arc::clone(self.progress);
        // Whoever follows the file looks again.
        let body = body.inspect(move |_| progress.send_modify(|_| {}));
        let appended = upload.append(body).await;
        if let Some(hash) = hash {
            *point = hash.now();
        }
        self.progress.send_modify(|_| {});
        appended.map(drop)
    }
}
