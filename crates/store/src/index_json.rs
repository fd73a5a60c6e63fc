//! The document `index.json` of an OCI image layout, to read and to change. Pure: no I/O.
//!
//! Fields and entries that are not understood here belong to other tools and are written back as they were
//! read.

use std::collections::BTreeMap;

use sealift_oci::{Descriptor, Digest, media_type};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where a layout says the tag: OCI image specification 1.1, `annotations.md`.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The file that marks a directory as a layout, and its content: OCI image specification 1.1,
/// `image-layout.md`, "oci-layout file".
pub const MARKER: (&str, &str) = ("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);

/// The document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The manifests.
    #[serde(default)]
    pub manifests: Vec<Entry>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// One entry of the list of manifests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// The descriptor of a manifest.
    Known(Listed),
    /// Something else, such as a digest of an algorithm that sealift does not know.
    Other(Value),
}

/// The descriptor of a manifest as it stands in the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    media_type: String,
    /// The digest of the manifest.
    pub digest: Digest,
    size: u64,
    /// The annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Document {
    /// Makes an empty list.
    #[must_use]
    pub fn empty() -> Self {
        let rest = [("schemaVersion", Value::from(2)), ("mediaType", Value::from(media_type::OCI_INDEX))];
        let rest = rest.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { manifests: Vec::new(), rest }
    }

    /// Returns the descriptor at a position.
    #[must_use]
    pub fn at(&self, position: usize) -> Option<&Listed> {
        match self.manifests.get(position)? {
            Entry::Known(entry) => Some(entry),
            Entry::Other(_) => None,
        }
    }

    /// Lists the descriptors with their positions.
    pub fn known(&self) -> impl Iterator<Item = (usize, &Listed)> {
        self.manifests.iter().enumerate().filter_map(|(position, entry)| match entry {
            Entry::Known(entry) => Some((position, entry)),
            Entry::Other(_) => None,
        })
    }

    /// Lists the descriptors to change them.
    pub fn known_mut(&mut self) -> impl Iterator<Item = &mut Listed> {
        self.manifests.iter_mut().filter_map(|entry| match entry {
            Entry::Known(entry) => Some(entry),
            Entry::Other(_) => None,
        })
    }
}

impl Listed {
    /// Lists a manifest without annotations.
    #[must_use]
    pub fn new(manifest: &Descriptor) -> Self {
        Self {
            media_type: manifest.media_type.clone(),
            digest: manifest.digest,
            size: manifest.size,
            annotations: BTreeMap::new(),
            rest: Map::new(),
        }
    }

    /// Returns media type, digest and size.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(&self.media_type, self.digest, self.size)
    }

    /// Returns an annotation.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).map(String::as_str)
    }

    /// Sets an annotation.
    pub fn annotate(&mut self, name: &str, value: &str) {
        self.annotations.insert(name.to_owned(), value.to_owned());
    }
}
