//! A set of content to push: blobs, manifests in the order in which they are pushed, tags, and what is attached.

use std::collections::BTreeMap;

use bytes::Bytes;
use sealift_oci::{Algorithm, Digest, media_type};
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) digest: Digest,
    pub(crate) bytes: Bytes,
    pub(crate) media_type: String,
    pub(crate) subject: Option<Digest>,
}

#[derive(Clone, Debug)]
pub(crate) struct Data {
    pub(crate) name: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) blobs: Vec<(Digest, Bytes)>,
    pub(crate) manifests: Vec<Manifest>,
    pub(crate) tags: Vec<(String, Digest)>,
    pub(crate) referrers: BTreeMap<Digest, Vec<Value>>,
    pub(crate) tags_as_parameters: bool,
    /// The bytes of the manifests do not have their digests.
    pub(crate) is_wrong: bool,
}

impl Data {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            algorithm: Algorithm::Sha256,
            blobs: Vec::new(),
            manifests: Vec::new(),
            tags: Vec::new(),
            referrers: BTreeMap::new(),
            tags_as_parameters: false,
            is_wrong: false,
        }
    }

    pub(crate) fn tags_of(&self, digest: &Digest) -> Vec<&str> {
        self.tags.iter().filter(|(_, tagged)| tagged == digest).map(|(tag, _)| tag.as_str()).collect()
    }

    fn descriptor(&self, media_type: &str, content: &[u8]) -> Value {
        let digest = Digest::of(self.algorithm, content);
        json!({"mediaType": media_type, "digest": digest, "size": content.len()})
    }

    /// Adds a blob and describes it.
    pub(crate) fn blob(&mut self, media_type: &str, content: impl Into<Bytes>) -> Value {
        let content = content.into();
        let digest = Digest::of(self.algorithm, &content);
        if !self.blobs.iter().any(|(known, _)| *known == digest) {
            self.blobs.push((digest, content.clone()));
        }
        self.descriptor(media_type, &content)
    }

    /// Adds a manifest and describes it; `more` has what it has beside its schema and media type.
    pub(crate) fn manifest(&mut self, media_type: &str, more: &Value, tag: Option<&str>) -> Value {
        let mut manifest = json!({"schemaVersion": 2, "mediaType": media_type});
        for (field, value) in more.as_object().unwrap() {
            manifest[field] = value.clone();
        }
        let bytes = Bytes::from(serde_json::to_vec(&manifest).unwrap());
        let described = self.descriptor(media_type, &bytes);
        let digest = Digest::of(self.algorithm, &bytes);
        let subject: Option<Digest> = serde_json::from_value(manifest["subject"]["digest"].clone()).unwrap();
        if let Some(subject) = subject {
            let listed = listed(&described, &manifest);
            self.referrers.entry(subject).or_default().push(listed);
        }
        self.tags.extend(tag.map(|tag| (tag.to_owned(), digest)));
        self.manifests.push(Manifest { digest, bytes, media_type: media_type.to_owned(), subject });
        described
    }
}

/// How a referrer is listed: an image without a type of its own has that of its configuration, an index has none.
fn listed(described: &Value, manifest: &Value) -> Value {
    let mut listed = described.clone();
    let own = &manifest["artifactType"];
    let artifact_type = if own.is_null() { &manifest["config"]["mediaType"] } else { own };
    for (field, value) in [("artifactType", artifact_type), ("annotations", &manifest["annotations"])] {
        if !value.is_null() {
            listed[field] = value.clone();
        }
    }
    listed
}

pub(crate) const INDEX: &str = media_type::OCI_INDEX;
pub(crate) const IMAGE: &str = media_type::OCI_MANIFEST;
pub(crate) const EMPTY_JSON: &str = "application/vnd.oci.empty.v1+json";
pub(crate) const EXAMPLE: [&str; 2] =
    ["application/vnd.example.oci.conformance.v1", "application/vnd.example.oci.conformance.v2"];
