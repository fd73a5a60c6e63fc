//! What was found, check by check.

use sealift_store::Error;

use crate::errors::{Advice, Exit, exit_of, plainly, told_causes};

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ok,
    /// It works, and not as well as it could.
    Warn,
    Fail,
    /// It was not looked at, since something before it failed.
    Skipped,
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) verdict: Verdict,
    /// What was found.
    pub(crate) found: String,
    /// What to do next.
    pub(crate) next: Option<String>,
    /// How a run would end with this alone.
    exit: Exit,
}

/// What was looked at in one place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    /// `source`, `target` or `machine`.
    pub(crate) role: &'static str,
    /// Which one.
    pub(crate) place: String,
    pub(crate) checks: Vec<Check>,
}

/// Everything that was looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Examination {
    pub(crate) parts: Vec<Part>,
}

impl Check {
    pub(crate) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Ok,
            found: plainly(&found.into()).into_owned(),
            next: None,
            exit: Exit::Success,
        }
    }

    pub(crate) fn warn(name: &'static str, found: impl Into<String>, next: &str) -> Self {
        Self { verdict: Verdict::Warn, next: Some(next.to_owned()), ..Self::ok(name, found) }
    }

    pub(crate) fn fail(name: &'static str, found: impl Into<String>, advice: Advice) -> Self {
        let next = Some(advice.hint);
        Self { verdict: Verdict::Fail, next, exit: advice.exit, ..Self::ok(name, found) }
    }

    pub(crate) fn skipped(name: &'static str, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped, ..Self::ok(name, found) }
    }

    /// What went wrong, with what it comes from.
    pub(crate) fn failed(name: &'static str, error: &Error, advice: Advice) -> Self {
        let words =
            std::iter::once(error.to_string()).chain(told_causes(error)).collect::<Vec<_>>().join("; ");
        Self::fail(name, words, advice)
    }
}

impl Part {
    pub(crate) fn new(role: &'static str, place: impl Into<String>) -> Self {
        Self { role, place: place.into(), checks: Vec::new() }
    }

    /// Tells whether nothing has failed yet.
    pub(super) fn is_fine(&self) -> bool {
        self.checks.iter().all(|check| check.verdict != Verdict::Fail)
    }

    /// Skips what makes no sense any more.
    pub(super) fn skip(&mut self, names: &[&'static str], why: &str) {
        self.checks.extend(names.iter().map(|name| Check::skipped(name, why)));
    }
}

impl Examination {
    fn checks(&self) -> impl Iterator<Item = &Check> {
        self.parts.iter().flat_map(|part| &part.checks)
    }

    /// Counts the checks that came to that.
    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        self.checks().filter(|check| check.verdict == verdict).count()
    }

    /// Decides how the process ends: as a mirror run with the same answers would.
    pub(crate) fn exit(&self) -> Exit {
        exit_of(self.checks().filter(|check| check.verdict == Verdict::Fail).map(|check| check.exit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_as_what_failed_would_and_a_warning_is_no_failure() {
        let fail = |exit| Check::fail("x", "y", Advice { exit, hint: String::new() });
        let warn = Check::warn("x", "y", "z");
        for (checks, expected) in [
            (vec![], Exit::Success),
            (vec![warn.clone(), Check::ok("x", ""), Check::skipped("x", "")], Exit::Success),
            (vec![fail(Exit::Access), warn, fail(Exit::Access)], Exit::Access),
            (vec![fail(Exit::Access), fail(Exit::Failed)], Exit::Failed),
        ] {
            let part = Part { checks, ..Part::default() };
            assert_eq!(Examination { parts: vec![part] }.exit(), expected);
        }
    }
}
