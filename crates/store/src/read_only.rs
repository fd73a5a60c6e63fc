//! A place of which only reading is wanted, whatever it could do.

#![deny(clippy::missing_trait_methods)]

use std::sync::Arc;

use async_trait::async_trait;
use sealift_oci::{Digest, ManifestRef, RepositoryName};

use crate::{Admin, Error, ErrorKind, Operation, Page, PageRequest, Result, Source, Store, Target};

/// A place that is read and never written.
#[derive(Clone, Debug)]
pub struct ReadOnly {
    inner: Arc<dyn Store>,
}

impl ReadOnly {
    /// Wraps a place.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner }
    }

    fn refusal(&self, operation: Operation) -> Error {
        Error::new(ErrorKind::ReadOnly, operation).at(self.place())
    }
}

impl Store for ReadOnly {
    fn place(&self) -> &str {
        self.inner.place()
    }

    fn source(&self, repository: &RepositoryName) -> Arc<dyn Source> {
        self.inner.source(repository)
    }

    fn target(&self, _: &RepositoryName) -> Result<Arc<dyn Target>> {
        Err(self.refusal(Operation::Connect))
    }

    fn admin(&self) -> Arc<dyn Admin> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl Admin for ReadOnly {
    async fn repositories(&self, page: &PageRequest) -> Result<Page<RepositoryName>> {
        self.inner.admin().repositories(page).await
    }

    async fn delete_manifest(&self, _: &RepositoryName, _: &ManifestRef) -> Result<()> {
        Err(self.refusal(Operation::DeleteManifest))
    }

    async fn delete_blob(&self, _: &RepositoryName, _: &Digest) -> Result<()> {
        Err(self.refusal(Operation::DeleteBlob))
    }
}

/// Refuses to delete from a place that cannot.
#[must_use]
pub fn cannot_delete(place: &str, operation: Operation) -> Error {
    Error::new(ErrorKind::Unsupported, operation).at(place).because("nothing can be deleted from it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;
    use crate::conformance::fixture;

    #[tokio::test]
    async fn it_reads_and_refuses_everything_else() {
        let memory: Arc<dyn Store> = Arc::new(MemoryStore::new("memory"));
        let (name, image) = ("a".parse().unwrap(), fixture::image("x"));
        image.push(memory.as_ref(), &name, Some("t")).await;
        let store = ReadOnly::new(Arc::clone(&memory));
        let by: ManifestRef = image.digest().into();
        assert_eq!(store.source(&name).manifest(&by).await.unwrap(), image.manifest);
        assert_eq!(
            store.admin().repositories(&PageRequest::first()).await.unwrap().items,
            std::slice::from_ref(&name)
        );
        let refused = [
            store.target(&name).unwrap_err(),
            store.admin().delete_manifest(&name, &by).await.unwrap_err(),
            store.admin().delete_blob(&name, &image.digest()).await.unwrap_err(),
        ];
        assert!(refused.iter().all(|error| error.kind() == ErrorKind::ReadOnly), "{refused:?}");
        assert_eq!(store.source(&name).manifest(&by).await.unwrap(), image.manifest);
    }
}
