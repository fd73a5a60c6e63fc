//! What the deltas of a bundle build on, at the target.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use sealift_bundle::{Bases, BlobLookup, Bundle, BundleStore, Content};
use sealift_oci::{Digest, RepositoryName};
use sealift_store::{BlobBody, Error, ErrorKind, Operation, Side, Store};

use super::deltas;
use crate::size::Size;

/// What the target holds, by digest.
#[derive(Debug)]
struct AtTarget {
    target: Arc<dyn Store>,
    places: BTreeMap<Digest, Vec<RepositoryName>>,
}

/// Reads bundles as one place; their deltas are undone with what the target holds.
pub(super) fn store(
    bundles: &[Bundle],
    target: &Arc<dyn Store>,
    below: Option<&RepositoryName>,
    memory: Option<Size>,
) -> BundleStore {
    let lookup = Arc::new(AtTarget { target: Arc::clone(target), places: places(bundles, below) });
    let bases = Bases { lookup, memory: deltas::memory(memory, 1), threads: deltas::threads() };
    BundleStore::with_bases(bundles.to_vec(), bases)
}

/// Lists the repositories of the target in which bases may be: where they were when the bundle was packed, and those
/// that need what is made of them.
fn places(bundles: &[Bundle], below: Option<&RepositoryName>) -> BTreeMap<Digest, Vec<RepositoryName>> {
    let mut places: BTreeMap<Digest, BTreeSet<&RepositoryName>> = BTreeMap::new();
    for bundle in bundles {
        let deltas = bundle.catalogue().content.iter().filter(|content| !content.bases.is_empty());
        for base in deltas.flat_map(|content| &content.bases) {
            let held = bundle.content(base).into_iter().flat_map(|content| &content.held);
            places.entry(*base).or_default().extend(held);
        }
        for repository in &bundle.catalogue().repositories {
            let contents = repository.blobs.iter().filter_map(|digest| bundle.content(digest));
            for base in contents.flat_map(|content: &Content| &content.bases) {
                places.entry(*base).or_default().insert(&repository.name);
            }
        }
    }
    let at_target = |name: &RepositoryName| match below {
        Some(below) => below.join(name.as_str()).ok(),
        None => Some(name.clone()),
    };
    places
        .into_iter()
        .map(|(digest, names)| (digest, names.into_iter().filter_map(at_target).collect()))
        .collect()
}

#[async_trait]
impl BlobLookup for AtTarget {
    async fn open(&self, digest: &Digest) -> Result<BlobBody, Error> {
        for repository in self.places.get(digest).into_iter().flatten() {
            match self.target.source(repository).open_blob(digest, 0).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                opened => return opened.map_err(|error| error.on(Side::Target)),
            }
        }
        let missing = Error::new(ErrorKind::NotFound, Operation::FetchBlob);
        Err(missing.at(self.target.place()).object(digest).because("the target lacks what a delta builds on"))
    }
}
