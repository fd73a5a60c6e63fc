//! `sealift.lock/1`: which digest each image has. It is read again by `sealift kit`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::VERSION;

const SCHEMA: &str = "sealift.lock/1";

/// What `sealift lock --output json` writes. Equal content makes an equal document: there is no time in it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "sealift.lock/1")]
pub(crate) struct Lock {
    /// Always `sealift.lock/1`.
    pub(crate) schema: String,
    /// The version of sealift that wrote the document.
    version: String,
    /// Who was asked: `target` or `source`.
    asked: String,
    /// The images, in the order of the selection.
    pub(crate) images: Vec<Locked>,
    /// Images that are not there, by their names at the source.
    pub(crate) missing: Vec<String>,
}

/// One image.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Locked {
    /// Its reference at the source.
    pub(crate) source: String,
    /// Its reference at the target; null where no target was named.
    pub(crate) target: Option<String>,
    /// What it is.
    pub(crate) digest: String,
}

impl Lock {
    /// Puts a document together.
    pub(crate) fn new(asked: &str, images: Vec<Locked>, missing: Vec<String>) -> Self {
        let (schema, version) = (SCHEMA.to_owned(), VERSION.to_owned());
        Self { schema, version, asked: asked.to_owned(), images, missing }
    }

    /// Tells whether this is a document of the one form that is understood.
    pub(crate) fn is_understood(&self) -> bool {
        self.schema == SCHEMA
    }
}
