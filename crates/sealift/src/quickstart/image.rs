//! An image: its configuration, its layers, and the manifest that names them.

use std::sync::Arc;

use bytes::Bytes;
use sealift_oci::{Descriptor, Platform, media_type};
use serde_json::{Value, json};

use super::layer::Layer;

/// In which of the two forms an image is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Docker's image manifest, version 2, schema 2.
    Docker,
    /// OCI's.
    Oci,
}

/// A blob.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// What names it.
    pub(crate) descriptor: Descriptor,
    /// Its bytes.
    pub(crate) bytes: Bytes,
}

/// An image, ready to be put.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// The blobs.
    pub(crate) blobs: Vec<Part>,
    /// The manifests; the root is the last.
    pub(crate) manifests: Vec<Bytes>,
    platforms: Vec<(Platform, Descriptor)>,
}

/// Makes an image for Linux on one architecture.
pub(crate) fn image(architecture: &str, form: Form, layers: Vec<Arc<Layer>>) -> Image {
    let (config_type, layer_type, manifest_type) = match form {
        Form::Docker => {
            (media_type::DOCKER_CONFIG, media_type::DOCKER_LAYER_GZIP, media_type::DOCKER_MANIFEST)
        }
        Form::Oci => (media_type::OCI_CONFIG, media_type::OCI_LAYER_GZIP, media_type::OCI_MANIFEST),
    };
    let config = part(config_type, bytes(&configuration(architecture, &layers)));
    let layers: Vec<Part> = layers.iter().map(|layer| part(layer_type, layer.bytes.clone())).collect();
    let manifest = bytes(&json!({
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "config": config.descriptor,
        "layers": layers.iter().map(|layer| &layer.descriptor).collect::<Vec<_>>(),
    }));
    let root = Descriptor::of(manifest_type, &manifest);
    let blobs = std::iter::once(config).chain(layers).collect();
    Image { blobs, manifests: vec![manifest], platforms: vec![(Platform::new("linux", architecture), root)] }
}

/// Puts two images together into one for two platforms.
pub(crate) fn index(first: Image, second: Image) -> Image {
    let platforms: Vec<_> = first.platforms.into_iter().chain(second.platforms).collect();
    let children: Vec<Descriptor> = platforms
        .iter()
        .map(|(platform, root)| Descriptor { platform: Some(platform.clone()), ..root.clone() })
        .collect();
    let root = bytes(&json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_INDEX,
        "manifests": children,
    }));
    let blobs = first.blobs.into_iter().chain(second.blobs).collect();
    let manifests = first.manifests.into_iter().chain(second.manifests).chain([root]).collect();
    Image { blobs, manifests, platforms }
}

fn configuration(architecture: &str, layers: &[Arc<Layer>]) -> Value {
    json!({
        "architecture": architecture,
        "os": "linux",
        "created": "2025-10-14T00:00:00Z",
        "config": {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["/bin/true"]},
        "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|layer| layer.diff_id).collect::<Vec<_>>()},
        "history": layers.iter().map(|_| json!({"created_by": "sealift quickstart"})).collect::<Vec<_>>(),
    })
}

fn part(media_type: &str, bytes: Bytes) -> Part {
    Part { descriptor: Descriptor::of(media_type, &bytes), bytes }
}

fn bytes(value: &Value) -> Bytes {
    value.to_string().into()
}
