//! Ranges of releases that go beyond the table: what a registry lists counts too.
//!
//! A site upgrades one minor at a time, so who names two releases wants all between them, also those that
//! came out after this program. Only tags of the exact form of a release count: builds and typing errors
//! that somebody pushed beside the releases are never mirrored because they lie in a range.

use std::collections::BTreeMap;

use sealift_oci::Tag;

use crate::{RangeError, ReleaseTag, Version, is_release_form, release, releases};

/// Returns every release from one to another, both included, ascending: those of the table, and those of
/// `listed`, the tags of the source, which have the form of a release. Each version is there once: as the
/// table has it, else with the latest date. The two ends are as they were given.
///
/// # Errors
/// When an end is neither in the table nor listed as a release, or when `from` is newer than `to`.
pub fn between<'a>(
    from: &Tag,
    to: &Tag,
    listed: impl IntoIterator<Item = &'a Tag>,
) -> Result<Vec<Tag>, RangeError> {
    let listed: Vec<&Tag> = listed.into_iter().filter(|tag| is_release_form(tag)).collect();
    for end in [from, to] {
        if release(end).is_none() && !listed.contains(&end) {
            return Err(RangeError::UnknownRelease(end.clone()));
        }
    }
    if ReleaseTag::of(from) > ReleaseTag::of(to) {
        return Err(RangeError::Reversed { from: from.clone(), to: to.clone() });
    }
    let (first, last) = (edition(from), edition(to));
    let inner = editions(&listed).into_iter().filter(|(edition, _)| first < *edition && *edition < last);
    let mut tags = vec![from.clone()];
    tags.extend(inner.map(|(_, tag)| tag.clone()));
    if from != to {
        tags.push(to.clone());
    }
    Ok(tags)
}

/// One tag for each version or preview, in the order of age.
fn editions<'a>(listed: &[&'a Tag]) -> BTreeMap<ReleaseTag, &'a Tag> {
    let mut listed = listed.to_vec();
    listed.sort_by_key(|tag| ReleaseTag::of(tag));
    let table = releases().iter().map(|release| &release.tag);
    listed.into_iter().chain(table).map(|tag| (edition(tag), tag)).collect()
}

/// What a tag says without the date.
fn edition(tag: &Tag) -> ReleaseTag {
    match ReleaseTag::of(tag) {
        ReleaseTag::Version(version) => ReleaseTag::Version(Version { label: None, ..version }),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::releases_between;
    use proptest::prelude::*;

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    fn found(from: &str, to: &str, listed: &[&str]) -> Result<Vec<String>, RangeError> {
        let listed: Vec<Tag> = listed.iter().map(|text| tag(text)).collect();
        let tags = between(&tag(from), &tag(to), &listed)?;
        Ok(tags.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_table_and_the_source_together() {
        let cases: [(&str, &str, &[&str], &[&str]); 8] = [
            // The table alone.
            ("v1.46.0_2026-05-12", "v1.46.0_2026-05-12", &[], &["v1.46.0_2026-05-12"]),
            (
                "public-preview-jun-2021",
                "v1.1.0_2021-11-02",
                &[],
                &["public-preview-jun-2021", "v1.0.0_2021-07-30", "v1.1.0_2021-11-02"],
            ),
            // Newer ones at the source, in no order; previews of the source do not count.
            (
                "v1.46.0_2026-05-12",
                "v1.100.0_2030-01-08",
                &["v1.100.0_2030-01-08", "v1.47.0_2026-06-09", "v1.46.1_2026-05-20", "v1.101.0_2030-02-12"],
                &["v1.46.0_2026-05-12", "v1.46.1_2026-05-20", "v1.47.0_2026-06-09", "v1.100.0_2030-01-08"],
            ),
            (
                "public-preview-oct-2020",
                "public-preview-dec-2020",
                &["public-preview-nov-2020"],
                &["public-preview-oct-2020", "public-preview-dec-2020"],
            ),
            // Builds, charts, misprints and other spellings.
            (
                "v1.29.0_2024-04-09",
                "v1.31.0_2024-07-09",
                &[
                    "v1.30.0_2024-05-14",
                    "v1.30.0_2024-06-11_5ba6b837",
                    "1.30.1_2024-06-12",
                    "v1.30.2",
                    "v1.30.0_2030-01-01",
                    "latest",
                ],
                &["v1.29.0_2024-04-09", "v1.30.0_2024-06-11", "v1.31.0_2024-07-09"],
            ),
            // Of several dates the latest; of an end the one that was given.
            (
                "v1.46.0_2026-05-12",
                "v1.48.0_2026-07-07",
                &[
                    "v1.47.0_2026-06-02",
                    "v1.47.0_2026-06-09",
                    "v1.48.0_2026-07-07",
                    "v1.48.0_2026-07-14",
                    "v1.46.0_2026-05-13",
                ],
                &["v1.46.0_2026-05-12", "v1.47.0_2026-06-09", "v1.48.0_2026-07-07"],
            ),
            (
                "v1.46.0_2026-05-05",
                "v1.46.0_2026-05-12",
                &["v1.46.0_2026-05-05"],
                &["v1.46.0_2026-05-05", "v1.46.0_2026-05-12"],
            ),
            // Both ends beyond the table.
            (
                "v2.0.0_2027-01-12",
                "v2.1.0_2027-02-09",
                &["v2.1.0_2027-02-09", "v2.0.0_2027-01-12"],
                &["v2.0.0_2027-01-12", "v2.1.0_2027-02-09"],
            ),
        ];
        for (from, to, listed, expected) in cases {
            assert_eq!(found(from, to, listed).unwrap(), expected, "{from} {to}");
        }
    }

    #[test]
    fn ranges_that_are_none() {
        let (old, new) = ("v1.45.0_2026-04-14", "v1.46.0_2026-05-12");
        let unknown = |text| Err(RangeError::UnknownRelease(tag(text)));
        let cases: [(&str, &str, &[&str], _); 6] = [
            (new, old, &[], Err(RangeError::Reversed { from: tag(new), to: tag(old) })),
            (old, "v1.47.0_2026-06-09", &[], unknown("v1.47.0_2026-06-09")),
            (old, "v1.47.0_2026-06-10", &["v1.47.0_2026-06-09"], unknown("v1.47.0_2026-06-10")),
            ("latest", new, &["latest"], unknown("latest")),
            (old, "v1.47.0_2026-06-09_ab", &["v1.47.0_2026-06-09_ab"], unknown("v1.47.0_2026-06-09_ab")),
            ("1.45.0_2026-04-14", new, &["1.45.0_2026-04-14"], unknown("1.45.0_2026-04-14")),
        ];
        for (from, to, listed, expected) in cases {
            assert_eq!(found(from, to, listed), expected, "{from} {to}");
        }
    }

    #[test]
    fn without_a_source_the_table_decides() {
        let tags: Vec<&Tag> = releases().iter().map(|release| &release.tag).collect();
        for from in &tags {
            for to in &tags {
                let expected =
                    releases_between(from, to).map(|range| range.iter().map(|it| it.tag.clone()).collect());
                assert_eq!(between(from, to, []), expected);
            }
        }
    }

    proptest! {
        #[test]
        fn a_range_ascends_and_repeats_nothing(
            texts in proptest::collection::vec("v1[.]4[0-9][.][01]_202[67]-0[12]-1[0-3]", 0..12),
            from in 0..12_usize,
        ) {
            let listed: Vec<Tag> = texts.iter().map(|text| tag(text)).collect();
            let to = tag("v1.46.0_2026-05-12");
            let from = listed.get(from).unwrap_or(&to);
            if let Ok(tags) = between(from, &to, &listed) {
                prop_assert!(tags.is_sorted_by(|a, b| ReleaseTag::of(a) < ReleaseTag::of(b)));
                prop_assert_eq!((tags.first(), tags.last()), (Some(from), Some(&to)));
                let middle = tags.get(1..tags.len() - 1).unwrap_or_default();
                prop_assert!(middle.is_sorted_by(|a, b| edition(a) < edition(b)));
            } else {
                prop_assert!(ReleaseTag::of(from) > ReleaseTag::of(&to));
            }
        }
    }
}
