//! `sealift.contents/1`: what is in a bundle.

use schemars::JsonSchema;
use sealift_bundle::{Bundle, Damage, ListedImage};
use serde::Serialize;

use super::common::{Failure, VERSION};
use super::layers::{Coverage, Delta};
use crate::commands::Inspection;
use crate::errors::{CommandError, Exit};

const SCHEMA: &str = "sealift.contents/1";

/// What `sealift inspect --output json` writes.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "sealift.contents/1")]
pub(crate) struct Contents {
    /// Always `sealift.contents/1`.
    schema: &'static str,
    /// The version of sealift that wrote the document.
    version: &'static str,
    /// What the process ends with.
    exit_code: u8,
    /// Whether it is a bundle or a plain OCI image layout; null where it could not be looked at.
    kind: Option<KindName>,
    /// What receipts and later bundles call it. This and what follows is empty where a plain layout says nothing of it.
    id: String,
    /// When it was packed: RFC 3339, UTC.
    created: String,
    /// What packed it.
    tool: String,
    /// Whether its content is encrypted.
    is_encrypted: bool,
    /// Whether it is signed by the key that --trust named.
    is_trusted: bool,
    /// The ids of what content was left out for.
    builds_on: Vec<String>,
    /// Every image, release by release.
    images: Vec<Image>,
    /// The volumes, in order.
    volumes: Vec<Volume>,
    /// How many blobs and manifests the images need.
    content: usize,
    /// The bytes of content that it carries.
    bytes_carried: u64,
    /// The bytes of content that it left out because the other side has them.
    bytes_left_out: u64,
    /// The bytes of content that more than one image needs, each counted once.
    bytes_shared: u64,
    /// Of a bundle that was made with deltas, every blob that it carries, and how.
    deltas: Vec<Delta>,
    /// How many layers are deltas; null of a bundle that was made without.
    coverage: Option<Coverage>,
    /// Volumes that cannot be read.
    damage: Vec<DamagedVolume>,
    /// Why the bundle could not be looked at.
    failures: Vec<Failure>,
}

/// What was looked at.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum KindName {
    /// A bundle.
    Bundle,
    /// A plain OCI image layout, as a directory or an archive.
    OciLayout,
}

/// An image of a bundle.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Image {
    /// The image's name.
    name: String,
    /// Its repository below the target's.
    repository: String,
    /// Its tag.
    tag: Option<String>,
    /// The digest of its root manifest.
    digest: String,
    /// What was asked for at the source.
    source: String,
    /// The release that it belongs to; null for images of a list.
    release: Option<String>,
    /// What it runs on.
    platforms: Vec<String>,
    /// The bytes of everything that it needs.
    bytes: u64,
    /// How many of them the bundle carries.
    bytes_carried: u64,
    /// How many of them another image needs, too.
    bytes_shared: u64,
    /// Whether everything that the bundle carries of it can be read.
    is_readable: bool,
}

/// A volume of a bundle.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Volume {
    /// Its file.
    name: String,
    /// Its size; null of one file that is the whole bundle.
    bytes: Option<u64>,
    /// Its SHA-256; null of one file that is the whole bundle.
    sha256: Option<String>,
}

/// A volume that cannot be read.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DamagedVolume {
    /// Its file.
    path: String,
    /// What is wrong with it.
    reason: String,
    /// The images that have content in it.
    images: Vec<String>,
}

impl Contents {
    pub(crate) fn new(inspected: Result<&Inspection, &CommandError>, exit: Exit) -> Self {
        let head = Self { schema: SCHEMA, version: VERSION, exit_code: exit.code(), ..Self::default() };
        let inspection = match inspected {
            Ok(inspection) => inspection,
            Err(error) => return Self { failures: vec![Failure::of_command(error)], ..head },
        };
        let listing = &inspection.listing;
        let head = Self {
            images: listing.images.iter().map(Image::of).collect(),
            content: listing.content,
            bytes_carried: listing.carried,
            bytes_left_out: listing.left_out,
            bytes_shared: listing.shared,
            ..head
        };
        let Some(bundle) = inspection.bundle() else {
            return Self { kind: Some(KindName::OciLayout), ..head };
        };
        let catalogue = bundle.catalogue();
        let deltas = catalogue.deltas();
        let volume = |volume: &sealift_bundle::Volume| Volume {
            name: volume.name.clone(),
            bytes: volume.size,
            sha256: volume.sha256.clone(),
        };
        Self {
            kind: Some(KindName::Bundle),
            id: catalogue.id.clone(),
            created: catalogue.created.clone(),
            tool: catalogue.tool.clone(),
            is_encrypted: catalogue.sealed,
            is_trusted: bundle.is_trusted(),
            builds_on: catalogue.builds_on.clone(),
            volumes: catalogue.volumes.iter().map(volume).collect(),
            deltas: deltas.iter().map(Delta::of).collect(),
            coverage: Coverage::of(&deltas),
            damage: inspection.damage.iter().map(|it| DamagedVolume::of(it, bundle)).collect(),
            ..head
        }
    }
}

impl Image {
    fn of(listed: &ListedImage) -> Self {
        let image = &listed.image;
        Self {
            name: image.name.clone(),
            repository: image.repository.to_string(),
            tag: image.tag.as_ref().map(ToString::to_string),
            digest: image.digest.to_string(),
            source: image.source.clone(),
            release: image.group.clone(),
            platforms: image.platforms.iter().map(ToString::to_string).collect(),
            bytes: listed.size,
            bytes_carried: listed.carried,
            bytes_shared: listed.shared,
            is_readable: listed.is_readable,
        }
    }
}

impl DamagedVolume {
    fn of(damage: &Damage, bundle: &Bundle) -> Self {
        let images = &bundle.catalogue().images;
        let name = |at: &usize| images.get(*at).map(|image| image.source.clone());
        Self {
            path: damage.path.display().to_string(),
            reason: damage.reason.clone(),
            images: damage.images.iter().filter_map(name).collect(),
        }
    }
}
