//! Which tags of a repository are taken, of those that it has.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use sealift_oci::Tag;
use serde::{Deserialize, Serialize};

use super::pattern::{Glob, Pattern, Range, Regex};
use super::{forms, tag_version};

/// Which tags of a repository are taken: those that any rule takes, less those that a rule of `without` takes, of these
/// the newest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TagRules {
    /// Tags by globs that the whole tag must fit: `1.*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<forms::GlobText>")]
    pub glob: Vec<Pattern<Glob>>,
    /// Tags by regular expressions that the whole tag must fit: `v\d+`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<forms::RegexText>")]
    pub regex: Vec<Pattern<Regex>>,
    /// Tags by ranges of semantic versions: `>=1.2, <2`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<forms::RangeText>")]
    pub semver: Vec<Pattern<Range>>,
    /// Only so many, those that read as the newest versions. Tags that read as no version do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub newest: Option<usize>,
    /// Not these, whatever takes them.
    #[serde(default, skip_serializing_if = "Without::is_empty")]
    pub without: Without,
}

/// Tags that are not taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Without {
    /// Tags by globs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<forms::GlobText>")]
    pub glob: Vec<Pattern<Glob>>,
    /// Tags by regular expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<forms::RegexText>")]
    pub regex: Vec<Pattern<Regex>>,
    /// Tags by ranges of semantic versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<forms::RangeText>")]
    pub semver: Vec<Pattern<Range>>,
}

impl Without {
    fn is_empty(&self) -> bool {
        self.glob.is_empty() && self.regex.is_empty() && self.semver.is_empty()
    }
}

impl TagRules {
    /// Returns the tags that are taken, each once, in the order they are listed in.
    #[must_use]
    pub fn take(&self, listed: &[Tag]) -> Vec<Tag> {
        let mut seen = BTreeSet::new();
        let is_taken = |tag: &&Tag| self.names(tag.as_str()) && seen.insert((*tag).clone());
        let taken: Vec<Tag> = listed.iter().filter(is_taken).cloned().collect();
        let Some(count) = self.newest else { return taken };
        let texts: Vec<&str> = taken.iter().map(Tag::as_str).collect();
        let kept = tag_version::newest(texts, count);
        taken.iter().filter(|tag| kept.contains(&tag.as_str())).cloned().collect()
    }

    /// Counts the rules.
    pub(super) fn len(&self) -> usize {
        let Without { glob, regex, semver } = &self.without;
        let own = self.glob.len() + self.regex.len() + self.semver.len();
        own + glob.len() + regex.len() + semver.len()
    }

    /// Tells whether there is no rule that takes anything.
    pub(super) fn is_open(&self) -> bool {
        self.glob.is_empty() && self.regex.is_empty() && self.semver.is_empty()
    }

    fn names(&self, tag: &str) -> bool {
        let Without { glob, regex, semver } = &self.without;
        let is_named = self.is_open() || any(&self.glob, &self.regex, &self.semver, tag);
        is_named && !any(glob, regex, semver, tag)
    }
}

fn any(glob: &[Pattern<Glob>], regex: &[Pattern<Regex>], semver: &[Pattern<Range>], tag: &str) -> bool {
    glob.iter().any(|it| it.takes(tag))
        || regex.iter().any(|it| it.takes(tag))
        || semver.iter().any(|it| it.takes(tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rules(yaml: &str) -> TagRules {
        crate::yaml::from_str(yaml).unwrap()
    }

    fn tags(texts: &[&str]) -> Vec<Tag> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn rules_take_what_they_say() {
        let listed = ["latest", "1.2", "1.3-rc1", "1.3", "v1.4", "2.0", "sha256-ab"];
        for (yaml, expected) in [
            ("glob: ['1.*', latest]", &["latest", "1.2", "1.3-rc1", "1.3"][..]),
            ("regex: ['v?1\\.\\d+']", &["1.2", "1.3", "v1.4"]),
            ("semver: ['>=1.3, <2']", &["1.3", "v1.4"]),
            ("newest: 2", &["v1.4", "2.0"]),
            ("{glob: ['1.*'], newest: 2}", &["1.3-rc1", "1.3"]),
            ("{glob: ['1.*'], newest: 2, without: {regex: ['.*-rc\\d+']}}", &["1.2", "1.3"]),
            ("{glob: ['*'], without: {semver: ['>=0'], glob: ['sha256-*', '*-rc*']}}", &["latest"]),
            ("{semver: ['=1.2'], glob: ['2*']}", &["1.2", "2.0"]),
            ("glob: ['3*']", &[]),
        ] {
            assert_eq!(rules(yaml).take(&tags(&listed)), tags(expected), "{yaml}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_listed_once_in_order_and_no_more_than_asked(
            texts in prop::collection::vec("v?[0-9]{1,2}(\\.[0-9]{1,2}){0,2}(-[a-z0-9]{1,3})?|[a-z]{1,4}", 0..30),
            newest in prop::option::of(1_usize..5),
        ) {
            let listed: Vec<Tag> = texts.iter().map(|it| it.parse().unwrap()).collect();
            let rules = TagRules { newest, ..rules("{glob: ['*'], without: {glob: ['*-a*']}}") };
            let taken = rules.take(&listed);
            let mut rest = listed.iter();
            prop_assert!(taken.iter().all(|tag| rest.any(|it| it == tag)));
            let distinct: BTreeSet<&Tag> = taken.iter().collect();
            prop_assert_eq!(distinct.len(), taken.len());
            prop_assert!(taken.iter().all(|tag| !tag.as_str().contains("-a")));
            prop_assert!(newest.is_none_or(|newest| taken.len() <= newest));
            // Nothing that is left behind is newer than what is taken.
            if newest.is_some() {
                let version = |tag: &Tag| tag_version::read(tag.as_str()).map(|it| format!("{it:?}"));
                prop_assert!(taken.iter().all(|tag| version(tag).is_some()));
                let oldest = taken.iter().filter_map(|it| tag_version::read(it.as_str())).min();
                let left = listed.iter().filter(|it| !taken.contains(it) && !it.as_str().contains("-a"));
                let newer = left.filter_map(|it| tag_version::read(it.as_str())).max();
                prop_assert!(oldest >= newer || newer.is_none());
            }
            let all = TagRules { newest: None, ..rules.clone() }.take(&listed);
            prop_assert_eq!(rules.take(&all), taken);
        }
    }
}
