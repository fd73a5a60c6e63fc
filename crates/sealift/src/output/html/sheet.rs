//! What a page shows, whichever document it is made from.

use crate::output::json::{Attached, Blob, BundleFacts, Check, Failure, Run};

/// A page, put together.
pub(crate) struct Sheet<'a> {
    pub(super) title: &'static str,
    /// What was done, in one line.
    pub(super) headline: String,
    pub(super) standing: Standing,
    /// What came of it, in one sentence.
    pub(super) sentence: String,
    pub(super) version: &'static str,
    pub(super) run: &'a Run,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) failures: &'a [Failure],
    /// What differs: where, and what.
    pub(super) findings: Vec<(String, Vec<String>)>,
    pub(super) checks: &'a [Check],
    /// The headings of the columns of numbers.
    pub(super) amounts: &'static [&'static str],
    pub(super) images: Vec<Row<'a>>,
    pub(super) content: &'a [Blob],
    pub(super) bundles: &'a [BundleFacts],
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// All is well.
    Good,
    /// Something is not there.
    Short,
    /// Something failed or differs.
    Bad,
}

/// An image.
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    pub(super) release: Option<&'a str>,
    pub(super) source: &'a str,
    pub(super) target: &'a str,
    pub(super) digest: Option<&'a str>,
    pub(super) outcome: &'static str,
    pub(super) standing: Standing,
    pub(super) platforms: &'a [String],
    pub(super) attached: &'a [Attached],
    /// One for each of [`Sheet::amounts`].
    pub(super) amounts: Vec<u64>,
}

#[cfg(test)]
impl Row<'_> {
    /// An image of which nothing is known.
    pub(super) fn bare() -> Self {
        Self {
            name: "",
            release: None,
            source: "",
            target: "",
            digest: None,
            outcome: "",
            standing: Standing::Good,
            platforms: &[],
            attached: &[],
            amounts: Vec::new(),
        }
    }
}

/// Says what an exit code means.
pub(super) fn ending(code: u8) -> &'static str {
    match code {
        0 => "0: all is there",
        1 => "1: some failed",
        2 => "2: wrong usage",
        3 => "3: something is missing",
        4 => "4: credentials, rights or a key",
        5 => "5: content differs",
        6 => "6: refused",
        130 => "130: interrupted",
        _ => "unknown",
    }
}
