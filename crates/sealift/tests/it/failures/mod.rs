//! The failures that administrators meet, each made by a real server on this machine: what is told of it (what
//! happened, where, on whose side, what to do next), and the exit code.

mod answers;
mod lines;
mod surroundings;

use crate::site::Run;

/// What has to be told of a failure.
pub(super) struct Told {
    /// The exit code.
    pub(super) code: i32,
    /// Words of what happened.
    pub(super) what: &'static str,
    /// Words of what to do next.
    pub(super) hint: &'static str,
}

/// Says what is wrong with what a run told; `place` is where it failed, and `side` whose that is.
pub(super) fn complaint(run: &Run, told: &Told, place: &str, side: &str) -> Option<String> {
    let text = &run.stderr;
    let has = |words: &str| text.contains(words);
    let hints: Vec<&str> = text.split("Hint: ").skip(1).collect();
    let wrong = if run.code != Some(told.code) {
        "the exit code"
    } else if !has(told.what) {
        "what happened"
    } else if !has(place) {
        "where"
    } else if !has(side) {
        "whose side"
    } else if !hints.iter().any(|hint| hint.contains(told.hint)) {
        "what to do"
    } else if text.contains('{') || text.contains('\x1b') {
        "the text is not for people"
    } else {
        return None;
    };
    Some(format!("{wrong}: wanted {} {:?} {:?}, got {:?}\n{text}", told.code, told.what, told.hint, run.code))
}
