//! The failures that administrators meet, each made by a real server on this machine: what is told of it (what
//! happened, where, on whose side, what to do next), and the exit code.

mod answers;
mod lines;
mod page;
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

/// Holds what a run told against what has to be told. Returns its words, for the page; else what is wrong.
fn judged(name: &str, run: &Run, told: &Told, (place, side): (&str, &str)) -> Result<page::Row, String> {
    match complaint(run, told, place, side) {
        Some(wrong) => Err(format!("{name}: {wrong}")),
        None => Ok(page::Row::of(name, run, place, side)),
    }
}

/// Holds all of them against the page.
#[track_caller]
fn hold_against_the_page(section: &str, judged: Vec<Result<page::Row, String>>) {
    let (rows, wrong): (Vec<_>, Vec<_>) = judged.into_iter().partition(Result::is_ok);
    let wrong: Vec<String> = wrong.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    page::hold(section, &rows.into_iter().flatten().collect::<Vec<_>>());
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
