//! Which images to take: those of a release of Azure Arc-enabled data services, or those of a user's own
//! list.
//!
//! This crate is data and decisions: the table of releases, the grammar of their tags, the set of images to
//! take for a tag, what a list says and where its images go. It asks no registry. What the table does not know is handed out as
//! candidates, which the caller looks up at the source before it plans.
//!
//! ```
//! use sealift_catalog::{
//!     Group, ImageList, ImageSet, TagRule, between, image_set, misprint, newest, newest_known, releases_between,
//! };
//! use sealift_oci::Tag;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The tag: what the user typed, the newest one that the registry lists, or the newest of the table.
//! let listed: Vec<Tag> = vec!["latest".parse()?, "v1.9.0_2022-07-12".parse()?, "v1.41.0_2025-09-09".parse()?];
//! let tag = newest(&listed).or_else(|| newest_known().map(|release| release.tag.clone()));
//! let tag = tag.ok_or("no release")?;
//! assert_eq!(tag.as_str(), "v1.41.0_2025-09-09");
//! assert_eq!(misprint(&tag), None);
//!
//! // The images: the list of that release, less a group or narrowed to a few names.
//! let set = image_set(&tag);
//! assert_eq!(set.names().len(), 20);
//! assert_eq!(set.without(&[Group::Postgres]).names().len(), 18);
//! assert_eq!(set.narrow(&["arc-sqlmi"])?, ImageSet::Known(vec!["arc-sqlmi".to_owned()]));
//! let unknown = set.narrow(&["sqlmy"]).unwrap_err();
//! assert_eq!(unknown.near, ["arc-sqlmi"]);
//!
//! // An upgrade goes one minor at a time, so a site that is behind needs every release on the way.
//! let steps = releases_between(&"v1.39.0_2025-05-13".parse()?, &tag)?;
//! assert_eq!(steps.len(), 3);
//! // Releases that are newer than the table count too, where the source lists them.
//! let listed: Vec<Tag> = vec!["v1.47.0_2026-06-09".parse()?, "v1.47.0_2026-06-02_5ba6b837".parse()?];
//! let steps = between(&"v1.45.0_2026-04-14".parse()?, &listed[0], &listed)?;
//! assert_eq!(steps.len(), 3);
//!
//! // Any other product: a list, and where its images go.
//! let list = ImageList::parse("nginx:1.25 # the proxy").map_err(|_| "a bad line")?;
//! let mapped = list.map(Some(&"site".parse()?), &TagRule::default()).map_err(|_| "two images for one place")?;
//! assert_eq!(mapped[0].reference.to_string(), "docker.io/library/nginx:1.25");
//! assert_eq!(mapped[0].target.as_str(), "site/library/nginx");
//! # Ok(())
//! # }
//! ```

mod discovery;
mod group;
mod image_list;
mod image_set;
pub mod images;
mod misprint;
mod near;
pub mod profile;
mod range;
mod release;
mod release_tag;
pub mod yaml;

pub use discovery::{Discovery, Drift, Listing, UnknownRelease, path_below};
pub use group::{Group, GroupError};
pub use image_list::{
    ImageList, LINE_LIMIT, LineError, LineFault, Listed, Mapped, SIZE_LIMIT, TagRule, TargetError,
};
pub use image_set::{ImageSet, UnknownImage, image_set};
pub use misprint::misprint;
pub use range::between;
pub use release::{RangeError, Release, newest_known, release, releases, releases_between};
pub use release_tag::{Channel, Preview, ReleaseTag, Version, is_release_form, newest};

/// What the product is called.
pub const PRODUCT: &str = "Azure Arc data services";

/// The registry that the publisher serves the images from.
pub const SOURCE_REGISTRY: &str = "mcr.microsoft.com";

/// The repository there that holds one repository for each image. Previews are in deeper ones.
pub const SOURCE_REPOSITORY: &str = "arcdata";

/// The image that opens a release: the upgrade check of a site lists the tags of this repository alone and
/// offers what it finds, so it is tagged last, and only when the rest of the release has arrived.
pub const GATE_IMAGE: &str = "arc-controller";

/// The images without which no release can be deployed; every list that was ever published has them.
pub const REQUIRED_IMAGES: [&str; 2] = [GATE_IMAGE, "arc-bootstrapper"];
