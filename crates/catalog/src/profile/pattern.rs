//! One rule about tags or names: a glob, a regular expression or a range of versions, read once and kept with its text.
//!
//! Rules come from outside. None takes more than linear time of what it looks at, and what one may grow to is bounded.

use std::fmt;

use globset::{Glob as GlobText, GlobMatcher};
use regex::bytes::{Regex as Compiled, RegexBuilder};
use semver::VersionReq;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::tag_version;

/// The most characters of a rule: an enumeration of fifty tags has fewer.
pub const PATTERN_LIMIT: usize = 1_000;
/// The most bytes that a compiled expression may take.
const COMPILED_LIMIT: usize = 100 * 1024;

/// A way to say which texts are meant.
pub trait Rule: Sized {
    /// What the rule is called in messages.
    const NOUN: &'static str;

    /// Reads the rule.
    ///
    /// # Errors
    /// What is wrong with it.
    fn compile(text: &str) -> Result<Self, String>;

    /// Tells whether a text is meant.
    fn takes(&self, text: &str) -> bool;
}

/// A text that is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {noun} `{}` cannot be used: {reason}", crate::image_list::shown(text))]
pub struct PatternError {
    noun: &'static str,
    text: String,
    reason: String,
}

/// A rule and the text that it was read from; two are equal whose texts are.
#[derive(Clone, Debug)]
pub struct Pattern<R> {
    text: String,
    rule: R,
}

impl<R: Rule> Pattern<R> {
    /// Reads a rule.
    ///
    /// # Errors
    /// When the text is no such rule, or too long or too large.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let error = |reason| PatternError { noun: R::NOUN, text: text.to_owned(), reason };
        if text.len() > PATTERN_LIMIT {
            return Err(error(format!("it has more than {PATTERN_LIMIT} characters")));
        }
        Ok(Self { text: text.to_owned(), rule: R::compile(text).map_err(error)? })
    }

    /// Tells whether a text is meant.
    pub fn takes(&self, text: &str) -> bool {
        self.rule.takes(text)
    }
}

impl<R> Pattern<R> {
    /// Returns the text of the rule.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<R> PartialEq for Pattern<R> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<R> Eq for Pattern<R> {}

impl<R> fmt::Display for Pattern<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<R> Serialize for Pattern<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, R: Rule> Deserialize<'de> for Pattern<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// `*`, `?`, `[a-z]` and `{a,b}`, which the whole text must fit; `*` goes over slashes.
#[derive(Clone, Debug)]
pub struct Glob(GlobMatcher);

impl Rule for Glob {
    const NOUN: &'static str = "glob";

    fn compile(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        let glob = GlobText::new(text).map_err(|error| error.kind().to_string())?;
        Ok(Self(glob.compile_matcher()))
    }

    fn takes(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// A regular expression without look-around and back-references, which the whole text must fit.
#[derive(Clone, Debug)]
pub struct Regex(Compiled);

impl Rule for Regex {
    const NOUN: &'static str = "regular expression";

    fn compile(text: &str) -> Result<Self, String> {
        let compile = |text: &str| RegexBuilder::new(text).unicode(false).size_limit(COMPILED_LIMIT).build();
        // Alone first: `a)(b` is none, though it would be one within the parentheses below. The line's end closes a
        // comment of an expression with `x`, where it means nothing else.
        compile(text).map_err(|error| reason(&error))?;
        let end = if text.contains('#') && text.contains("(?") { "\n" } else { "" };
        let whole = compile(&format!("^(?:{text}{end})$"));
        whole.map(Self).map_err(|error| reason(&error))
    }

    fn takes(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }
}

/// The message of a syntax error has a drawing of several lines; the last one says what is wrong.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "it is too large when compiled".to_owned(),
        error => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default().trim();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    }
}

/// A range of semantic versions: `>=1.2, <2`, `^1.4`, `~1.4.2`, `1.*`. A tag counts as a version with or without a `v`,
/// and with one number or two as well: `1.4` is 1.4.0.
#[derive(Clone, Debug)]
pub struct Range(VersionReq);

impl Rule for Range {
    const NOUN: &'static str = "range of versions";

    fn compile(text: &str) -> Result<Self, String> {
        VersionReq::parse(text).map(Self).map_err(|error| error.to_string())
    }

    fn takes(&self, text: &str) -> bool {
        tag_version::semantic(text).is_some_and(|version| self.0.matches(&version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes<R: Rule>(rule: &str, text: &str) -> bool {
        Pattern::<R>::new(rule).unwrap().takes(text)
    }

    #[test]
    fn globs_fit_the_whole_text() {
        for (rule, text, expected) in [
            ("1.*", "1.25", true),
            ("1.*", "11.2", false),
            ("1.?", "1.25", false),
            ("{latest,edge}", "edge", true),
            ("v[0-9]*", "v12", true),
            ("quay.io/*", "quay.io/a/b", true),
            ("latest", "latest", true),
            ("latest", "latest2", false),
        ] {
            assert_eq!(takes::<Glob>(rule, text), expected, "{rule} {text}");
        }
    }

    #[test]
    fn expressions_fit_the_whole_text() {
        for (rule, text, expected) in [
            (r"v\d+", "v12", true),
            (r"v\d+", "v12-rc", false),
            ("a|ab", "ab", true),
            ("^1.*$", "1.2", true),
            ("(?i)RC", "rc", true),
            ("(?x) 1 # the first", "1", true),
            (".*", "", true),
        ] {
            assert_eq!(takes::<Regex>(rule, text), expected, "{rule} {text}");
        }
    }

    #[test]
    fn ranges_take_tags_that_read_as_versions() {
        for (rule, text, expected) in [
            (">=1.2, <2", "1.2", true),
            (">=1.2, <2", "v1.9.9", true),
            (">=1.2, <2", "2", false),
            (">=1.2, <2", "latest", false),
            // That of semantic versioning: what comes before 1.3.0 is not in a range that does not name it.
            (">=1.2", "1.3.0-rc.1", false),
            (">=1.3.0-rc.0", "1.3.0-rc.1", true),
            ("^1.4", "1.4.0_build5", true),
            ("*", "3", true),
        ] {
            assert_eq!(takes::<Range>(rule, text), expected, "{rule} {text}");
        }
    }

    #[test]
    fn what_is_no_rule_says_why() {
        let told = |error: Option<PatternError>| error.map(|it| it.to_string()).unwrap_or_default();
        let long = "a".repeat(PATTERN_LIMIT + 1);
        assert!(told(Pattern::<Glob>::new(&long).err()).ends_with("it has more than 1000 characters"));
        assert_eq!(told(Pattern::<Glob>::new("").err()), "the glob `` cannot be used: it is empty");
        let error = told(Pattern::<Glob>::new("[a").err());
        assert!(error.starts_with("the glob `[a` cannot be used: unclosed"), "{error}");
        let error = told(Pattern::<Regex>::new("a)(b").err());
        assert_eq!(error, "the regular expression `a)(b` cannot be used: unopened group");
        let error = told(Pattern::<Regex>::new("(?:a{1000}){1000}").err());
        assert_eq!(
            error,
            "the regular expression `(?:a{1000}){1000}` cannot be used: it is too large when compiled"
        );
        assert!(
            told(Pattern::<Range>::new(">=x").err())
                .starts_with("the range of versions `>=x` cannot be used: ")
        );
    }
}
