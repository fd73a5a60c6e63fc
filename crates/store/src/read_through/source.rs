//! Reading: here first, then upstream.

use std::sync::Arc;

use async_trait::async_trait;
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, RepositoryName, Tag};

use super::Shared;
use super::lists::merged;
use crate::{BlobBody, Error, ErrorKind, Operation, Page, PageRequest, Result, Source};

/// A repository of which more is to be had elsewhere.
#[derive(Debug)]
pub(super) struct Through {
    pub(super) local: Arc<dyn Source>,
    pub(super) shared: Arc<Shared>,
}

impl Through {
    /// Sees to it that the newest that can be had is here.
    async fn prepare(&self, reference: &ManifestRef) -> Result<()> {
        let kept = match self.local.resolve(reference).await {
            Ok(kept) => Some(kept),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match reference {
            ManifestRef::Digest(_) if kept.is_some() => Ok(()),
            ManifestRef::Digest(digest) => self.shared.fetch_manifest(self.repository(), digest).await,
            ManifestRef::Tag(tag) => self.renew(tag, kept.is_some()).await,
        }
    }

    /// Where the tag is kept, what cannot be had in time is no failure.
    async fn renew(&self, tag: &Tag, is_kept: bool) -> Result<()> {
        let (name, Shared { ledger, terms, .. }) = (self.repository(), &*self.shared);
        if !is_kept {
            return self.shared.fetch_tag(name, tag).await;
        }
        if ledger.is_fresh(name, tag, terms.tag_ttl) {
            return Ok(());
        }
        let is_hopeless = self.shared.is_cut_off(name) || self.shared.is_late(name, tag);
        let fetch = self.shared.fetch_tag(name, tag);
        if is_hopeless || !matches!(tokio::time::timeout(terms.patience, fetch).await, Ok(Ok(()))) {
            ledger.unanswered(name, tag);
        }
        Ok(())
    }

    /// Asks upstream for a list, where that does not hold up what is known here.
    async fn list<T, F: Future<Output = Result<Page<T>>>>(
        &self,
        has_own: bool,
        operation: Operation,
        list: impl Fn(Arc<dyn Source>) -> F,
    ) -> Result<Option<Page<T>>> {
        let name = self.repository();
        if !has_own {
            return self.shared.ask(name, operation, list).await.map(Some);
        }
        if self.shared.is_cut_off(name) {
            return Ok(None);
        }
        let asked = self.shared.ask(name, operation, list);
        Ok(tokio::time::timeout(self.shared.terms.patience, asked).await.ok().and_then(Result::ok))
    }
}

/// What is not here is no failure as long as others can be asked.
fn missing<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[async_trait]
impl Source for Through {
    fn repository(&self) -> &RepositoryName {
        self.local.repository()
    }

    async fn resolve(&self, reference: &ManifestRef) -> Result<Descriptor> {
        self.prepare(reference).await?;
        self.local.resolve(reference).await
    }

    async fn manifest(&self, reference: &ManifestRef) -> Result<Manifest> {
        self.prepare(reference).await?;
        self.local.manifest(reference).await
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<u64> {
        match missing(self.local.stat_blob(digest).await)? {
            Some(size) => Ok(size),
            None => match self.shared.blob_size(self.repository(), digest).await {
                // Who pushes asks this before each blob, and sends what is not there, also while the link is down.
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    Err(Error::new(ErrorKind::NotFound, Operation::CheckBlob).object(digest).caused_by(error))
                }
                size => size,
            },
        }
    }

    async fn open_blob(&self, digest: &Digest, offset: u64) -> Result<BlobBody> {
        match missing(self.local.open_blob(digest, offset).await)? {
            Some(body) => Ok(body),
            None => self.shared.follow(self.repository(), digest, offset).await,
        }
    }

    async fn tags(&self, page: &PageRequest) -> Result<Page<Tag>> {
        let own = missing(self.local.tags(page).await)?;
        let list = |source: Arc<dyn Source>| async move { source.tags(page).await };
        let other = self.list(own.is_some(), Operation::ListTags, list).await?;
        Ok(merged(own, other, page, ToString::to_string))
    }

    async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Descriptor>> {
        let own = self.local.referrers(subject, artifact_type, page).await?;
        let list = |source: Arc<dyn Source>| async move {
            super::lists::referrers(source.as_ref(), subject, artifact_type, page).await
        };
        // What is kept counts with nothing attached, too.
        let has_own = !own.items.is_empty() || self.local.resolve(&(*subject).into()).await.is_ok();
        let other = match self.list(has_own, Operation::ListReferrers, list).await {
            // A registry that does not know the repository has nothing attached in it.
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            other => other?,
        };
        Ok(merged(Some(own), other, page, |it| it.digest.to_string()))
    }

    fn keeps_referrers_in_tags(&self) -> bool {
        self.local.keeps_referrers_in_tags()
    }
}
