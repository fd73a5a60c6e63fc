//! Tags that read as versions: which is newer, and what each is to semantic versioning.
//!
//! Tags are written freely: `v1.27`, `1.2-alpine`, `v1.42.0_2025-10-14`. A tag reads as a version where it begins, behind
//! a `v` or without, with numbers that stand between dots.

use std::cmp::Reverse;

use semver::{BuildMetadata, Prerelease, Version};

/// The most numbers of a version.
const NUMBERS_LIMIT: usize = 8;
/// How many numbers a semantic version has.
const SEMANTIC: usize = 3;

/// A tag as a version. Newer is greater; what has something behind its numbers comes before what has not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TagVersion<'a> {
    /// Without the zeros at the end: 1.2 is as new as 1.2.0.
    numbers: Vec<u64>,
    /// False sorts before true, and nothing behind the numbers is the newest.
    is_plain: bool,
    suffix: Vec<Run<'a>>,
}

/// Letters, or digits, that stand together: `rc10` is newer than `rc9`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Run<'a> {
    /// How many digits without leading zeros, and these: that is the order of numbers of any length.
    Digits(usize, &'a str),
    Letters(&'a str),
}

/// Reads a tag as a version.
pub(super) fn read(tag: &str) -> Option<TagVersion<'_>> {
    let (mut numbers, suffix) = split(tag)?;
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    Some(TagVersion { numbers, is_plain: suffix.is_empty(), suffix: runs(suffix) })
}

/// Reads a tag as a semantic version. `_` stands for `+`, which no tag can have.
pub(super) fn semantic(tag: &str) -> Option<Version> {
    let (numbers, suffix) = split(tag)?;
    if numbers.len() > SEMANTIC {
        return None;
    }
    let (before, build) = suffix.split_once('_').unwrap_or((suffix, ""));
    let before = match before.strip_prefix('-') {
        Some(before) => Prerelease::new(before).ok()?,
        None if before.is_empty() => Prerelease::EMPTY,
        None => return None,
    };
    let number = |at: usize| numbers.get(at).copied().unwrap_or_default();
    Some(Version {
        major: number(0),
        minor: number(1),
        patch: number(2),
        pre: before,
        build: BuildMetadata::new(build).ok()?,
    })
}

/// Keeps the tags that read as the newest versions, in the order they have.
pub(super) fn newest<T: AsRef<str>>(mut tags: Vec<T>, count: usize) -> Vec<T> {
    let mut versions: Vec<(TagVersion<'_>, &str)> =
        tags.iter().filter_map(|tag| Some((read(tag.as_ref())?, tag.as_ref()))).collect();
    versions.sort_by(|one, other| Reverse(one).cmp(&Reverse(other)));
    let kept: std::collections::BTreeSet<String> =
        versions.into_iter().take(count).map(|(_, tag)| tag.to_owned()).collect();
    tags.retain(|tag| kept.contains(tag.as_ref()));
    tags
}

/// Splits numbers and what is behind them.
fn split(tag: &str) -> Option<(Vec<u64>, &str)> {
    let mut rest = tag.strip_prefix(['v', 'V']).unwrap_or(tag);
    let mut numbers = Vec::new();
    loop {
        let end = rest.find(|it: char| !it.is_ascii_digit()).unwrap_or(rest.len());
        numbers.push(rest[..end].parse().ok()?);
        rest = &rest[end..];
        let more = rest.strip_prefix('.').filter(|it| it.starts_with(|it: char| it.is_ascii_digit()));
        match more {
            Some(more) if numbers.len() < NUMBERS_LIMIT => rest = more,
            _ => break,
        }
    }
    // `7f3a9c` is the name of a commit, and `1.2rc1` is a version.
    let is_version = rest.is_empty()
        || rest.starts_with(['-', '_'])
        || (numbers.len() > 1 && rest.starts_with(|it: char| it.is_ascii_alphabetic()));
    is_version.then_some((numbers, rest))
}

fn runs(text: &str) -> Vec<Run<'_>> {
    let is_same = |one: &u8, other: &u8| one.is_ascii_digit() == other.is_ascii_digit();
    let mut rest = text;
    let lengths = text.as_bytes().chunk_by(is_same).map(<[u8]>::len);
    let parts = lengths.filter_map(|length| {
        // Tags are ASCII; what is not has no such place, and the rest of it counts for nothing.
        let (part, more) = rest.split_at_checked(length)?;
        rest = more;
        Some(part)
    });
    parts
        .map(|part| match part.starts_with(|it: char| it.is_ascii_digit()) {
            true => {
                let digits = part.trim_start_matches('0');
                Run::Digits(digits.len(), digits)
            }
            false => Run::Letters(part),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_in_the_order_of_versions() {
        let ascending = [
            "0.9",
            "v1",
            "1.2-alpine",
            "1.2-rc9",
            "1.2-rc10",
            "1.2",
            "1.2.1",
            "1.10",
            "v1.41.0_2025-09-09",
            "v1.42.0_2025-10-14",
            "2024-01-09",
            "2024-01-10",
            "2025.1",
        ];
        for pair in ascending.windows(2) {
            assert!(read(pair[0]).unwrap() < read(pair[1]).unwrap(), "{pair:?}");
        }
        assert_eq!(read("1.2.0"), read("v1.2"));
    }

    #[test]
    fn what_is_no_version_is_none() {
        for tag in ["latest", "", "v", "7f3a9c", "1.", "1.2.", ".1", "sha256-12ab", "99999999999999999999"] {
            assert_eq!(read(tag), None, "{tag}");
        }
    }

    #[test]
    fn semantic_versions_are_filled_up() {
        for (tag, expected) in [
            ("1", Some("1.0.0")),
            ("v1.2", Some("1.2.0")),
            ("1.2.3-rc.1", Some("1.2.3-rc.1")),
            ("1.2_abc", Some("1.2.0+abc")),
            ("1.2.3.4", None),
            ("1.2rc1", None),
            ("1.2-01", None),
        ] {
            assert_eq!(semantic(tag).map(|it| it.to_string()).as_deref(), expected, "{tag}");
        }
    }

    #[test]
    fn the_newest_are_kept_in_their_order() {
        let tags = vec!["1.9", "latest", "1.10", "1.2", "2.0-rc1"];
        assert_eq!(newest(tags.clone(), 2), ["1.10", "2.0-rc1"]);
        assert_eq!(newest(tags, 9), ["1.9", "1.10", "1.2", "2.0-rc1"]);
    }
}
