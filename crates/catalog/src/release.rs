//! The table of releases, and ranges of it.
//!
//! The table is what public documents and scripts recorded, each row with its source; it is never the last
//! word on what a registry holds. A new release needs a new row in `data/releases.json` and nothing else.

use std::sync::LazyLock;

use sealift_oci::Tag;
use serde::{Deserialize, Serialize};

/// One release, as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The tag that all images of the release have.
    pub tag: Tag,
    /// The date of the tag: `yyyy-mm-dd`, or `yyyy-mm` of a preview.
    pub date: String,
    /// The images, in the order in which the publisher listed them; `None` where no list was published.
    pub images: Option<Vec<String>>,
    /// The version of the Kubernetes extension that goes with the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helm_extension: Option<String>,
    /// The version of the `arcdata` command line extension that goes with the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arcdata_cli: Option<String>,
    /// Where the row was taken from.
    pub source: String,
    /// What else to know of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Why there is no range between two tags.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// One end is not in the table, nor listed as a release by who says what is.
    #[error("{0} is no release that sealift knows of")]
    UnknownRelease(Tag),
    /// The ends are the wrong way round.
    #[error("{from} is newer than {to}")]
    Reversed {
        /// The end that should be the older one.
        from: Tag,
        /// The end that should be the newer one.
        to: Tag,
    },
}

const TABLE: &str = include_str!("../data/releases.json");

/// The text is a part of the program, and a test parses it; so the empty table is never seen.
static RELEASES: LazyLock<Vec<Release>> = LazyLock::new(|| serde_json::from_str(TABLE).unwrap_or_default());

/// Returns every release of the table, ascending.
#[must_use]
pub fn releases() -> &'static [Release] {
    &RELEASES
}

/// Returns the release of exactly that tag.
#[must_use]
pub fn release(tag: &Tag) -> Option<&'static Release> {
    releases().iter().find(|release| release.tag == *tag)
}

/// Returns the newest release of the table. A registry may hold newer ones.
#[must_use]
pub fn newest_known() -> Option<&'static Release> {
    releases().last()
}

/// Returns every release of the table from one to another, both included, ascending: what a site needs that
/// upgrades from the one to the other, one minor at a time.
///
/// # Errors
/// When a tag is not in the table, or when `from` is newer than `to`.
pub fn releases_between(from: &Tag, to: &Tag) -> Result<&'static [Release], RangeError> {
    let (first, last) = (position(from)?, position(to)?);
    let reversed = || RangeError::Reversed { from: from.clone(), to: to.clone() };
    releases().get(first..=last).filter(|range| !range.is_empty()).ok_or_else(reversed)
}

fn position(tag: &Tag) -> Result<usize, RangeError> {
    let position = releases().iter().position(|release| release.tag == *tag);
    position.ok_or_else(|| RangeError::UnknownRelease(tag.clone()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{REQUIRED_IMAGES, ReleaseTag, newest};

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    fn images(text: &str) -> Option<&'static [String]> {
        release(&tag(text)).unwrap().images.as_deref()
    }

    #[test]
    fn the_table_parses() {
        assert_eq!(serde_json::from_str::<Vec<Release>>(TABLE).unwrap(), releases());
        assert_eq!(releases().len(), 55);
        let tags: BTreeSet<&str> = releases().iter().map(|it| it.tag.as_str()).collect();
        assert_eq!(tags.len(), 55);
    }

    #[test]
    fn the_table_ascends() {
        for pair in releases().windows(2) {
            assert!(ReleaseTag::of(&pair[0].tag) < ReleaseTag::of(&pair[1].tag), "{pair:?}");
            assert!(pair[0].date < pair[1].date, "{pair:?}");
        }
        let newest = newest(releases().iter().map(|it| &it.tag));
        assert_eq!(newest.as_ref(), newest_known().map(|it| &it.tag));
        assert_eq!(newest, Some(tag("v1.46.0_2026-05-12")));
    }

    #[test]
    fn every_row_is_whole() {
        for release in releases() {
            let tag_says = ReleaseTag::of(&release.tag);
            let label = tag_says.version().map(|it| it.label.clone().unwrap());
            assert_eq!(label.unwrap_or(release.date.clone()), release.date, "{}", release.tag);
            assert_ne!(tag_says, ReleaseTag::Other);
            assert!(!release.source.is_empty());
            assert_eq!(release.helm_extension.is_some(), tag_says.version().is_some(), "{}", release.tag);
            assert_eq!(release.arcdata_cli.is_some(), tag_says.version().is_some(), "{}", release.tag);
            let Some(images) = &release.images else { continue };
            assert_eq!(images.iter().collect::<BTreeSet<_>>().len(), images.len(), "{}", release.tag);
            for name in REQUIRED_IMAGES {
                assert!(images.iter().any(|it| it == name), "{} {name}", release.tag);
            }
            for name in images {
                assert!(name.parse::<sealift_oci::RepositoryName>().is_ok(), "{name}");
            }
        }
    }

    /// The eras of the published list: the first release, the last, the length, what came and what went.
    #[test]
    fn the_lists_are_those_of_their_eras() {
        type Names = &'static [&'static str];
        let eras: [(&str, &str, usize, Names, Names); 9] = [
            ("public-preview-sep-2020", "public-preview-sep-2020", 15, &[], &[]),
            (
                "public-preview-feb-2021",
                "public-preview-feb-2021",
                17,
                &["arc-ha-supervisor", "mssql-ha-operator"],
                &[],
            ),
            (
                "public-preview-jun-2021",
                "public-preview-jun-2021",
                18,
                &["arc-dns", "arc-ha-operator", "arc-security-support"],
                &["arc-control-watchdog", "mssql-ha-operator"],
            ),
            (
                "v1.0.0_2021-07-30",
                "v1.0.0_2021-07-30",
                17,
                &["arc-controller-db"],
                &["arc-dns", "arc-server-controller"],
            ),
            (
                "v1.2.0_2021-12-15",
                "v1.5.0_2022-04-05",
                16,
                &["arc-ha-orchestrator"],
                &["arc-ha-operator", "arc-security-support"],
            ),
            ("v1.6.0_2022-05-02", "v1.10.0_2022-08-09", 17, &["arc-security-support"], &[]),
            (
                "v1.11.0_2022-09-13",
                "v1.18.0_2023-04-11",
                22,
                &[
                    "arc-ci-launcher",
                    "arc-dns",
                    "arc-kafka",
                    "arc-monitor-opentelemetry-collector",
                    "arc-postgres-14",
                    "arc-postgresql-agent",
                    "arc-sb-plugin",
                ],
                &["arc-postgres-11", "arc-postgres-12"],
            ),
            (
                "v1.19.0_2023-05-09",
                "v1.29.0_2024-04-09",
                22,
                &["arc-monitor-opensearch", "arc-monitor-opensearch-dashboards"],
                &["arc-monitor-elasticsearch", "arc-monitor-kibana"],
            ),
            (
                "v1.30.0_2024-06-11",
                "v1.42.0_2025-10-14",
                20,
                &[],
                &["arc-kafka", "arc-monitor-opentelemetry-collector"],
            ),
        ];
        let mut list: BTreeSet<&str> =
            images("public-preview-sep-2020").unwrap().iter().map(String::as_str).collect();
        for (first, last, count, came, went) in eras {
            list.retain(|name| !went.contains(name));
            list.extend(came);
            assert_eq!(list.len(), count, "{first}");
            for release in releases_between(&tag(first), &tag(last)).unwrap() {
                let found: BTreeSet<&str> =
                    release.images.as_ref().unwrap().iter().map(String::as_str).collect();
                assert_eq!(found, list, "{}", release.tag);
            }
        }
    }

    #[test]
    fn some_releases_have_no_list() {
        let without: Vec<&str> =
            releases().iter().filter(|it| it.images.is_none()).map(|it| it.tag.as_str()).collect();
        let expected = [
            "public-preview-oct-2020",
            "public-preview-dec-2020",
            "public-preview-apr-2021",
            "public-preview-may-2021",
            "v1.1.0_2021-11-02",
            "v1.43.0_2026-01-13",
            "v1.44.0_2026-02-10",
            "v1.45.0_2026-04-14",
            "v1.46.0_2026-05-12",
        ];
        assert_eq!(without, expected);
    }

    #[test]
    fn ranges() {
        let cases: [(&str, &str, &[&str]); 3] = [
            ("v1.46.0_2026-05-12", "v1.46.0_2026-05-12", &["v1.46.0_2026-05-12"]),
            (
                "v1.4.0_2022-02-25",
                "v1.5.0_2022-04-05",
                &["v1.4.0_2022-02-25", "v1.4.1_2022-03-08", "v1.5.0_2022-04-05"],
            ),
            (
                "public-preview-jun-2021",
                "v1.1.0_2021-11-02",
                &["public-preview-jun-2021", "v1.0.0_2021-07-30", "v1.1.0_2021-11-02"],
            ),
        ];
        for (from, to, expected) in cases {
            let range = releases_between(&tag(from), &tag(to)).unwrap();
            let found: Vec<&str> = range.iter().map(|it| it.tag.as_str()).collect();
            assert_eq!(found, expected, "{from} {to}");
        }
        let first = &releases()[0].tag;
        assert_eq!(releases_between(first, &newest_known().unwrap().tag).unwrap(), releases());
    }

    #[test]
    fn ranges_that_are_none() {
        let (old, new) = ("v1.45.0_2026-04-14", "v1.46.0_2026-05-12");
        let unknown = |text| Err(RangeError::UnknownRelease(tag(text)));
        let cases = [
            // Neighbours: `1..=0` is an empty range to Rust, not a wrong one.
            (new, old, Err(RangeError::Reversed { from: tag(new), to: tag(old) })),
            (
                new,
                "v1.0.0_2021-07-30",
                Err(RangeError::Reversed { from: tag(new), to: tag("v1.0.0_2021-07-30") }),
            ),
            ("latest", new, unknown("latest")),
            (old, "v1.47.0", unknown("v1.47.0")),
            ("1.45.0_2026-04-14", new, unknown("1.45.0_2026-04-14")),
        ];
        for (from, to, expected) in cases {
            assert_eq!(releases_between(&tag(from), &tag(to)), expected, "{from} {to}");
        }
    }
}
