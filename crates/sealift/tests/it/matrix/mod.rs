//! Every fault at every kind of request, at the first, a middle and the last one, once and for ever: each
//! run ends complete and verified, or with a clear error and no new tag. An ordinary test run takes a sample
//! that a seed draws; `SEALIFT_SOAK=1` takes all.

mod case;
mod scene;

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use sealift_oci::Digest;

use self::case::{Case, Fault, KINDS, Kind, cases, large_cases};
use self::scene::{IMAGES, LARGE_IMAGES, NAMES, SECRETS, Scene, Stock};
use crate::site::Run;

/// How many cases of each kind of request an ordinary test run takes.
const SAMPLE: usize = 5;
/// Chooses the sample; another number chooses another one.
const SEED: &str = "1";
/// One case of so many runs in a process of its own.
const PROCESSES: u8 = 8;
/// How many cases run at the same time; they wait more than they work.
const AT_ONCE: usize = 16;
/// No case may take longer, also where many of them share two processors.
const DEADLINE: Duration = Duration::from_secs(300);

/// How many requests of each kind a run has of which nothing breaks.
async fn counted(source: &Stock) -> Vec<(Kind, usize)> {
    let scene = Scene::new(source).await;
    scene.run(None, false).await.expect(0);
    assert_eq!(scene.tagged(false).await, Ok([true; NAMES.len()]));
    let counts = scene.counts();
    assert!(counts.iter().all(|(_, count)| *count >= 2), "{counts:?}");
    counts
}

/// Plays one case, and returns what is wrong with how it ended.
async fn play(case: &Case, source: &Stock, number: usize, is_process: bool) -> Result<(), String> {
    let scene = Scene::new(source).await;
    let shown = scene.arm(case, number);
    let run = scene.run(Some(case), is_process).await;
    let told = |what: String| format!("{case:?}: {what}\n{:?}\n{}{}", run.code, run.stdout, run.stderr);
    if shown.load(Ordering::SeqCst) == 0 {
        return Err(told("it was never shown".to_owned()));
    }
    let tagged = scene.tagged(case.spoils_tags()).await.map_err(told)?;
    judge(case, &scene, &run, tagged).map_err(told)?;
    if run.code == Some(0) {
        return Ok(());
    }
    // What the user is told to do next: run the same command again.
    scene.disarm();
    let again = scene.run(None, is_process).await;
    match (again.code, scene.tagged(false).await) {
        (Some(0), Ok(tagged)) if tagged.iter().all(|tagged| *tagged) => Ok(()),
        (code, tagged) => Err(told(format!("again: {code:?}, {tagged:?}\n{}\nbefore:", again.stderr))),
    }
}

fn judge(case: &Case, scene: &Scene, run: &Run, tagged: [bool; NAMES.len()]) -> Result<(), String> {
    let output = format!("{}{}{}", run.stdout, run.stderr, scene.kept());
    if let Some(secret) = SECRETS.iter().find(|secret| output.contains(**secret)) {
        return Err(format!("it tells {secret}"));
    }
    let report = run.json();
    if report["exitCode"].as_i64() != run.code.map(i64::from) {
        return Err("another exit code in the document".to_owned());
    }
    if run.code == Some(0) {
        return if tagged == [true; NAMES.len()] { Ok(()) } else { Err(format!("tags: {tagged:?}")) };
    }
    if case.must_arrive() {
        return Err("one attempt more would have done".to_owned());
    }
    if !matches!(run.code, Some(1 | 3 | 4 | 5)) {
        return Err("no such exit code".to_owned());
    }
    // The tag of the gate says that the others have theirs.
    if tagged[2] && !(tagged[0] && tagged[1]) {
        return Err(format!("the gate is open: {tagged:?}"));
    }
    for (name, tagged) in NAMES.iter().zip(tagged) {
        let outcome = run.outcome(name);
        // Only the answer to the very last request can be lost so that nobody knows what was done.
        let is_unknown = case.kind == Kind::Push && case.fault == Fault::Lost;
        if tagged != (outcome == "arrived") && !is_unknown {
            return Err(format!("{name} is {outcome}, and has the tag: {tagged}"));
        }
    }
    told_well(case, scene, run)
}

/// Every error names the place, what it was about, and what to do next.
fn told_well(case: &Case, scene: &Scene, run: &Run) -> Result<(), String> {
    let report = run.json();
    let failures = report["failures"].as_array().ok_or("no failures")?;
    let place = scene.address(case.kind);
    let side = if case.kind.is_at_source() { "source" } else { "target" };
    if failures.is_empty() {
        return Err("no failures".to_owned());
    }
    // What the source does not have is a list for people.
    let is_missing = run.code == Some(3) && run.stderr.contains("missing at the source");
    for failure in failures {
        let text = |field: &str| failure[field].as_str().unwrap_or_default().to_owned();
        let message = text("message");
        let parts = [
            ("the place", text("place") == place && message.starts_with(&format!("{place}: cannot "))),
            ("the side", text("side") == side),
            // A token is for a registry as a whole.
            ("the object", case.kind.is_token() || message.contains("arcdata/arc-")),
            ("the next step", !text("hint").is_empty() && run.stderr.contains(&text("hint"))),
            ("the error", is_missing || run.stderr.contains(&format!("error: {message}"))),
        ];
        if let Some((part, _)) = parts.iter().find(|(_, is_told)| !is_told) {
            return Err(format!("{part} is not told"));
        }
    }
    Ok(())
}

/// A number from 0 to 255 that a case has for good.
fn drawn(case: &Case) -> u8 {
    Digest::sha256(format!("{SEED} {case:?}").as_bytes()).hash()[0]
}

/// Chooses the cases of this run: of each kind of request the same number.
fn chosen() -> Vec<Case> {
    let all = cases();
    if std::env::var_os("SEALIFT_SOAK").is_some() {
        return all;
    }
    let sample = KINDS.into_iter().flat_map(|kind| {
        let mut cases: Vec<Case> = all.iter().filter(|case| case.kind == kind).copied().collect();
        cases.retain(|case| !case.is_slow());
        cases.sort_by_key(|case| Digest::sha256(format!("{SEED} {case:?}").as_bytes()).to_string());
        cases.truncate(SAMPLE);
        cases
    });
    sample.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_ends_complete_and_verified_or_in_a_clear_error_and_no_new_tag() {
    assert!(cases().len() >= 200, "{}", cases().len());
    play_all(&Stock::new(&IMAGES, false).await, chosen()).await;
}

/// Bytes that are sent again and again are no progress, however many they are.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_a_large_blob_that_breaks_for_ever_ends() {
    let all = large_cases();
    assert!(all.len() >= 30, "{}", all.len());
    let is_soak = std::env::var_os("SEALIFT_SOAK").is_some();
    let cases: Vec<Case> = all.into_iter().filter(|case| is_soak || case.is_put_off()).collect();
    // Who forgets what broke off is sent all of it again each time.
    for forgets in [false, true] {
        play_all(&Stock::new(&LARGE_IMAGES, forgets).await, cases.clone()).await;
    }
}

async fn play_all(source: &Stock, cases: Vec<Case>) {
    let counts = &counted(source).await;
    let played = stream::iter(cases).map(|case| async move {
        let count = counts.iter().find(|(kind, _)| *kind == case.kind).map(|(_, count)| *count).unwrap();
        let is_process = drawn(&case).is_multiple_of(PROCESSES) && !case.is_slow();
        let ended = tokio::time::timeout(DEADLINE, play(&case, source, case.number(count), is_process));
        ended.await.unwrap_or_else(|_| Err(format!("{case:?}: it hangs"))).err()
    });
    let wrong: Vec<String> =
        played.buffer_unordered(AT_ONCE).filter_map(|wrong| async { wrong }).collect().await;
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}
