//! The walk: from a root manifest down to its blobs.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, TryStreamExt, future, stream};
use sealift_oci::{Descriptor, Digest, Kind, Manifest, ManifestRef, Platform};
use sealift_store::{Error, ErrorKind, Operation, Result, Side, Source, lock};
use tokio::sync::OnceCell;

/// How deep indexes may be nested. Real ones have one level, or two.
const DEPTH_LIMIT: usize = 8;
/// How many manifests one image may have. The largest public indexes have a few dozen.
const MANIFESTS_LIMIT: usize = 10_000;
/// How many children of one index are read at the same time.
pub(crate) const CHILDREN_CONCURRENCY: usize = 8;

/// Everything that belongs to one image.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The manifests, children before the indexes that list them; the root is the last.
    pub manifests: Vec<Arc<Manifest>>,
    /// The distinct blobs, in the order in which the manifests name them.
    pub blobs: Vec<Descriptor>,
    /// The platforms that the root index names.
    pub platforms: Vec<Platform>,
}

impl Graph {
    /// Follows the links from `root`, which is in `source`.
    ///
    /// # Errors
    /// When a manifest cannot be read, or the image has no end.
    pub(crate) async fn walk(
        manifests: &Manifests,
        source: &dyn Source,
        root: Arc<Manifest>,
    ) -> Result<Self> {
        let mut graph = Self { platforms: platforms(&root), ..Self::default() };
        manifests.read_ahead(source, &root).await?;
        let mut seen = HashSet::from([root.digest()]);
        let mut stack = vec![Visit { left: children(&root), manifest: root }];
        while let Some(visit) = stack.last_mut() {
            let Some(child) = visit.left.pop() else {
                let done = stack.pop().map(|visit| visit.manifest);
                graph.manifests.extend(done);
                continue;
            };
            if !seen.insert(child.digest) {
                continue;
            }
            if stack.len() >= DEPTH_LIMIT || seen.len() > MANIFESTS_LIMIT {
                return Err(endless(source));
            }
            let manifest = manifests.child(source, &child).await?;
            if stack.len() + 1 < DEPTH_LIMIT {
                manifests.read_ahead(source, &manifest).await?;
            }
            stack.push(Visit { left: children(&manifest), manifest });
        }
        graph.collect_blobs();
        Ok(graph)
    }

    fn collect_blobs(&mut self) {
        let mut seen = HashSet::new();
        for manifest in &self.manifests {
            let fresh = manifest.links.blobs.iter().filter(|blob| seen.insert(blob.digest));
            self.blobs.extend(fresh.cloned());
        }
    }
}

struct Visit {
    manifest: Arc<Manifest>,
    /// The children that are still to be visited, the first one last.
    left: Vec<Descriptor>,
}

fn children(manifest: &Manifest) -> Vec<Descriptor> {
    manifest.links.manifests.iter().rev().cloned().collect()
}

/// The manifests that were read, each once however many tags and indexes name it.
#[derive(Debug, Default)]
pub(crate) struct Manifests(Mutex<HashMap<Digest, Arc<OnceCell<Arc<Manifest>>>>>);

impl Manifests {
    /// Reads the manifest that has this digest. Who asks while another one reads waits for that one.
    pub(crate) async fn read(&self, source: &dyn Source, digest: &Digest) -> Result<Arc<Manifest>> {
        let cell = Arc::clone(lock(&self.0).entry(*digest).or_default());
        let read = cell.get_or_try_init(|| async {
            let manifest = source.manifest(&ManifestRef::Digest(*digest)).await;
            manifest.map(Arc::new).map_err(|error| error.on(Side::Source))
        });
        read.await.cloned()
    }

    /// Reads the manifest that a tag points at, or that has a digest.
    pub(crate) async fn find(&self, source: &dyn Source, reference: &ManifestRef) -> Result<Arc<Manifest>> {
        if let ManifestRef::Digest(digest) = reference {
            return self.read(source, digest).await;
        }
        let manifest = source.manifest(reference).await.map_err(|error| error.on(Side::Source))?;
        let cell = Arc::clone(lock(&self.0).entry(manifest.digest()).or_default());
        Ok(Arc::clone(cell.get_or_init(|| future::ready(Arc::new(manifest))).await))
    }

    /// Reads the children of an index at the same time: over a long line each round trip counts.
    async fn read_ahead(&self, source: &dyn Source, index: &Manifest) -> Result<()> {
        let children = &index.links.manifests;
        if children.len() > MANIFESTS_LIMIT {
            return Err(endless(source));
        }
        let reads: Vec<_> = children.iter().map(|child| self.read(source, &child.digest)).collect();
        let reads = stream::iter(reads).buffered(CHILDREN_CONCURRENCY);
        reads.try_for_each(|_| future::ready(Ok(()))).await
    }

    /// Reads a child and holds its parent to its word: a child of another size is another child.
    async fn child(&self, source: &dyn Source, child: &Descriptor) -> Result<Arc<Manifest>> {
        let manifest = self.read(source, &child.digest).await?;
        if manifest.descriptor.size == child.size {
            return Ok(manifest);
        }
        let reason = format!("it has {} bytes where its index says {}", manifest.descriptor.size, child.size);
        Err(Error::new(ErrorKind::Mismatch, Operation::FetchManifest)
            .object(format_args!("{}@{}", source.repository(), child.digest))
            .because(reason)
            .on(Side::Source))
    }

    /// Picks the child of an index that is for `platform`; anything else is returned as it is.
    ///
    /// # Errors
    /// When the index has no such child.
    pub(crate) async fn choose(
        &self,
        source: &dyn Source,
        root: Arc<Manifest>,
        platform: &Platform,
    ) -> Result<Arc<Manifest>> {
        if root.kind != Kind::Index {
            return Ok(root);
        }
        let fits =
            |child: &&Descriptor| child.platform.as_ref().is_some_and(|offered| platform.accepts(offered));
        match root.links.manifests.iter().find(fits) {
            Some(child) => self.child(source, child).await,
            None => Err(no_platform(source, &root, platform)),
        }
    }
}

fn endless(source: &dyn Source) -> Error {
    Error::new(ErrorKind::Invalid, Operation::FetchManifest)
        .object(source.repository())
        .because("its indexes are nested too deep, or list too many manifests")
        .on(Side::Source)
}

/// Attestations stand in an index under the platform `unknown/unknown`; they are no platform.
fn platforms(root: &Manifest) -> Vec<Platform> {
    let named = root.links.manifests.iter().filter_map(|child| child.platform.clone());
    named.filter(|platform| platform.os != "unknown").collect()
}

fn no_platform(source: &dyn Source, root: &Manifest, platform: &Platform) -> Error {
    let offered: Vec<String> = platforms(root).iter().map(ToString::to_string).collect();
    Error::new(ErrorKind::NotFound, Operation::FetchManifest)
        .object(format_args!("{}@{}", source.repository(), root.digest()))
        .because(format_args!("it has no image for {platform}; it has {}", offered.join(", ")))
        .on(Side::Source)
}
