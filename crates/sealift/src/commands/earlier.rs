//! Where `pack` has earlier releases from: what `--base` names, which costs nothing to read, and the source.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use sealift_bundle::{BlobLookup, BundleStore, Memory};
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, RepositoryName};
use sealift_store::{
    BlobBody, DirectoryStore, Error, ErrorKind, Operation, PageRequest, Store, collect_pages,
};

use super::freight::{self, Freight};
use super::{Result, carried, deltas, verify_directory};
use crate::args::{OpenArgs, PackArgs};
use crate::environment::Environment;
use crate::ui::Ui;

/// What `--base` names.
#[derive(Debug)]
pub(super) struct Shelves {
    shelves: Vec<Shelf>,
    /// What deltas may take that are made of them.
    pub(super) memory: Memory,
}

/// Bundles, a layout, or the directory of a registry.
#[derive(Debug)]
struct Shelf {
    store: Arc<dyn Store>,
    repositories: Vec<RepositoryName>,
    /// Bundles list also what they cannot give.
    bundles: Option<BundleStore>,
}

/// Opens what `--base` names.
pub(super) async fn open(ui: &Arc<Ui>, args: &PackArgs, environment: &mut Environment) -> Result<Shelves> {
    let how = OpenArgs {
        volume_dir: args.volume_dir.clone(),
        trust: args.trust.clone(),
        identity: args.identity.clone(),
    };
    let (mut bundles, mut shelves) = (Vec::new(), Vec::new());
    for path in &args.base {
        // What is taken from a directory has the digest that the receipt names, so it needs no signature.
        if verify_directory::is_one(path) {
            shelves.push(Shelf::of(Arc::new(DirectoryStore::open(path)?), None).await?);
            continue;
        }
        match freight::open(ui, std::slice::from_ref(path), &how, environment).await? {
            Freight::Bundles(read) => bundles.extend(read),
            Freight::Layout(layout) => shelves.push(Shelf::of(Arc::new(layout), None).await?),
        }
    }
    let mut content = bundles.iter().flat_map(|bundle| &bundle.catalogue().content);
    // Deltas are undone while others are made: each has half.
    let parts = if content.any(|it| it.encoding.is_some()) { 2 } else { 1 };
    let memory = || deltas::memory(args.limits.memory, parts);
    if !bundles.is_empty() {
        // Together, since one may carry what differs from another.
        let store = carried::store(bundles, memory());
        shelves.insert(0, Shelf::of(Arc::new(store.clone()), Some(store)).await?);
    }
    Ok(Shelves { shelves, memory: memory() })
}

impl Shelf {
    async fn of(store: Arc<dyn Store>, bundles: Option<BundleStore>) -> Result<Self> {
        let list = |page: PageRequest| {
            let admin = store.admin();
            async move { admin.repositories(&page).await }
        };
        let repositories = collect_pages(Operation::ListRepositories, list).await?;
        Ok(Self { store, repositories, bundles })
    }

    /// Lists the repositories that a bundle may call `name`: it was loaded below another one, perhaps.
    fn places(&self, name: &RepositoryName) -> impl Iterator<Item = &RepositoryName> {
        let is_it = move |it: &&RepositoryName| {
            let before = it.as_str().strip_suffix(name.as_str());
            before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
        };
        self.repositories.iter().filter(is_it)
    }

    async fn manifest(&self, name: &RepositoryName, digest: &Digest) -> Option<Manifest> {
        for repository in self.places(name) {
            if let Ok(manifest) = self.store.source(repository).manifest(&ManifestRef::from(*digest)).await {
                return Some(manifest);
            }
        }
        None
    }

    /// Finds a blob that can be read.
    async fn find(&self, name: &RepositoryName, blob: &Descriptor) -> Option<RepositoryName> {
        if self.bundles.as_ref().is_some_and(|bundles| !bundles.is_complete(&blob.digest)) {
            return None;
        }
        for repository in self.places(name) {
            let size = self.store.source(repository).stat_blob(&blob.digest).await;
            if size.is_ok_and(|size| size == blob.size) {
                return Some(repository.clone());
            }
        }
        None
    }
}

impl Shelves {
    /// Nothing.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { shelves: Vec::new(), memory: Memory::new(0) }
    }

    /// Reads a manifest that a bundle has in the repository `name`.
    pub(super) async fn manifest(&self, name: &RepositoryName, digest: &Digest) -> Option<Manifest> {
        for shelf in &self.shelves {
            if let Some(manifest) = shelf.manifest(name, digest).await {
                return Some(manifest);
            }
        }
        None
    }
}

/// Where an earlier layer is read.
#[derive(Debug)]
enum Place {
    Shelf(usize, RepositoryName),
    Source(RepositoryName),
}

/// The earlier layers, and where each is.
#[derive(Debug)]
pub(super) struct Earlier {
    shelves: Shelves,
    source: Arc<dyn Store>,
    places: HashMap<Digest, Place>,
    read: AtomicU64,
}

impl Earlier {
    pub(super) fn new(shelves: Shelves, source: Arc<dyn Store>) -> Self {
        Self { shelves, source, places: HashMap::new(), read: AtomicU64::new(0) }
    }

    /// Notes where a layer is: in the repository that bundles call `name`, or in that of the source.
    pub(super) async fn note(&mut self, blob: &Descriptor, name: &RepositoryName, source: &RepositoryName) {
        if self.is_at_hand(&blob.digest) {
            return;
        }
        for (number, shelf) in self.shelves.shelves.iter().enumerate() {
            if let Some(repository) = shelf.find(name, blob).await {
                self.places.insert(blob.digest, Place::Shelf(number, repository));
                return;
            }
        }
        self.places.entry(blob.digest).or_insert_with(|| Place::Source(source.clone()));
    }

    /// Tells whether a layer is in what `--base` names.
    pub(super) fn is_at_hand(&self, digest: &Digest) -> bool {
        matches!(self.places.get(digest), Some(Place::Shelf(..)))
    }

    /// How many bytes of layers were read at the source.
    pub(super) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

/// Counts what is read at the source.
#[derive(Clone, Debug)]
pub(super) struct Counted(pub(super) Arc<Earlier>);

#[async_trait]
impl BlobLookup for Counted {
    async fn open(&self, digest: &Digest) -> std::result::Result<BlobBody, Error> {
        let earlier = Arc::clone(&self.0);
        let missing = || Error::new(ErrorKind::NotFound, Operation::FetchBlob).object(digest);
        match earlier.places.get(digest) {
            Some(Place::Shelf(number, repository)) => {
                let shelf = earlier.shelves.shelves.get(*number).ok_or_else(missing)?;
                shelf.store.source(repository).open_blob(digest, 0).await
            }
            Some(Place::Source(repository)) => {
                let source = earlier.source.source(repository);
                let body = source.open_blob(digest, 0).await?;
                Ok(body.inspect(move |piece| {
                    earlier.read.fetch_add(piece.len() as u64, Ordering::Relaxed);
                }))
            }
            None => Err(missing()),
        }
    }
}
