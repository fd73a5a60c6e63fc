//! `pack` that is killed at any moment and run again, in every form that a bundle has. The moments are requests of the
//! source and bytes of their answers, drawn by a seed; an ordinary test run takes a few of each form, `SEALIFT_SOAK=1`
//! takes forty. The moments behind the last blob are gone through in the crate of bundles, each of them.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use futures_util::{StreamExt, stream};
use sealift_oci::Digest;

use super::interrupted::fetched;
use super::scene::{Gap, NAMES, VOLUMES, files, image};
use super::trust::CAPTAIN;
use crate::kills::kill_at;

const SEED: &str = "pack 1";
const SAMPLE: usize = 3;
const SOAK: usize = 40;
const AT_ONCE: usize = 4;
/// Only configurations are smaller. Which platforms an image is for stands there, and cannot be read back once it is
/// sealed.
const CONFIGURATION: u64 = 200;

/// How a bundle is written.
#[derive(Clone, Copy, Debug)]
struct Form {
    to: &'static str,
    is_in_volumes: bool,
    is_sealed: bool,
}

const FORMS: [Form; 5] = [
    Form { to: "release", is_in_volumes: false, is_sealed: false },
    Form { to: "release", is_in_volumes: true, is_sealed: false },
    Form { to: "release", is_in_volumes: true, is_sealed: true },
    Form { to: "release.tar", is_in_volumes: false, is_sealed: false },
    Form { to: "release.tar", is_in_volumes: false, is_sealed: true },
];

impl Form {
    fn options(self) -> Vec<&'static str> {
        let sealed = if self.is_sealed { &["--encrypt-to", CAPTAIN.recipient][..] } else { &[] };
        let volumes = if self.is_in_volumes { &VOLUMES[..] } else { &[] };
        [volumes, sealed].concat()
    }

    fn opening(self) -> &'static [&'static str] {
        if self.is_sealed { &["--identity", "captain.txt"] } else { &[] }
    }

    fn journal(self, gap: &Gap) -> PathBuf {
        if self.to.ends_with(".tar") {
            gap.path("release.tar.journal")
        } else {
            gap.path("release/pack.journal")
        }
    }
}

/// When a run is killed: at which request, and, unless that stays without an answer, behind how much of it, in 1/256.
fn draw(number: usize, requests: usize) -> (usize, Option<u64>) {
    let drawn = Digest::sha256(format!("{SEED} {number}").as_bytes()).hex();
    let byte = |at: usize| usize::from_str_radix(&drawn[2 * at..2 * at + 2], 16).unwrap();
    (byte(0) % requests, (byte(1) % 3 > 0).then_some(byte(2) as u64))
}

fn sizes() -> HashMap<String, u64> {
    let blobs = NAMES.iter().flat_map(|name| image(name).manifest.links.blobs.clone());
    blobs.map(|blob| (blob.digest.to_string(), blob.size)).collect()
}

/// What a journal notes as whole.
fn noted(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter_map(|line| Some(line["content"]["digest"].as_str()?.to_owned())).collect()
}

/// How many requests a run makes of its source where nothing stops it.
async fn counted() -> usize {
    let gap = Gap::new().await;
    gap.pack("release", &[]).await.expect(0);
    gap.source.records().len()
}

/// Kills a run, and runs it again; tells whether it was killed.
async fn play(form: Form, number: usize, requests: usize) -> bool {
    let gap = Gap::new().await;
    fs::write(gap.path("captain.txt"), CAPTAIN.identity).unwrap();
    let (request, part) = draw(number, requests);
    let args = gap.packing(form.to, &form.options());
    let is_killed = kill_at(&gap.source, sizes(), request, part, || gap.start(&args)).await;
    let what = format!("{number}: {form:?}: request {request}, {part:?}");
    if is_killed {
        let run = gap.inspect(form.to, form.opening()).await;
        assert_eq!(run.code, Some(2), "{what}: {run:?}");
    }
    let whole = noted(&fs::read_to_string(form.journal(&gap)).unwrap_or_default());
    gap.source.clear();
    if is_killed {
        gap.pack(form.to, &form.options()).await.expect(0);
    }
    let is_layer = |digest: &&String| sizes().get(*digest).is_some_and(|size| *size > CONFIGURATION);
    let again = fetched(&gap.source);
    let again: Vec<&String> = whole.iter().filter(is_layer).filter(|it| again.contains_key(*it)).collect();
    assert!(again.is_empty(), "{what}: {again:?} were whole");
    gap.run(&[&["verify", form.to], form.opening()].concat()).await.expect(0);
    let directory = if form.to.ends_with(".tar") { "" } else { form.to };
    let left = |name: &String| [".part", ".journal", ".lock"].iter().any(|end| name.ends_with(end));
    assert!(!files(&gap.path(directory)).iter().any(left), "{what}");
    is_killed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_is_killed_at_any_moment_goes_on() {
    let number = if std::env::var_os("SEALIFT_SOAK").is_some() { SOAK } else { SAMPLE };
    let requests = counted().await;
    let all = FORMS.iter().enumerate().flat_map(|(at, form)| (0..number).map(move |it| (*form, it * 5 + at)));
    let played = stream::iter(all).map(|(form, it)| play(form, it, requests)).buffer_unordered(AT_ONCE);
    let killed = played.filter(|is_killed| std::future::ready(*is_killed)).count().await;
    let all = number * FORMS.len();
    assert!(killed * 10 >= all * 9, "{killed} of {all}");
}

/// Nothing can be gone on with behind a pipe: what came through is refused, and the next run begins anew.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_pack_sent_through_a_pipe_is_refused() {
    let gap = Gap::new().await;
    let requests = counted().await;
    for number in 0..SAMPLE {
        let (request, part) = draw(number, requests);
        let piped = gap.path("piped.tar");
        let start = || gap.start_into(&gap.packing("-", &[]), fs::File::create(&piped).unwrap());
        assert!(kill_at(&gap.source, sizes(), request, part, start).await);
        for run in [gap.inspect("piped.tar", &[]).await, gap.load("piped.tar", &[]).await] {
            assert!(matches!(run.code, Some(1 | 2)) && run.stderr.contains("piped.tar"), "{run:?}");
        }
    }
    gap.assert_untouched();
    let (run, stdout) = gap.run_raw(&gap.packing("-", &[])).await;
    run.expect(0);
    fs::write(gap.path("piped.tar"), stdout).unwrap();
    gap.load("piped.tar", &[]).await.expect(0);
    gap.assert_arrived(&NAMES).await;
}
