//! What a person wants to know of an image, gathered from its manifests and configurations. Every read is
//! bounded, and what cannot be read is left out: a page is no check.

use std::collections::HashMap;

use sealift_oci::{Descriptor, Digest, Kind, Manifest, ManifestRef, Platform, media_type};
use sealift_store::{Result, Source};
use serde::Deserialize;

/// The most images of an index that are looked into.
const CHILDREN_LIMIT: usize = 32;
/// The largest configuration that is read, in bytes; a long history has some tens of thousands.
const CONFIG_LIMIT: usize = 1024 * 1024;

/// An image, or an index of images.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) descriptor: Descriptor,
    pub(super) is_index: bool,
    /// The image itself, or the images of the index.
    pub(super) images: Vec<Single>,
    /// How many images of the index are not described, since they are not here or are too many.
    pub(super) left_out: usize,
}

/// An image for one platform, or an artifact.
#[derive(Debug)]
pub(super) struct Single {
    pub(super) digest: Digest,
    pub(super) platform: Option<Platform>,
    /// What belongs to the image but is none: what a build says of itself.
    pub(super) is_attestation: bool,
    pub(super) created: Option<String>,
    /// All blobs, the configuration first.
    pub(super) blobs: Vec<Descriptor>,
    /// Of the manifest alone.
    pub(super) size: u64,
}

/// What is read of a configuration.
#[derive(Debug, Default, Deserialize)]
struct Config {
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
    created: Option<String>,
}

/// Reads an image and, where it is an index, the images in it.
pub(super) async fn describe(source: &dyn Source, reference: &ManifestRef) -> Result<Description> {
    let manifest = source.manifest(reference).await?;
    let is_index = manifest.kind == Kind::Index;
    let mut description =
        Description { descriptor: manifest.descriptor.clone(), is_index, images: Vec::new(), left_out: 0 };
    if !is_index {
        description.images.push(single(source, &manifest, None).await);
        return Ok(description);
    }
    let children = &manifest.links.manifests;
    for child in children.iter().take(CHILDREN_LIMIT) {
        if let Ok(manifest) = source.manifest(&child.digest.into()).await {
            description.images.push(single(source, &manifest, child.platform.as_ref()).await);
        }
    }
    description.left_out = children.len() - description.images.len();
    Ok(description)
}

async fn single(source: &dyn Source, manifest: &Manifest, listed: Option<&Platform>) -> Single {
    let config = match manifest.links.blobs.first() {
        Some(blob) if media_type::is_image_config(&blob.media_type) => config(source, blob).await,
        _ => Config::default(),
    };
    let is_attestation = listed.is_some_and(|platform| platform.os == "unknown");
    let own = config.os.zip(config.architecture);
    let own = own
        .map(|(os, architecture)| Platform { variant: config.variant, ..Platform::new(&os, &architecture) });
    Single {
        digest: manifest.digest(),
        platform: listed.cloned().or(own).filter(|_| !is_attestation),
        is_attestation,
        created: config.created,
        blobs: manifest.links.blobs.clone(),
        size: manifest.descriptor.size,
    }
}

async fn config(source: &dyn Source, blob: &Descriptor) -> Config {
    let Ok(body) = source.open_blob(&blob.digest, 0).await else { return Config::default() };
    let Ok(bytes) = body.collect(CONFIG_LIMIT).await else { return Config::default() };
    serde_json::from_slice(&bytes).unwrap_or_default()
}

impl Description {
    /// Returns the bytes of everything that is here, each blob once.
    pub(super) fn size(&self) -> u64 {
        let index = if self.is_index { self.descriptor.size } else { 0 };
        let manifests: u64 = self.images.iter().map(|image| image.size).sum();
        self.blobs().values().fold(index.saturating_add(manifests), |sum, size| sum.saturating_add(*size))
    }

    /// Returns the sizes of all blobs by their digests.
    pub(super) fn blobs(&self) -> HashMap<Digest, u64> {
        let all = self.images.iter().flat_map(|image| &image.blobs);
        all.map(|blob| (blob.digest, blob.size)).collect()
    }

    /// Lists the platforms, each once.
    pub(super) fn platforms(&self) -> Vec<String> {
        let mut all = Vec::new();
        for platform in self.images.iter().filter_map(|image| image.platform.as_ref()) {
            let text = platform.to_string();
            if !all.contains(&text) {
                all.push(text);
            }
        }
        all
    }

    /// Returns when the image was made, as the newest of its configurations says.
    pub(super) fn created(&self) -> Option<&str> {
        self.images.iter().filter_map(|image| image.created.as_deref()).max()
    }
}
