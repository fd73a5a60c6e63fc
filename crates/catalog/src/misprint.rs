//! Tags that were published somewhere and look like a release, but name none.
//!
//! Deployed with such a tag, a cluster fails after minutes and only says `ErrImagePull`.

use sealift_oci::Tag;

const NO_RELEASE: &str = "a known misprint, no release has this tag";

const MISPRINTS: [(&str, &str); 12] = [
    ("v1.0.0_2021-06-30", NO_RELEASE),
    // The default of the publisher's own script for two months.
    ("v1.0.0_2021-12-15", "a known misprint, the release is v1.2.0_2021-12-15"),
    ("v1.5.0_2022-04-27", NO_RELEASE),
    ("v1.8.0_2022-06-06", NO_RELEASE),
    ("v1.8.0_2022-06-24", NO_RELEASE),
    ("v1.9.0_2022-08-09", NO_RELEASE),
    ("v1.16.0_2023-03-14", NO_RELEASE),
    ("v1.17.0_2023-02-14", NO_RELEASE),
    ("v1.20.0_2023-07-11", NO_RELEASE),
    ("v1.27.0_2023-02-13", NO_RELEASE),
    ("v1.30.0_2024-04-09", NO_RELEASE),
    ("v1.30.0_2024-05-14", "a preview that never shipped, the release is v1.30.0_2024-06-11"),
];

/// Returns what to say of a tag that is known to name no release.
#[must_use]
pub fn misprint(tag: &Tag) -> Option<&'static str> {
    MISPRINTS.iter().find(|(text, _)| *text == tag.as_str()).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReleaseTag, release, releases};

    #[test]
    fn misprints_look_like_releases_and_are_none() {
        for (text, hint) in MISPRINTS {
            let tag: Tag = text.parse().unwrap();
            assert!(ReleaseTag::of(&tag).version().is_some(), "{text}");
            assert_eq!(release(&tag), None, "{text}");
            assert_eq!(misprint(&tag), Some(hint), "{text}");
        }
    }

    #[test]
    fn a_release_that_a_hint_names_is_in_the_table() {
        for (_, hint) in MISPRINTS {
            let Some((_, named)) = hint.split_once("the release is ") else { continue };
            assert!(release(&named.parse().unwrap()).is_some(), "{hint}");
        }
    }

    #[test]
    fn releases_and_other_tags_are_no_misprints() {
        assert!(releases().iter().all(|release| misprint(&release.tag).is_none()));
        for text in ["latest", "v1.47.0_2026-06-09"] {
            assert_eq!(misprint(&text.parse().unwrap()), None, "{text}");
        }
    }
}
