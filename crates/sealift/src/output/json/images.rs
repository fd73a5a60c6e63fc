//! `sealift.images/1`: the images that files refer to.

use schemars::JsonSchema;
use serde::Serialize;

use super::common::VERSION;
use crate::harvest::{Harvest, Place};

const SCHEMA: &str = "sealift.images/1";

/// What `sealift images --output json` writes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "sealift.images/1")]
pub(crate) struct ImagesReport {
    /// Always `sealift.images/1`.
    schema: &'static str,
    /// The version of sealift that wrote the document.
    version: &'static str,
    /// The images, sorted.
    images: Vec<Image>,
    /// What is no image before more is known.
    unresolved: Vec<Unresolved>,
    /// Files that cannot be read; the images in them are not in the list.
    unread: Vec<Unread>,
    /// What to know of how it was found: that helm was not there, or that links were not followed.
    notes: Vec<String>,
}

/// One image, and all places that name it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Image {
    /// The reference, with the registry written out.
    reference: String,
    /// Whether some format says that it is one; else it only looks like it.
    is_certain: bool,
    /// Whether some place writes no tag, and means `latest`.
    is_latest_implied: bool,
    /// Where it was found.
    found: Vec<Spot>,
}

/// Where something was found.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Spot {
    /// The file.
    file: String,
    /// The line, counted from 1; 0 where it is not known.
    line: u64,
    /// Where in the document: the object and the way to the field.
    place: String,
}

/// A name that cannot be resolved.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Unresolved {
    /// What is written.
    text: String,
    /// Why it is no image yet.
    reason: String,
    /// Where it stands.
    found: Spot,
}

/// A file that cannot be read.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Unread {
    /// The file.
    file: String,
    /// Why.
    reason: String,
}

impl ImagesReport {
    /// Takes everything over.
    pub(crate) fn new(harvest: &Harvest) -> Self {
        let images = harvest.images.iter().map(|(reference, places)| Image {
            reference: reference.to_string(),
            is_certain: places.iter().any(|place| place.is_certain),
            is_latest_implied: places.iter().any(|place| place.is_latest_implied),
            found: places.iter().map(Spot::of).collect(),
        });
        let unresolved = harvest.unresolved.iter().map(|(text, reason, place)| Unresolved {
            text: text.clone(),
            reason: reason.to_string(),
            found: Spot::of(place),
        });
        let unread = harvest.unread.iter();
        let unread = unread.map(|(file, reason)| Unread { file: file.clone(), reason: reason.clone() });
        Self {
            schema: SCHEMA,
            version: VERSION,
            images: images.collect(),
            unresolved: unresolved.collect(),
            unread: unread.collect(),
            notes: harvest.notes.clone(),
        }
    }
}

impl Spot {
    fn of(place: &Place) -> Self {
        Self { file: place.file.clone(), line: place.line, place: place.place.clone() }
    }
}
