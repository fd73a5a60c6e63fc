//! A place in memory: for tests, and as the shortest reading of the contract. It keeps everything until it
//! is dropped and bounds nothing, so it is no cache.

mod repository;
mod upload;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, RepositoryName, Tag};

use crate::accept::ObjectName;
use crate::sync::lock;
use crate::{Admin, Error, ErrorKind, Operation, Page, PageRequest, Result, Source, Store, Target};
use repository::Handle;
use upload::Upload;

/// A place in memory.
#[derive(Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    place: String,
    repositories: Mutex<BTreeMap<RepositoryName, Repository>>,
}

#[derive(Debug, Default)]
struct Repository {
    blobs: BTreeMap<Digest, Bytes>,
    manifests: BTreeMap<Digest, Manifest>,
    tags: BTreeMap<Tag, Digest>,
    uploads: BTreeMap<String, Upload>,
}

impl MemoryStore {
    /// Makes an empty place; `place` is the name that stands in front of its messages.
    #[must_use]
    pub fn new(place: &str) -> Self {
        Self { shared: Arc::new(Shared { place: place.to_owned(), repositories: Mutex::default() }) }
    }

    fn handle(&self, repository: &RepositoryName) -> Handle {
        Handle { shared: Arc::clone(&self.shared), name: repository.clone() }
    }
}

impl Store for MemoryStore {
    fn place(&self) -> &str {
        &self.shared.place
    }

    fn source(&self, repository: &RepositoryName) -> Arc<dyn Source> {
        Arc::new(self.handle(repository))
    }

    fn target(&self, repository: &RepositoryName) -> Result<Arc<dyn Target>> {
        Ok(Arc::new(self.handle(repository)))
    }

    fn admin(&self) -> Arc<dyn Admin> {
        Arc::clone(&self.shared) as Arc<dyn Admin>
    }
}

#[async_trait]
impl Admin for Shared {
    async fn repositories(&self, page: &PageRequest) -> Result<Page<RepositoryName>> {
        let all = self.lock();
        let names = all.iter().filter(|(_, it)| it.is_visible()).map(|(name, _)| name.clone());
        Ok(Page::of_sorted(names, page, ToString::to_string))
    }

    async fn delete_manifest(&self, name: &RepositoryName, reference: &ManifestRef) -> Result<()> {
        let is_gone = self.lock().get_mut(name).is_some_and(|it| it.delete(reference));
        let error = || Error::new(ErrorKind::NotFound, Operation::DeleteManifest).at(&self.place);
        if is_gone { Ok(()) } else { Err(error().object(ObjectName(name, reference))) }
    }

    async fn delete_blob(&self, name: &RepositoryName, digest: &Digest) -> Result<()> {
        let is_gone = self.lock().get_mut(name).is_some_and(|it| it.blobs.remove(digest).is_some());
        let error = || Error::new(ErrorKind::NotFound, Operation::DeleteBlob).at(&self.place);
        if is_gone { Ok(()) } else { Err(error().object(ObjectName(name, &(*digest).into()))) }
    }
}

impl Shared {
    /// A panic elsewhere cannot leave the maps half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<RepositoryName, Repository>> {
        lock(&self.repositories)
    }
}

impl Repository {
    /// Uploads alone do not make a repository: nobody can read them.
    fn is_visible(&self) -> bool {
        !self.blobs.is_empty() || !self.manifests.is_empty()
    }

    /// Tells whether there was anything to delete.
    fn delete(&mut self, reference: &ManifestRef) -> bool {
        match reference {
            ManifestRef::Tag(tag) => self.tags.remove(tag).is_some(),
            ManifestRef::Digest(digest) => {
                self.tags.retain(|_, tagged| tagged != digest);
                self.manifests.remove(digest).is_some()
            }
        }
    }
}

/// Describes a manifest as a place answers for it: type, digest and size.
fn plain(descriptor: &Descriptor) -> Descriptor {
    Descriptor::new(&descriptor.media_type, descriptor.digest, descriptor.size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new("memory"));
        conformance::all(&store).await;
        conformance::strict(&store).await;
        conformance::lies_leave_nothing(store.as_ref()).await;
        conformance::deleting(store.as_ref()).await;
    }
}
