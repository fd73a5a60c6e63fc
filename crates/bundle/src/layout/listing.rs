//! What people want to know of a layout before they load it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sealift_oci::{Digest, Platform};
use sealift_store::{Error, ErrorKind, Operation, Result};

use super::graph::Graph;
use super::reader::Layout;
use super::store::{LayoutImage, LayoutStore, images};
use crate::catalogue::Image;
use crate::reader::{ListedImage, Listing};

/// The largest configuration that is read for its platform, in bytes.
const CONFIG_LIMIT: u64 = 4 * 1024 * 1024;

impl LayoutStore {
    /// Lists the images with their sizes. The manifests are read for it.
    ///
    /// # Errors
    /// Where the runtime is shutting down.
    pub async fn listing(&self) -> Result<Listing> {
        let layout = Arc::clone(self.layout());
        let listed = tokio::task::spawn_blocking(move || list(&layout)).await;
        listed.map_err(|error| Error::new(ErrorKind::Io, Operation::FetchManifest).caused_by(error))
    }
}

fn list(layout: &Layout) -> Listing {
    let (graph, images) = (Graph::read(layout), images(layout));
    let reached: Vec<HashSet<Digest>> =
        images.iter().map(|image| graph.reach(&image.descriptor.digest)).collect();
    let mut users: HashMap<Digest, usize> = HashMap::new();
    for digest in reached.iter().flatten() {
        *users.entry(*digest).or_default() += 1;
    }
    let is_shared = |digest: &&Digest| users.get(digest).is_some_and(|count| *count > 1);
    let listed = images.iter().zip(&reached).map(|(image, digests)| {
        let size = sum(&graph, digests.iter());
        ListedImage {
            image: described(layout, &graph, image),
            size,
            carried: size,
            shared: sum(&graph, digests.iter().filter(is_shared)),
            is_readable: !digests.iter().any(|digest| graph.is_missing(digest)),
        }
    });
    Listing {
        images: listed.collect(),
        content: graph.count(),
        carried: graph.sizes().fold(0, u64::saturating_add),
        left_out: 0,
        shared: sum(&graph, users.keys().filter(is_shared)),
    }
}

fn sum<'a>(graph: &Graph, digests: impl Iterator<Item = &'a Digest>) -> u64 {
    digests.filter_map(|digest| graph.size(digest)).fold(0, u64::saturating_add)
}

/// Describes an image as a catalogue would.
fn described(layout: &Layout, graph: &Graph, image: &LayoutImage) -> Image {
    let (platforms, config) = graph.platforms(&image.descriptor.digest);
    let platforms = match (platforms, config) {
        ([], Some(config)) => platform(layout, &config).into_iter().collect(),
        (platforms, _) => platforms.to_vec(),
    };
    Image {
        name: image.repository.to_string(),
        repository: image.repository.clone(),
        tag: image.tag.clone(),
        digest: image.descriptor.digest,
        source: image.name(),
        group: None,
        gate: false,
        platforms,
    }
}

fn platform(layout: &Layout, config: &Digest) -> Option<Platform> {
    let bytes = layout.bytes(config).ok()??.read(CONFIG_LIMIT).ok()?;
    serde_json::from_slice(&bytes).ok()
}
