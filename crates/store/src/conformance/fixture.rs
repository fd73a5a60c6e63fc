//! Small images for tests, built in one place.

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sealift_oci::{Algorithm, Descriptor, Digest, Manifest, RepositoryName, Tag, media_type};
use serde_json::{Value, json};

use crate::{BlobBody, Store, Target, put_blob};

/// An image, an index or an artifact, with everything that belongs to it.
#[derive(Clone, Debug)]
pub struct Image {
    /// The manifest.
    pub manifest: Manifest,
    /// The content of its blobs, in the order of its links.
    pub blobs: Vec<Bytes>,
    /// The images of an index.
    pub children: Vec<Image>,
}

/// Builds an OCI image with two layers; images of different seeds share nothing.
#[must_use]
pub fn image(seed: &str) -> Image {
    image_of(seed, &[layer(seed, 1), layer(seed, 2)])
}

/// Builds an OCI image with the given layers, so that images can share some.
#[must_use]
pub fn image_of(seed: &str, layers: &[Bytes]) -> Image {
    let config = config(seed, "amd64");
    build(media_type::OCI_MANIFEST, media_type::OCI_CONFIG, media_type::OCI_LAYER_GZIP, &config, layers)
}

/// Builds an image of Docker's media types.
#[must_use]
pub fn docker_image(seed: &str) -> Image {
    let (config, layers) = (config(seed, "amd64"), [layer(seed, 1)]);
    let layer_type = media_type::DOCKER_LAYER_GZIP;
    build(media_type::DOCKER_MANIFEST, media_type::DOCKER_CONFIG, layer_type, &config, &layers)
}

/// Builds an image whose second layer is foreign and given only by its descriptor.
#[must_use]
pub fn image_with_foreign_layer(seed: &str) -> Image {
    let plain = image_of(seed, &[layer(seed, 1)]);
    let mut value: Value = serde_json::from_slice(&plain.manifest.bytes).unwrap();
    let foreign = Descriptor::of(media_type::DOCKER_FOREIGN_LAYER, format!("foreign {seed}").as_bytes());
    value["layers"].as_array_mut().unwrap().push(json!(foreign));
    Image { manifest: manifest(&value), ..plain }
}

/// Builds an OCI index of images; the first is for linux/amd64, the next ones for other processors.
#[must_use]
pub fn index(children: &[Image]) -> Image {
    let processors = ["amd64", "arm64", "s390x", "ppc64le", "riscv64"];
    let entry = |(child, processor): (&Image, &str)| {
        let Descriptor { media_type, digest, size, .. } = &child.manifest.descriptor;
        json!({"mediaType": media_type, "digest": digest, "size": size,
               "platform": {"os": "linux", "architecture": processor}})
    };
    let entries: Vec<Value> = children.iter().zip(processors.into_iter().cycle()).map(entry).collect();
    let value = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": entries});
    Image { manifest: manifest(&value), blobs: Vec::new(), children: children.to_vec() }
}

/// Builds an artifact that is attached to `subject`, such as a signature.
#[must_use]
pub fn artifact(seed: &str, subject: &Manifest, artifact_type: &str) -> Image {
    let (config, layer) = (Bytes::from_static(b"{}"), layer(seed, 1));
    let value = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "artifactType": artifact_type,
        "config": Descriptor::of(media_type::OCI_EMPTY, &config),
        "layers": [Descriptor::of("application/octet-stream", &layer)],
        "subject": Descriptor::new(&subject.descriptor.media_type, subject.digest(), subject.descriptor.size),
        "annotations": {"org.example.seed": seed},
    });
    Image { manifest: manifest(&value), blobs: vec![config, layer], children: Vec::new() }
}

/// Makes `length` bytes that differ from seed to seed and do not repeat.
#[must_use]
pub fn noise(seed: &str, length: usize) -> Bytes {
    let mut all = Vec::with_capacity(length + 64);
    let mut block = Digest::of(Algorithm::Sha512, seed.as_bytes());
    while all.len() < length {
        all.extend_from_slice(block.hash());
        block = Digest::of(Algorithm::Sha512, block.hash());
    }
    all.truncate(length);
    Bytes::from(all)
}

/// Parses a tag.
#[must_use]
pub fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// Writes one blob under its SHA-256 digest and returns that.
pub async fn push_blob(target: &dyn Target, content: &Bytes) -> Digest {
    let digest = Digest::sha256(content);
    put_blob(target, &digest, content.len() as u64, BlobBody::from(content.clone())).await.unwrap();
    digest
}

impl Image {
    /// Returns the digest of the manifest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.manifest.digest()
    }

    /// Returns the same bytes, named by another digest algorithm.
    #[must_use]
    pub fn named_by(mut self, algorithm: Algorithm) -> Self {
        let bytes = self.manifest.bytes.clone();
        self.manifest = Manifest::parse_as(algorithm, None, bytes).unwrap();
        self
    }

    /// Writes everything to a repository: blobs, children, manifest and tag.
    pub async fn push(&self, store: &dyn Store, repository: &RepositoryName, tag: Option<&str>) {
        self.push_to(store.target(repository).unwrap().as_ref(), tag).await;
    }

    /// Writes everything to a target.
    pub async fn push_to(&self, target: &dyn Target, tag: Option<&str>) {
        self.push_content(target).await;
        let tag = tag.map(self::tag);
        target.put_manifest(&self.manifest, tag.as_ref()).await.unwrap();
    }

    /// Writes everything but the manifest itself.
    pub fn push_content<'a>(&'a self, target: &'a dyn Target) -> BoxFuture<'a, ()> {
        async move {
            for blob in &self.blobs {
                push_blob(target, blob).await;
            }
            for child in &self.children {
                child.push_to(target, None).await;
            }
        }
        .boxed()
    }
}

fn layer(seed: &str, number: u32) -> Bytes {
    Bytes::from(format!("layer {number} of {seed}"))
}

fn config(seed: &str, processor: &str) -> Bytes {
    let value = json!({"os": "linux", "architecture": processor, "rootfs": {"type": "layers", "diff_ids": []},
                       "config": {"Labels": {"seed": seed}}});
    Bytes::from(value.to_string())
}

fn build(own: &str, config_type: &str, layer_type: &str, config: &Bytes, layers: &[Bytes]) -> Image {
    let described: Vec<Descriptor> = layers.iter().map(|layer| Descriptor::of(layer_type, layer)).collect();
    let value = json!({"schemaVersion": 2, "mediaType": own,
                       "config": Descriptor::of(config_type, config), "layers": described});
    let blobs = std::iter::once(config).chain(layers).cloned().collect();
    Image { manifest: manifest(&value), blobs, children: Vec::new() }
}

fn manifest(value: &Value) -> Manifest {
    Manifest::parse(None, Bytes::from(value.to_string())).unwrap()
}
