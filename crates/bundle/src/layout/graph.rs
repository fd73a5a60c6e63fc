//! What the manifests of a layout link to, and whether what is said of each link is true.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use sealift_oci::{Descriptor, Digest, Kind, MANIFEST_LIMIT, Manifest, Platform, media_type};

use super::reader::{Layout, Piece};
use crate::verify::Found;

/// The most links that are followed: as many as a bundle may have content.
const LINK_LIMIT: usize = 1_000_000;

/// The links of all manifests of a layout.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: HashMap<Digest, Node>,
    /// What is attached to a manifest.
    attached: HashMap<Digest, Vec<Digest>>,
    /// The size of everything that is there.
    sizes: HashMap<Digest, u64>,
    /// What is linked to, is not there, and should be.
    missing: HashSet<Digest>,
    /// What is wrong.
    pub(super) found: Vec<Found>,
}

/// What one manifest links to.
#[derive(Debug, Default)]
struct Node {
    links: Vec<Digest>,
    platforms: Vec<Platform>,
    /// The configuration of an image, which names its platform.
    config: Option<Digest>,
}

/// Where a link stands: the manifest, or the list of images.
type From = Option<Digest>;

impl Graph {
    /// Reads every manifest that is listed, and those below.
    pub(super) fn read(layout: &Layout) -> Self {
        let mut graph = Self::default();
        let mut waiting: Vec<(From, Descriptor)> = layout.index().entries().map(|it| (None, it)).collect();
        let mut left = LINK_LIMIT;
        while let Some((from, descriptor)) = waiting.pop() {
            if left == 0 {
                let what = format!("it has more than {LINK_LIMIT} links");
                graph.found.push(Found::whole(layout.index_file(), what));
                break;
            }
            left -= 1;
            let Some(piece) = graph.check(layout, from, &descriptor) else { continue };
            if graph.nodes.contains_key(&descriptor.digest) {
                continue;
            }
            graph.nodes.insert(descriptor.digest, Node::default());
            let Some(manifest) = graph.manifest(layout, from, &descriptor, &piece) else { continue };
            for blob in manifest.links.blobs.iter().take(left) {
                graph.check(layout, Some(descriptor.digest), blob);
            }
            left = left.saturating_sub(manifest.links.blobs.len());
            waiting.extend(
                manifest.links.manifests.iter().take(left).map(|it| (Some(descriptor.digest), it.clone())),
            );
            graph.add(&manifest);
        }
        graph
    }

    fn add(&mut self, manifest: &Manifest) {
        if let Some(subject) = &manifest.links.subject {
            self.attached.entry(subject.digest).or_default().push(manifest.digest());
        }
        let links = &manifest.links;
        let named = links.manifests.iter().filter_map(|child| child.platform.clone());
        let config = links.blobs.first().filter(|it| media_type::is_image_config(&it.media_type));
        let node = Node {
            links: links.manifests.iter().chain(&links.blobs).map(|it| it.digest).collect(),
            // Attestations stand under the platform `unknown/unknown`.
            platforms: named.filter(|platform| platform.os != "unknown").collect(),
            config: config.map(|it| it.digest),
        };
        self.nodes.insert(manifest.digest(), node);
    }

    /// Compares a link with what is there. An image may do without a foreign layer.
    fn check(&mut self, layout: &Layout, from: From, link: &Descriptor) -> Option<Piece> {
        let digest = link.digest;
        let what = match layout.bytes(&digest) {
            Ok(Some(piece)) => {
                self.sizes.insert(digest, piece.size);
                if piece.size == link.size {
                    return Some(piece);
                }
                format!("{digest} is listed with {} bytes and has {}", link.size, piece.size)
            }
            Ok(None) if link.is_foreign_layer() => return None,
            Ok(None) => format!("{digest} is listed and not there"),
            Err(error) => error.to_string(),
        };
        self.missing.insert(digest);
        self.report(layout, from, digest, what);
        None
    }

    /// Reads a manifest and compares it with what is said of it.
    fn manifest(
        &mut self,
        layout: &Layout,
        from: From,
        listed: &Descriptor,
        piece: &Piece,
    ) -> Option<Manifest> {
        let digest = listed.digest;
        let read = piece.read(MANIFEST_LIMIT as u64).map_err(|error| error.to_string());
        let parsed = read.and_then(|bytes| {
            Manifest::parse_as(digest.algorithm(), Some(&listed.media_type), Bytes::from(bytes))
                .map_err(|error| format!("{digest} is listed as a manifest and is none: {error}"))
        });
        let manifest = match parsed {
            Ok(manifest) if manifest.digest() == digest => manifest,
            // The bytes are looked at whatever they are, and found there.
            Ok(_) => return None,
            Err(what) => {
                self.report(layout, from, digest, what);
                return None;
            }
        };
        if let Some(what) = differs(&manifest, &listed.media_type) {
            self.report(layout, from, digest, what);
        }
        Some(manifest)
    }

    /// Notes what is wrong with a link, where the link stands.
    fn report(&mut self, layout: &Layout, from: From, digest: Digest, what: String) {
        let place = from.and_then(|from| layout.bytes(&from).ok().flatten());
        let found = match place {
            Some(piece) => Found::at(piece.path.clone(), piece.position(), what),
            None => Found::whole(layout.index_file(), what),
        };
        self.found.push(Found { content: vec![digest], ..found });
    }

    /// Lists everything that an image needs, with what is attached.
    pub(super) fn reach(&self, root: &Digest) -> HashSet<Digest> {
        let (mut reached, mut next) = (HashSet::new(), vec![*root]);
        while let Some(digest) = next.pop() {
            if !reached.insert(digest) {
                continue;
            }
            next.extend(self.nodes.get(&digest).iter().flat_map(|node| &node.links));
            next.extend(self.attached.get(&digest).into_iter().flatten());
        }
        reached
    }

    /// Returns the size of what is there.
    pub(super) fn size(&self, digest: &Digest) -> Option<u64> {
        self.sizes.get(digest).copied()
    }

    /// Counts what is there.
    pub(super) fn count(&self) -> usize {
        self.sizes.len()
    }

    /// Lists what is there.
    pub(super) fn sizes(&self) -> impl Iterator<Item = u64> + '_ {
        self.sizes.values().copied()
    }

    /// Tells whether something that should be there is not, or has another size.
    pub(super) fn is_missing(&self, digest: &Digest) -> bool {
        self.missing.contains(digest)
    }

    /// Returns the platforms that an index names, or else the configuration that names one.
    pub(super) fn platforms(&self, root: &Digest) -> (&[Platform], Option<Digest>) {
        self.nodes.get(root).map_or((&[], None), |node| (&node.platforms, node.config))
    }
}

/// Says how a manifest that has the type that it is listed under differs from that.
pub(super) fn mislabelled(manifest: &Manifest) -> Option<String> {
    let listed = &manifest.descriptor.media_type;
    let bytes = Bytes::clone(&manifest.bytes);
    let own = Manifest::parse_as(manifest.digest().algorithm(), Some(listed), bytes).ok()?;
    differs(&own, listed)
}

/// Says how a manifest differs from the media type under which it is listed. Where its bytes name none, an index is
/// no image.
pub(crate) fn differs(manifest: &Manifest, listed: &str) -> Option<String> {
    let (digest, actual) = (manifest.digest(), &manifest.descriptor.media_type);
    let is_list = matches!(listed, media_type::OCI_INDEX | media_type::DOCKER_LIST);
    let is_other_kind = media_type::MANIFESTS.contains(&listed) && is_list != (manifest.kind == Kind::Index);
    let is_other = actual != listed || is_other_kind;
    is_other.then(|| {
        let kind = if manifest.kind == Kind::Index { "an index" } else { "an image" };
        format!("{digest} is listed as {listed:?}, and is {kind} of the type {actual:?}")
    })
}
