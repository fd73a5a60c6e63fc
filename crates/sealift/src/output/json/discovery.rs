//! `sealift.discovery/1`: what a registry has, against the table.

use schemars::JsonSchema;
use serde::Serialize;

use super::common::{Place, VERSION};
use crate::discovery::Seen;
use crate::settings::PlaceSettings;

const SCHEMA: &str = "sealift.discovery/1";

/// What `sealift releases --discover --output json` writes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "sealift.discovery/1")]
pub(crate) struct DiscoveryReport {
    /// Always `sealift.discovery/1`.
    schema: &'static str,
    /// The version of sealift that wrote the document.
    version: &'static str,
    /// What was looked at.
    source: Place,
    /// Whether the registry listed its repositories. If not, those that the table knows were asked for, and
    /// `unknownRepositories` is empty whatever is there.
    has_catalog: bool,
    /// How many repositories are there.
    repositories: usize,
    /// Every release that is there, ascending, compared with its list.
    releases: Vec<Release>,
    /// Releases that are there and not in the table, ascending.
    unknown_releases: Vec<UnknownRelease>,
    /// Releases of the table that no repository has, ascending.
    absent_releases: Vec<String>,
    /// Repositories that no release ever had an image in, sorted.
    unknown_repositories: Vec<String>,
    /// Repositories whose tags cannot be read, sorted.
    broken_repositories: Vec<Broken>,
}

/// One release, compared with its list.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Release {
    /// The tag.
    tag: String,
    /// Whether a list was published. Without one only what every release has must be there.
    has_list: bool,
    /// The images that have the tag, sorted.
    found: Vec<String>,
    /// Those of them that the list has not.
    extra: Vec<String>,
    /// The images that must be there and are not.
    missing: Vec<String>,
    /// The images of the list whose repositories cannot be read.
    unreadable: Vec<String>,
}

/// A release that is not in the table.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct UnknownRelease {
    /// The tag.
    tag: String,
    /// How many images have it.
    images: usize,
    /// What is known of the tag, where it is a misprint.
    note: Option<&'static str>,
}

/// A repository that cannot be read.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Broken {
    /// The repository, below that of the source.
    repository: String,
    /// Why.
    message: String,
}

impl DiscoveryReport {
    pub(crate) fn new(place: &PlaceSettings, seen: &Seen) -> Self {
        let found = &seen.discovery;
        let unknown = |it: &sealift_catalog::UnknownRelease| UnknownRelease {
            tag: it.tag.to_string(),
            images: it.images,
            note: it.note,
        };
        let broken = |(repository, message): (&String, &String)| Broken {
            repository: repository.clone(),
            message: message.clone(),
        };
        Self {
            schema: SCHEMA,
            version: VERSION,
            source: Place::of(place),
            has_catalog: seen.has_catalog,
            repositories: seen.repositories,
            releases: found.releases.iter().map(Release::of).collect(),
            unknown_releases: found.unknown_releases.iter().map(unknown).collect(),
            absent_releases: found.absent_releases.iter().map(ToString::to_string).collect(),
            unknown_repositories: found.unknown_repositories.clone(),
            broken_repositories: found.broken_repositories.iter().map(broken).collect(),
        }
    }
}

impl Release {
    fn of(drift: &sealift_catalog::Drift) -> Self {
        Self {
            tag: drift.tag.to_string(),
            has_list: drift.has_list,
            found: drift.found.clone(),
            extra: drift.extra.clone(),
            missing: drift.missing.clone(),
            unreadable: drift.unreadable.clone(),
        }
    }
}
