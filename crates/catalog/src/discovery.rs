//! What a registry holds, compared with the table.
//!
//! The published lists were wrong more than once: images were missing from them for months, and others were
//! listed that could not be pulled. So the tags that a registry lists are held against the table, and what
//! differs is said; nothing is decided here. Registries break in parts, and a repository that cannot be read
//! is a finding like any other.

use std::collections::{BTreeMap, BTreeSet};

use sealift_oci::{RepositoryName, Tag};
use serde::Serialize;

use crate::image_set::every_image;
use crate::{ReleaseTag, image_set, is_release_form, misprint, release, releases};

/// What was read of a registry: for every repository below the prefix its tags, or why they cannot be read.
pub type Listing = BTreeMap<String, Result<Vec<Tag>, String>>;

/// What differs between a registry and the table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Discovery {
    /// Releases that the registry has and the table has not, ascending.
    pub unknown_releases: Vec<UnknownRelease>,
    /// Releases that the table has and no readable repository, ascending.
    pub absent_releases: Vec<Tag>,
    /// The images of each release that was asked about, in the order of the question.
    pub releases: Vec<Drift>,
    /// Repositories that no release ever had an image in.
    pub unknown_repositories: Vec<String>,
    /// Repositories whose tags cannot be read, each with the reason.
    pub broken_repositories: BTreeMap<String, String>,
}

/// A tag that looks like a release and is not in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownRelease {
    /// The tag.
    pub tag: Tag,
    /// How many images have it: few speak against a release.
    pub images: usize,
    /// What is known of the tag, where it is a misprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
}

/// The images of one release at the registry, compared with its list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// The release.
    pub tag: Tag,
    /// Whether the release has a published list. Without one, what any release ever had may be there, and
    /// only what every release has must be.
    pub has_list: bool,
    /// The images that have the tag.
    pub found: Vec<String>,
    /// Those of them that the list has not.
    pub extra: Vec<String>,
    /// The images that must be there and are not.
    pub missing: Vec<String>,
    /// The images of the list whose repositories cannot be read, so that nobody can tell.
    pub unreadable: Vec<String>,
}

impl Discovery {
    /// Compares what a registry lists with the table; `wanted` are the releases to compare image by image.
    ///
    /// An image is a repository right below the prefix. A deeper one belongs to another source, such as
    /// `arcdata/preview`, where the same tags mean builds that came before the release; it is unknown here.
    #[must_use]
    pub fn compare(listing: &Listing, wanted: &[Tag]) -> Self {
        let known = every_image();
        let at_source = tags_of_images(listing);
        let broken = listing.iter().filter_map(|(name, tags)| Some((name, tags.as_ref().err()?)));
        Self {
            unknown_releases: unknown_releases(&at_source),
            absent_releases: absent_releases(&at_source),
            releases: wanted.iter().map(|tag| Drift::of(tag, listing, &at_source)).collect(),
            unknown_repositories: listing.keys().filter(|it| !known.contains(it.as_str())).cloned().collect(),
            broken_repositories: broken.map(|(name, error)| (name.clone(), error.clone())).collect(),
        }
    }
}

/// Returns what a [`Listing`] calls a repository that a registry lists: its path below `prefix`, if it is there.
#[must_use]
pub fn path_below<'a>(prefix: &RepositoryName, repository: &'a RepositoryName) -> Option<&'a str> {
    repository.as_str().strip_prefix(prefix.as_str())?.strip_prefix('/')
}

/// The images that have each tag.
type Images<'a> = BTreeMap<&'a Tag, BTreeSet<&'a str>>;

fn tags_of_images(listing: &Listing) -> Images<'_> {
    let mut images = Images::new();
    for (name, tags) in listing.iter().filter(|(name, _)| !name.contains('/')) {
        for tag in tags.iter().flatten() {
            images.entry(tag).or_default().insert(name);
        }
    }
    images
}

fn unknown_releases(at_source: &Images<'_>) -> Vec<UnknownRelease> {
    let looks_like_one =
        |tag: &Tag| is_release_form(tag) || matches!(ReleaseTag::of(tag), ReleaseTag::Preview(_));
    let unknown = at_source.iter().filter(|(tag, _)| looks_like_one(tag) && release(tag).is_none());
    let mut unknown: Vec<UnknownRelease> = unknown
        .map(|(tag, images)| UnknownRelease {
            tag: (*tag).clone(),
            images: images.len(),
            note: misprint(tag),
        })
        .collect();
    unknown.sort_by_key(|it| ReleaseTag::of(&it.tag));
    unknown
}

fn absent_releases(at_source: &Images<'_>) -> Vec<Tag> {
    let table = releases().iter().map(|release| &release.tag);
    table.filter(|tag| !at_source.contains_key(tag)).cloned().collect()
}

impl Drift {
    fn of(tag: &Tag, listing: &Listing, at_source: &Images<'_>) -> Self {
        let set = image_set(tag);
        let found = at_source.get(tag).cloned().unwrap_or_default();
        let is_broken = |name: &String| listing.get(name).is_some_and(Result::is_err);
        let is_missing = |name: &&String| !found.contains(name.as_str()) && !is_broken(name);
        let mut drift = Self {
            tag: tag.clone(),
            has_list: release(tag).is_some_and(|release| release.images.is_some()),
            found: found.iter().map(|&name| name.to_owned()).collect(),
            extra: found.iter().filter(|name| !set.contains(name)).map(|&name| name.to_owned()).collect(),
            missing: set.required().iter().filter(is_missing).cloned().collect(),
            unreadable: set.names().iter().filter(|name| is_broken(name)).cloned().collect(),
        };
        drift.missing.sort();
        drift.unreadable.sort();
        drift
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    /// A registry that has these tags in these repositories.
    fn listing(repositories: &[(&str, &[&str])]) -> Listing {
        let read = |(name, tags): &(&str, &[&str])| {
            ((*name).to_owned(), Ok(tags.iter().map(|text| tag(text)).collect()))
        };
        repositories.iter().map(read).collect()
    }

    /// A registry that has what the table says, for these releases.
    fn as_listed(tags: &[&str]) -> Listing {
        let mut listing = Listing::new();
        for text in tags {
            for name in image_set(&tag(text)).names() {
                add(&mut listing, name, text);
            }
        }
        listing
    }

    fn add(listing: &mut Listing, name: &str, text: &str) {
        let tags = listing.entry(name.to_owned()).or_insert_with(|| Ok(Vec::new()));
        tags.as_mut().unwrap().push(tag(text));
    }

    fn drift(listing: &Listing, text: &str) -> Drift {
        Discovery::compare(listing, &[tag(text)]).releases.remove(0)
    }

    /// microsoft/azure_arc issue 1149: the registry had two images that the list did not name for half a year.
    #[test]
    fn images_that_the_list_forgot_are_extra() {
        let tags = ["v1.4.0_2022-02-25", "v1.5.0_2022-04-05"];
        let mut listing = as_listed(&tags);
        for text in tags {
            add(&mut listing, "arc-dns", text);
            add(&mut listing, "arc-kafka", text);
        }
        let discovery = Discovery::compare(&listing, &tags.map(tag));
        for (found, text) in discovery.releases.iter().zip(tags) {
            assert_eq!(found.tag, tag(text));
            assert!(found.has_list);
            assert_eq!(found.found.len(), 18);
            assert_eq!(found.extra, ["arc-dns", "arc-kafka"], "{text}");
            assert!(found.missing.is_empty() && found.unreadable.is_empty(), "{found:?}");
        }
        assert!(discovery.unknown_repositories.is_empty() && discovery.unknown_releases.is_empty());
        assert_eq!(discovery.absent_releases.len(), releases().len() - 2);
    }

    /// It was listed for this release, and was not in the catalog of the registry.
    #[test]
    fn images_that_cannot_be_pulled_are_missing() {
        let text = "v1.0.0_2021-07-30";
        let mut listing = as_listed(&[text]);
        listing.remove("arc-security-support");
        // A repository that is there, without the tag.
        listing.insert("arc-sqlmi".to_owned(), Ok(vec![tag("latest")]));
        let found = drift(&listing, text);
        assert_eq!(found.missing, ["arc-security-support", "arc-sqlmi"]);
        assert!(found.extra.is_empty());
        assert_eq!(found.found.len(), 15);
    }

    #[test]
    fn without_a_list_only_the_required_images_are_missed() {
        let text = "v1.46.0_2026-05-12";
        let listing =
            listing(&[("arc-bootstrapper", &[text]), ("arc-dns", &[text]), ("arc-novelty", &[text])]);
        let found = drift(&listing, text);
        assert!(!found.has_list);
        assert_eq!(found.found, ["arc-bootstrapper", "arc-dns", "arc-novelty"]);
        assert_eq!(found.extra, ["arc-novelty"]);
        assert_eq!(found.missing, ["arc-controller"]);
    }

    #[test]
    fn what_cannot_be_read_is_neither_there_nor_missing() {
        let text = "v1.42.0_2025-10-14";
        let mut listing = as_listed(&[text]);
        for name in ["arc-sqlmi", "arc-dns", "arc-kafka"] {
            listing.insert(name.to_owned(), Err(format!("{name}: timed out")));
        }
        let discovery = Discovery::compare(&listing, &[tag(text)]);
        let found = &discovery.releases[0];
        assert_eq!(found.found.len(), 18);
        assert_eq!(found.unreadable, ["arc-dns", "arc-sqlmi"]);
        assert!(found.missing.is_empty() && found.extra.is_empty());
        let broken: Vec<_> =
            discovery.broken_repositories.iter().map(|(name, why)| format!("{name}={why}")).collect();
        assert_eq!(
            broken,
            [
                "arc-dns=arc-dns: timed out",
                "arc-kafka=arc-kafka: timed out",
                "arc-sqlmi=arc-sqlmi: timed out"
            ]
        );
    }

    #[test]
    fn releases_that_the_table_has_not() {
        let listing = listing(&[
            (
                "arc-controller",
                &[
                    "latest",
                    "v1.100.0_2030-01-08",
                    "v1.47.0_2026-06-09",
                    "v1.0.0_2021-12-15",
                    "public-preview-nov-2020",
                    "v1.46.0_2026-05-12",
                ],
            ),
            (
                "arc-sqlmi",
                &["v1.47.0_2026-06-09", "v1.8.0_2022-06-07_5ba6b837", "v1.47.0", "v1.47.0_2026-06-09"],
            ),
            ("arcdataservices-extension", &["1.1.19211001"]),
            ("preview/arc-sqlmi", &["v1.48.0_2026-07-14"]),
        ]);
        let discovery = Discovery::compare(&listing, &[]);
        let found: Vec<_> = discovery
            .unknown_releases
            .iter()
            .map(|it| (it.tag.as_str(), it.images, it.note.is_some()))
            .collect();
        assert_eq!(
            found,
            [
                ("public-preview-nov-2020", 1, false),
                ("v1.0.0_2021-12-15", 1, true),
                ("v1.47.0_2026-06-09", 2, false),
                ("v1.100.0_2030-01-08", 1, false),
            ]
        );
        assert_eq!(discovery.unknown_repositories, ["arcdataservices-extension", "preview/arc-sqlmi"]);
        assert!(!discovery.absent_releases.contains(&tag("v1.46.0_2026-05-12")));
        assert_eq!(discovery.absent_releases.len(), releases().len() - 1);
        assert_eq!(discovery.absent_releases[0], releases()[0].tag);
    }

    #[test]
    fn a_deeper_repository_is_no_image_of_the_release() {
        let text = "v1.42.0_2025-10-14";
        let mut listing = as_listed(&[text]);
        add(&mut listing, "test/arc-kafka", text);
        let found = drift(&listing, text);
        assert!(found.extra.is_empty(), "{found:?}");
    }

    #[test]
    fn paths_below_a_prefix() {
        let prefix: RepositoryName = "arcdata".parse().unwrap();
        let cases = [
            ("arcdata/arc-dns", Some("arc-dns")),
            ("arcdata/test/arc-dns", Some("test/arc-dns")),
            ("arcdata", None),
            ("arcdata2/arc-dns", None),
            ("a/arcdata/arc-dns", None),
        ];
        for (text, expected) in cases {
            assert_eq!(path_below(&prefix, &text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn as_json() {
        let mut listing = listing(&[("arc-controller", &["v1.47.0_2026-06-09"]), ("new", &[])]);
        listing.insert("arc-bootstrapper".to_owned(), Err("denied".to_owned()));
        let mut discovery = Discovery::compare(&listing, &[tag("v1.47.0_2026-06-09")]);
        discovery.absent_releases.truncate(1);
        let expected = serde_json::json!({
            "unknown_releases": [{ "tag": "v1.47.0_2026-06-09", "images": 1 }],
            "absent_releases": ["public-preview-sep-2020"],
            "releases": [{
                "tag": "v1.47.0_2026-06-09",
                "has_list": false,
                "found": ["arc-controller"],
                "extra": [],
                "missing": [],
                "unreadable": ["arc-bootstrapper"],
            }],
            "unknown_repositories": ["new"],
            "broken_repositories": { "arc-bootstrapper": "denied" },
        });
        assert_eq!(serde_json::to_value(&discovery).unwrap(), expected);
    }
}
