//! Bundles that are served as they are: deltas among them are undone with what another one has, and it is known how much
//! they hold, and which of them has an image.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sealift_bundle::{Bundle, BundleStore, Memory};
use sealift_oci::{Digest, RepositoryName, Tag};
use sealift_registry::server::{Keeper, Origin};
use sealift_store::{Error, ErrorKind, Operation, Usage};

use super::deltas;

/// Makes one place of bundles. What a delta builds on is in them or nowhere.
pub(crate) fn store(bundles: Vec<Bundle>, memory: Memory) -> BundleStore {
    BundleStore::alone(bundles, memory, deltas::threads())
}

/// Counts the blobs that cannot be pulled, because the bundles lack what they build on.
pub(crate) fn unsupported(bundles: &BundleStore) -> usize {
    let content = bundles.bundles().iter().flat_map(|bundle| &bundle.catalogue().content);
    let deltas: HashSet<Digest> = content.filter(|it| it.encoding.is_some()).map(|it| it.digest).collect();
    deltas.iter().filter(|digest| !bundles.is_complete(digest)).count()
}

/// Bundles that lie on a medium; nothing arrives here but they themselves.
#[derive(Debug)]
pub(crate) struct Carried(pub(crate) BundleStore);

impl Carried {
    /// Finds the first bundle that has a manifest in a repository, and where that was taken from.
    fn find(&self, repository: &RepositoryName, digest: &Digest) -> Option<(&Bundle, &str)> {
        self.0.bundles().iter().find_map(|bundle| {
            let held = bundle.catalogue().repositories.iter().find(|it| it.name == *repository)?;
            let has_it = held.manifests.iter().any(|manifest| manifest.digest == *digest);
            has_it.then_some((bundle, held.source.as_str()))
        })
    }
}

/// What a place is called, without where on this machine it lies: pages may be for everybody.
pub(crate) fn file_name(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    whole.file_name().unwrap_or(path.as_os_str()).display().to_string()
}

#[async_trait]
impl Keeper for Carried {
    async fn usage(&self) -> sealift_store::Result<Usage> {
        let catalogues = || self.0.bundles().iter().map(Bundle::catalogue);
        let content = catalogues().flat_map(|it| &it.content).filter(|it| !it.at.is_empty());
        let sizes: HashMap<Digest, u64> = content.map(|it| (it.digest, it.size)).collect();
        let repositories: HashSet<_> =
            catalogues().flat_map(|it| &it.repositories).map(|it| &it.name).collect();
        let (repositories, bytes) = (repositories.len() as u64, sizes.values().sum());
        Ok(Usage { repositories, bytes, uploads: 0 })
    }

    async fn check_writable(&self) -> sealift_store::Result<()> {
        Err(Error::new(ErrorKind::ReadOnly, Operation::PushBlob))
    }

    async fn origin(&self, repository: &RepositoryName, digest: &Digest) -> Origin {
        let Some((bundle, source)) = self.find(repository, digest) else { return Origin::default() };
        let catalogue = bundle.catalogue();
        Origin {
            within: Some(format!("the bundle {}", file_name(bundle.path()))),
            arrived: None,
            written: Some(catalogue.created.clone()),
            bundle: Some(catalogue.id.clone()),
            source: Some(source.to_owned()),
        }
    }

    async fn age(&self, _: &RepositoryName, _: &Tag) -> Option<Duration> {
        None
    }
}
