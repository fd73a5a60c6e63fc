//! The images to take for a tag.
//!
//! Where the table has a list, that list is meant, whole. Where it has none, every name that any release
//! ever had is a candidate: the caller asks the source which of them exist at the tag, and only the
//! absence of a required one is a failure.

use std::collections::BTreeSet;

use sealift_oci::Tag;

use crate::{Group, REQUIRED_IMAGES, near, release, releases};

/// The images of one release. Names are without the repository in front, and none is there twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSet {
    /// All of these exist.
    Known(Vec<String>),
    /// Some of these exist.
    Candidates {
        /// Everything to look for.
        names: Vec<String>,
        /// Those of `names` that must exist.
        required: Vec<String>,
    },
}

/// A name that is in no release that could be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the release has no image {name}{}", similar(near))]
pub struct UnknownImage {
    /// The name that was asked for.
    pub name: String,
    /// Names of the set that are spelled much like it, nearest first; at most three.
    pub near: Vec<String>,
}

fn similar(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; it has {}", near.join(", ")) }
}

/// Returns the images to take for `tag`, which need not be in the table.
#[must_use]
pub fn image_set(tag: &Tag) -> ImageSet {
    match release(tag).and_then(|release| release.images.clone()) {
        Some(images) => ImageSet::Known(images),
        None => ImageSet::Candidates {
            names: every_image().into_iter().map(str::to_owned).collect(),
            required: REQUIRED_IMAGES.map(str::to_owned).to_vec(),
        },
    }
}

/// Returns every name that any release ever had.
pub(crate) fn every_image() -> BTreeSet<&'static str> {
    releases().iter().filter_map(|release| release.images.as_ref()).flatten().map(String::as_str).collect()
}

impl ImageSet {
    /// Returns every name to look for.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::Known(names) | Self::Candidates { names, .. } => names,
        }
    }

    /// Returns the names that must exist at the source.
    #[must_use]
    pub fn required(&self) -> &[String] {
        match self {
            Self::Known(names) | Self::Candidates { required: names, .. } => names,
        }
    }

    /// Keeps the images that are asked for, in the order of the set, and makes each of them required. Where
    /// none is asked for, the set stays as it is.
    ///
    /// # Errors
    /// When a name is not in the set.
    pub fn narrow<S: AsRef<str>>(&self, asked: &[S]) -> Result<Self, UnknownImage> {
        if asked.is_empty() {
            return Ok(self.clone());
        }
        if let Some(name) = asked.iter().map(AsRef::as_ref).find(|name| !self.contains(name)) {
            return Err(UnknownImage { name: name.to_owned(), near: near::nearest(name, self.names()) });
        }
        let narrowed = self.filter(|name| asked.iter().any(|it| it.as_ref() == name));
        Ok(match narrowed {
            Self::Candidates { names, .. } => Self::Candidates { required: names.clone(), names },
            known @ Self::Known(_) => known,
        })
    }

    /// Leaves out the images of `groups`.
    #[must_use]
    pub fn without(&self, groups: &[Group]) -> Self {
        self.filter(|name| !groups.iter().any(|group| group.contains(name)))
    }

    /// Tells whether `name` is in the set.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.names().iter().any(|it| it == name)
    }

    fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        let kept = |names: &[String]| names.iter().filter(|name| keep(name)).cloned().collect();
        match self {
            Self::Known(names) => Self::Known(kept(names)),
            Self::Candidates { names, required } => {
                Self::Candidates { names: kept(names), required: kept(required) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GATE_IMAGE;

    fn set(tag: &str) -> ImageSet {
        image_set(&tag.parse().unwrap())
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn candidates(names: &[&str], required: &[&str]) -> ImageSet {
        ImageSet::Candidates { names: owned(names), required: owned(required) }
    }

    #[test]
    fn a_list_of_the_table_is_meant_whole() {
        let set = set("v1.42.0_2025-10-14");
        assert!(matches!(set, ImageSet::Known(_)));
        assert_eq!(set.names().len(), 20);
        assert_eq!(set.names()[0], "arc-bootstrapper");
        assert_eq!(set.required(), set.names());
    }

    #[test]
    fn without_a_list_every_name_is_a_candidate() {
        for tag in ["v1.46.0_2026-05-12", "v1.47.0_2026-06-09", "latest", "v1.1.0_2021-11-02"] {
            let set = set(tag);
            assert!(matches!(set, ImageSet::Candidates { .. }), "{tag}");
            assert_eq!(set.names().len(), 30, "{tag}");
            assert!(set.names().is_sorted_by(|a, b| a < b), "{tag}");
            assert_eq!(set.required(), ["arc-controller", "arc-bootstrapper"], "{tag}");
            assert!(set.required().iter().all(|name| set.contains(name)), "{tag}");
        }
        assert!(set("latest").contains(GATE_IMAGE));
    }

    #[test]
    fn narrowing_keeps_the_order_of_the_set() {
        let known = ImageSet::Known(owned(&["c", "a", "b"]));
        let open = candidates(&["a", "b", "c"], &["c", "b"]);
        let cases: [(&ImageSet, &[&str], ImageSet); 6] = [
            (&known, &["b", "c", "b"], ImageSet::Known(owned(&["c", "b"]))),
            (&known, &[], known.clone()),
            (&open, &[], open.clone()),
            (&open, &["c", "a", "a"], candidates(&["a", "c"], &["a", "c"])),
            (&open, &["a"], candidates(&["a"], &["a"])),
            (&open, &["c", "b", "a"], candidates(&["a", "b", "c"], &["a", "b", "c"])),
        ];
        for (set, asked, expected) in cases {
            assert_eq!(set.narrow(asked), Ok(expected), "{asked:?}");
        }
    }

    #[test]
    fn a_name_that_is_not_in_the_set_is_refused() {
        let set = set("v1.42.0_2025-10-14");
        let cases: [(&str, &str); 4] = [
            ("arc-sqlm", "the release has no image arc-sqlm; it has arc-sqlmi"),
            ("arc-kafka", "the release has no image arc-kafka"),
            ("", "the release has no image "),
            ("controler", "the release has no image controler; it has arc-controller"),
        ];
        for (asked, message) in cases {
            let error = set.narrow(&["arc-dns", asked, "another"]).unwrap_err();
            assert_eq!(error.name, asked);
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn groups_are_left_out() {
        let whole = set("v1.42.0_2025-10-14");
        let cases: [(&[Group], usize); 4] = [
            (&[], 20),
            (&[Group::Postgres], 18),
            (&[Group::TestHarness, Group::Dashboards], 16),
            (&Group::ALL, 14),
        ];
        for (groups, count) in cases {
            assert_eq!(whole.without(groups).names().len(), count, "{groups:?}");
        }
        let open = set("latest");
        assert_eq!(open.without(&Group::ALL).required(), open.required());
        assert!(!open.without(&[Group::Postgres]).contains("arc-postgres-12"));
    }
}
