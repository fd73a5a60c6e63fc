//! The grammar of release tags, and which of them is the newest.
//!
//! A tag says one of three things: a version, a preview of the time before versions, or nothing about a
//! release. The grammar of versions is the one of the program that reads the mirrored registry to offer
//! upgrades (`arc_docker_image_service.py` of the `arcdata` extension), because what it does not match is
//! never offered to a site.

use std::cmp::Reverse;

use sealift_oci::Tag;

/// What a tag says of a release. The order is that of age: a tag that names no release is the oldest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReleaseTag {
    /// No release: `latest`, and all other words.
    Other,
    /// A preview of the time before versions.
    Preview(Preview),
    /// A version.
    Version(Version),
}

/// A preview: `public-preview-<mon>-<yyyy>`, or the same with `private`, which may have a suffix.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Preview {
    /// The year.
    pub year: u16,
    /// The month, 1 to 12.
    pub month: u8,
    /// Who the preview was for.
    pub channel: Channel,
    /// What follows the year: `new` in `private-preview-jul-2020-new`.
    pub suffix: Option<String>,
}

/// Who a preview was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// Invited users; these images were in another registry.
    Private,
    /// Everyone.
    Public,
}

/// A version: `v<major>.<minor>.<patch>_<label>`; the `v`, the patch and the label may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second number; a site upgrades from one minor to the next only.
    pub minor: u64,
    /// The third number; a missing one counts as zero.
    pub patch: u64,
    /// What follows the first underscore: the date of the release.
    pub label: Option<String>,
}

impl ReleaseTag {
    /// Reads a tag. Every tag says something, so this cannot fail.
    #[must_use]
    pub fn of(tag: &Tag) -> Self {
        Self::parse(tag.as_str())
    }

    /// Returns the version, where the tag is one.
    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        match self {
            Self::Version(version) => Some(version),
            Self::Preview(_) | Self::Other => None,
        }
    }

    fn parse(text: &str) -> Self {
        let version = Version::parse(text).map(Self::Version);
        version.or_else(|| Preview::parse(text).map(Self::Preview)).unwrap_or(Self::Other)
    }
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (numbers, label) = match text.split_once('_') {
            Some((_, "")) => return None,
            Some((numbers, label)) => (numbers, Some(label.to_owned())),
            None => (text, None),
        };
        let mut numbers = numbers.split('.').map(number);
        let (major, minor) = (numbers.next()??, numbers.next()??);
        let patch = numbers.next().unwrap_or(Some(0))?;
        numbers.next().is_none().then_some(Self { major, minor, patch, label })
    }
}

/// `0|[1-9]\d*`, within 64 bits: a larger number is no version that anyone published.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if digits && !leading_zero { text.parse().ok() } else { None }
}

/// Tells whether a tag has exactly the form of a published release, `v<major>.<minor>.<patch>_<yyyy-mm-dd>`.
/// Other versions are builds, which have more behind the date, or the charts beside the images.
#[must_use]
pub fn is_release_form(tag: &Tag) -> bool {
    let release = ReleaseTag::of(tag);
    let Some(Version { major, minor, patch, label: Some(label) }) = release.version() else { return false };
    is_date(label) && format!("v{major}.{minor}.{patch}_{label}") == tag.as_str()
}

/// `yyyy-mm-dd`; how many days a month has does not matter here.
fn is_date(text: &str) -> bool {
    let in_range = |part: &str, length: usize, most: u16| {
        let digits = part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        digits && part.parse::<u16>().is_ok_and(|number| (1..=most).contains(&number))
    };
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts[..], [year, month, day]
        if in_range(year, 4, 9999) && in_range(month, 2, 12) && in_range(day, 2, 31))
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

impl Preview {
    fn parse(text: &str) -> Option<Self> {
        let (channel, rest) = match text.split_once("-preview-")? {
            ("public", rest) => (Channel::Public, rest),
            ("private", rest) => (Channel::Private, rest),
            _ => return None,
        };
        let mut parts = rest.splitn(3, '-');
        let month = month(parts.next()?)?;
        let year = year(parts.next()?)?;
        let suffix = parts.next().map(str::to_owned);
        let suffix_is_fine = match &suffix {
            Some(suffix) => channel == Channel::Private && !suffix.is_empty(),
            None => true,
        };
        suffix_is_fine.then_some(Self { year, month, channel, suffix })
    }
}

fn month(text: &str) -> Option<u8> {
    (1..).zip(MONTHS).find(|(_, name)| *name == text).map(|(month, _)| month)
}

fn year(text: &str) -> Option<u16> {
    let fine = text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit());
    if fine { text.parse().ok() } else { None }
}

/// Picks the newest release among the tags of a registry: the highest version, or, where there is no
/// version, the latest preview. Tags that name no release are never picked.
#[must_use]
pub fn newest<'a>(tags: impl IntoIterator<Item = &'a Tag>) -> Option<Tag> {
    let releases = tags.into_iter().map(|tag| (ReleaseTag::of(tag), tag));
    // Two spellings of one version are told apart by the text (`v1.2.0` wins over `1.2.0`, and the shorter
    // of `v1.2` and `v1.2.0`), so that the answer does not hang on the order in which a registry lists them.
    let newest = releases
        .max_by_key(|(release, tag)| (release.clone(), tag.as_str().starts_with('v'), Reverse(tag.as_str())));
    newest.filter(|(release, _)| *release != ReleaseTag::Other).map(|(_, tag)| tag.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(major: u64, minor: u64, patch: u64, label: &str) -> ReleaseTag {
        let label = (!label.is_empty()).then(|| label.to_owned());
        ReleaseTag::Version(Version { major, minor, patch, label })
    }

    fn preview(channel: Channel, year: u16, month: u8, suffix: &str) -> ReleaseTag {
        let suffix = (!suffix.is_empty()).then(|| suffix.to_owned());
        ReleaseTag::Preview(Preview { year, month, channel, suffix })
    }

    fn tags(texts: &[&str]) -> Vec<Tag> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn tags_that_name_a_release() {
        let cases = [
            ("v1.46.0_2026-05-12", version(1, 46, 0, "2026-05-12")),
            ("1.4.1_2022-03-08", version(1, 4, 1, "2022-03-08")),
            ("v1.8.0_2022-06-07_5ba6b837", version(1, 8, 0, "2022-06-07_5ba6b837")),
            ("v0.0", version(0, 0, 0, "")),
            ("v2.10", version(2, 10, 0, "")),
            ("v2.10_x", version(2, 10, 0, "x")),
            ("1.1.19211001", version(1, 1, 19_211_001, "")),
            ("v1.0.18446744073709551615", version(1, 0, u64::MAX, "")),
            ("v1.0.0__", version(1, 0, 0, "_")),
            ("public-preview-sep-2020", preview(Channel::Public, 2020, 9, "")),
            ("private-preview-may-2020", preview(Channel::Private, 2020, 5, "")),
            ("private-preview-jul-2020-new", preview(Channel::Private, 2020, 7, "new")),
        ];
        for (text, expected) in cases {
            assert_eq!(ReleaseTag::of(&text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn tags_that_name_none() {
        for text in [
            "latest",
            "",
            "v",
            "v1",
            "1_2",
            "vv1.0",
            "V1.0",
            "v1.",
            "v1..0",
            "v1.0.",
            "v1.0.0.0",
            "v01.0",
            "v1.00",
            "v1.0.0_",
            "v1.0.0-rc1",
            "v1.0.+1",
            "v1.0.x_2021-07-30",
            "v1.0.18446744073709551616",
            "v99999999999999999999999999.0.0_2021-07-30",
            "public-preview-september-2020",
            "public-preview-Sep-2020",
            "public-preview-sep-20",
            "public-preview-sep-2020-new",
            "public-preview-sep",
            "private-preview-jul-2020-",
            "secret-preview-jul-2020",
            "-preview-jul-2020",
            "preview",
        ] {
            assert_eq!(ReleaseTag::parse(text), ReleaseTag::Other, "{text}");
        }
    }

    #[test]
    fn the_form_of_a_release_is_exact() {
        let cases = [
            ("v1.46.0_2026-05-12", true),
            ("v0.0.10_2026-12-31", true),
            ("1.46.0_2026-05-12", false),
            ("v1.46_2026-05-12", false),
            ("v1.46.0", false),
            ("v1.8.0_2022-06-07_5ba6b837", false),
            ("v1.8.0_2022-06-07-1", false),
            ("v1.8.0_2022-6-07", false),
            ("v1.8.0_2022-13-07", false),
            ("v1.8.0_2022-00-07", false),
            ("v1.8.0_2022-01-32", false),
            ("v1.8.0_2022-.1-02", false),
            ("v1.8.0_latest", false),
            ("1.1.19211001", false),
            ("public-preview-sep-2020", false),
            ("latest", false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_release_form(&text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn the_order_is_that_of_age() {
        let ascending = [
            "latest",
            "private-preview-may-2020",
            "private-preview-jul-2020",
            "private-preview-jul-2020-new",
            "private-preview-sep-2020",
            "public-preview-sep-2020",
            "public-preview-dec-2020",
            "public-preview-feb-2021",
            "v0.9",
            "v1.4.0",
            "v1.4.0_2022-02-25",
            "v1.4.1_2022-03-08",
            "v1.9.0_2022-07-12",
            "v1.10.0_2022-08-09",
            "v2.0.0_2021-01-01",
        ];
        for pair in ascending.windows(2) {
            assert!(ReleaseTag::parse(pair[0]) < ReleaseTag::parse(pair[1]), "{pair:?}");
        }
        assert_eq!(ReleaseTag::parse("v1.2"), ReleaseTag::parse("1.2.0"));
    }

    #[test]
    fn the_newest_of_a_registry() {
        let cases: [(&[&str], Option<&str>); 7] = [
            (&[], None),
            (&["latest", "zzz", "v99999999999999999999.0.0"], None),
            (&["latest", "v1.9.0_2022-07-12", "v1.10.0_2022-08-09", "zzz"], Some("v1.10.0_2022-08-09")),
            (&["public-preview-jun-2021", "v1.0.0_2021-07-30"], Some("v1.0.0_2021-07-30")),
            (&["public-preview-oct-2020", "public-preview-feb-2021", "x"], Some("public-preview-feb-2021")),
            (&["v1.2", "1.2.0", "v1.2.0"], Some("v1.2")),
            (&["1.2.0_a", "v1.2.0_a"], Some("v1.2.0_a")),
        ];
        for (listed, expected) in cases {
            let found = newest(&tags(listed));
            assert_eq!(found.as_ref().map(Tag::as_str), expected, "{listed:?}");
        }
    }

    const TAG: &str = "v?[0-9]{1,2}[.][0-2]([.][0-2])?(_[ab]{1,2})?\
                       |(public|private)-preview-(feb|sep|foo)-202[01](-new)?\
                       |[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,20}";

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,60}|v?[0-9]{0,40}[.][0-9]{0,40}.{0,9}|[a-z]*-preview-.{0,20}") {
            let release = ReleaseTag::parse(&text);
            let numbered = text.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
            prop_assert!(release.version().is_none() || numbered, "{}", text);
        }

        #[test]
        fn the_order_is_total(a in TAG, b in TAG, c in TAG) {
            let mut sorted = [a, b, c].map(|text| ReleaseTag::parse(&text));
            sorted.sort();
            let [a, b, c] = &sorted;
            prop_assert!(a <= b && b <= c && a <= c);
            for (left, right) in [(a, b), (b, c), (a, c)] {
                prop_assert_eq!(left.cmp(right), right.cmp(left).reverse());
                prop_assert_eq!(left.cmp(right).is_eq(), left == right);
                if let (Some(left), Some(right)) = (left.version(), right.version()) {
                    let key = |it: &Version| (it.major, it.minor, it.patch, it.label.clone().unwrap_or_default());
                    prop_assert_eq!(left.cmp(right), key(left).cmp(&key(right)));
                }
            }
        }

        #[test]
        fn the_newest_is_no_older_than_any(texts in proptest::collection::vec(TAG, 0..8)) {
            let mut tags: Vec<Tag> = texts.iter().map(|text| text.parse().unwrap()).collect();
            let found = newest(&tags);
            let oldest_allowed = found.as_ref().map_or(ReleaseTag::Other, ReleaseTag::of);
            prop_assert!(found.is_none() || oldest_allowed > ReleaseTag::Other);
            prop_assert!(tags.iter().all(|tag| ReleaseTag::of(tag) <= oldest_allowed));
            tags.reverse();
            prop_assert_eq!(newest(&tags), found);
        }
    }
}
