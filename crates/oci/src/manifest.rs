//! Manifests: the bytes as received, and the links that can be read in them.
//!
//! The bytes are the truth and are never written again from the parsed view, so digests survive. What a
//! manifest links to is read from where a descriptor stands, not from a list of known media types, so an
//! artifact of a kind that is not known yet is carried like any image.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;

use crate::{Descriptor, Digest, media_type};

/// The largest manifest that is read, in bytes. The specification asks registries for at least this much
/// (OCI distribution 1.1, "Pushing manifests"), and they refuse more.
pub const MANIFEST_LIMIT: usize = 4 * 1024 * 1024;

/// What a manifest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A list of other manifests: an OCI index or a Docker manifest list.
    Index,
    /// A configuration and layers: an image, or another artifact.
    Image,
}

/// What a manifest links to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// The manifests of an index, in its order.
    pub manifests: Vec<Descriptor>,
    /// The blobs of an image: its configuration first, then its layers in their order.
    pub blobs: Vec<Descriptor>,
    /// The manifest that this one is attached to. It is no child: it need not exist.
    pub subject: Option<Descriptor>,
}

/// A manifest: bytes, the descriptor that fits them, and what they link to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Media type, digest and size of the bytes.
    pub descriptor: Descriptor,
    /// The bytes as they were received.
    pub bytes: Bytes,
    /// What it is.
    pub kind: Kind,
    /// What it links to.
    pub links: Links,
}

/// Why bytes are not a manifest that sealift can carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The bytes are not the JSON of a manifest; the text says where.
    #[error("it is not a manifest: {0}")]
    Malformed(String),
    /// It is a schema 1 manifest.
    #[error(
        "it is a Docker schema 1 manifest, which is out of use and cannot be copied with its digest kept; push the image again with a current tool"
    )]
    Schema1,
    /// It has neither a list of manifests nor a configuration or layers.
    #[error("it links to nothing: neither an index nor an image")]
    NoLinks,
    /// It is longer than [`MANIFEST_LIMIT`].
    #[error("it has {0} bytes; more than 4 MiB is not read")]
    TooLarge(usize),
}

/// The fields that decide, of every manifest kind at once.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct View {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    /// The blobs of the artifact manifest that OCI 1.1 had in its release candidates.
    blobs: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
    /// Schema 1 only.
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    /// Reads a manifest. The media type is the one written in it, else `content_type`, else the one that
    /// fits its kind.
    ///
    /// # Errors
    /// When the bytes are not a manifest that can be carried.
    pub fn parse(content_type: Option<&str>, bytes: Bytes) -> Result<Self, ManifestError> {
        Self::parse_as(crate::Algorithm::Sha256, content_type, bytes)
    }

    /// Reads a manifest that is named by a digest of `algorithm`.
    ///
    /// # Errors
    /// As [`Manifest::parse`].
    pub fn parse_as(
        algorithm: crate::Algorithm,
        content_type: Option<&str>,
        bytes: Bytes,
    ) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_LIMIT {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        let view: View =
            serde_json::from_slice(&bytes).map_err(|error| ManifestError::Malformed(error.to_string()))?;
        if view.schema_version == Some(1) || view.fs_layers.is_some() {
            return Err(ManifestError::Schema1);
        }
        let kind = view.kind()?;
        let media_type = view.media_type(content_type, kind);
        let digest = Digest::of(algorithm, &bytes);
        let mut descriptor = Descriptor::new(&media_type, digest, bytes.len() as u64);
        let links = view.into_links(&mut descriptor);
        Ok(Self { descriptor, bytes, kind, links })
    }

    /// Returns the digest of the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.descriptor.digest
    }
}

impl View {
    fn kind(&self) -> Result<Kind, ManifestError> {
        if self.manifests.is_some() {
            Ok(Kind::Index)
        } else if self.config.is_some() || self.layers.is_some() || self.blobs.is_some() {
            Ok(Kind::Image)
        } else {
            Err(ManifestError::NoLinks)
        }
    }

    /// Some registries answer with a wrong or generic `Content-Type`; what the bytes say was signed.
    fn media_type(&self, content_type: Option<&str>, kind: Kind) -> String {
        let named = content_type.map(media_type::essence).filter(|it| media_type::MANIFESTS.contains(it));
        let fitting = match kind {
            Kind::Index => media_type::OCI_INDEX,
            Kind::Image => media_type::OCI_MANIFEST,
        };
        self.media_type.as_deref().or(named).unwrap_or(fitting).to_owned()
    }

    /// Moves the links out; `descriptor` gets what a list of referrers shows of this manifest: its
    /// annotations, and its artifact type or else its configuration's type (distribution 1.1, "Listing
    /// referrers").
    fn into_links(self, descriptor: &mut Descriptor) -> Links {
        descriptor.annotations = self.annotations.unwrap_or_default();
        descriptor.artifact_type =
            self.artifact_type.or_else(|| self.config.as_ref().map(|config| config.media_type.clone()));
        let mut blobs: Vec<Descriptor> = self.config.into_iter().collect();
        blobs.extend(self.layers.unwrap_or_default());
        blobs.extend(self.blobs.unwrap_or_default());
        Links { manifests: self.manifests.unwrap_or_default(), blobs, subject: self.subject }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn descriptor(media_type: &str, content: &str) -> serde_json::Value {
        serde_json::to_value(Descriptor::of(media_type, content.as_bytes())).unwrap()
    }

    fn parse(content_type: Option<&str>, value: &serde_json::Value) -> Result<Manifest, ManifestError> {
        Manifest::parse(content_type, Bytes::from(serde_json::to_vec(value).unwrap()))
    }

    #[test]
    fn an_image_links_to_its_configuration_and_layers() {
        let manifest = parse(
            Some("application/octet-stream"),
            &json!({"schemaVersion": 2, "mediaType": media_type::DOCKER_MANIFEST,
                    "config": descriptor(media_type::DOCKER_CONFIG, "c"),
                    "layers": [descriptor(media_type::DOCKER_LAYER_GZIP, "l")]}),
        )
        .unwrap();
        assert_eq!(manifest.kind, Kind::Image);
        assert_eq!(manifest.descriptor.media_type, media_type::DOCKER_MANIFEST);
        let blobs: Vec<Digest> = manifest.links.blobs.iter().map(|blob| blob.digest).collect();
        assert_eq!(blobs, [Digest::sha256(b"c"), Digest::sha256(b"l")]);
        assert_eq!(manifest.digest(), Digest::sha256(&manifest.bytes));
    }

    #[test]
    fn an_index_links_to_manifests_and_its_subject_is_no_child() {
        let manifest = parse(
            None,
            &json!({"schemaVersion": 2, "manifests": [descriptor(media_type::OCI_MANIFEST, "m")],
                    "subject": descriptor(media_type::OCI_MANIFEST, "s")}),
        )
        .unwrap();
        assert_eq!(manifest.kind, Kind::Index);
        assert_eq!(manifest.descriptor.media_type, media_type::OCI_INDEX);
        assert_eq!(manifest.links.manifests.len(), 1);
        assert_eq!(manifest.links.subject.unwrap().digest, Digest::sha256(b"s"));
    }

    #[test]
    fn the_content_type_counts_only_where_the_manifest_is_silent() {
        let silent =
            json!({"schemaVersion": 2, "config": descriptor(media_type::OCI_CONFIG, "c"), "layers": []});
        for (content_type, expected) in [
            (
                Some("application/vnd.docker.distribution.manifest.v2+json; charset=utf-8"),
                media_type::DOCKER_MANIFEST,
            ),
            (Some("text/plain"), media_type::OCI_MANIFEST),
            (None, media_type::OCI_MANIFEST),
        ] {
            assert_eq!(parse(content_type, &silent).unwrap().descriptor.media_type, expected);
        }
    }

    #[test]
    fn what_cannot_be_carried_is_refused() {
        assert_eq!(parse(None, &json!({"schemaVersion": 1, "fsLayers": []})), Err(ManifestError::Schema1));
        assert_eq!(parse(None, &json!({"schemaVersion": 2})), Err(ManifestError::NoLinks));
        let negative = json!({"layers": [{"mediaType": "x", "size": -1, "digest": Digest::sha256(b"")}]});
        assert!(matches!(parse(None, &negative), Err(ManifestError::Malformed(_))));
        let large = Bytes::from(vec![b' '; MANIFEST_LIMIT + 1]);
        assert_eq!(Manifest::parse(None, large), Err(ManifestError::TooLarge(MANIFEST_LIMIT + 1)));
        let deep = Bytes::from("[".repeat(100_000));
        assert!(matches!(Manifest::parse(None, deep), Err(ManifestError::Malformed(_))));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Manifest::parse(None, Bytes::from(bytes));
        }
    }
}
