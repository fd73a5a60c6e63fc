//! Runs that are killed, and run again: what is whole is not moved again, and what is unfinished is no bundle.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use sealift_testbed::http_proxy::{Action, HttpProxy};

use super::scene::{Gap, LARGE, NAMES, VOLUMES, files, own_layer};

/// Where the large layer stalls.
const STALL: u64 = LARGE as u64 / 2;

/// Kills a run as soon as `is_reached` holds; it must not end before.
async fn kill_when(gap: &Gap, args: &[String], is_reached: impl Fn() -> bool) {
    let mut child = gap.start(args);
    while !is_reached() {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill().await.unwrap();
}

/// How many entries a journal notes.
fn noted(journal: &Path) -> usize {
    fs::read_to_string(journal)
        .map_or(0, |text| text.lines().filter(|line| line.contains("\"marks\"")).count())
}

/// Bytes of each blob that left the source.
pub(super) fn fetched(line: &HttpProxy) -> HashMap<String, u64> {
    let mut fetched = HashMap::new();
    for record in line.records().iter().filter(|it| it.head.path.contains("/blobs/")) {
        let digest = record.head.path.rsplit('/').next().unwrap().to_owned();
        *fetched.entry(digest).or_default() += record.response_bytes;
    }
    fetched
}

/// Packs until all but the large layer is whole and that one is at its half; then the power goes.
pub(super) async fn half_packed(to: &str, journal: &str, more: &[&str]) -> Gap {
    let gap = Gap::new().await;
    let large = own_layer("arc-sqlmi").digest.to_string();
    let stalled = large.clone();
    gap.source.set_rule(move |request| match request.path.ends_with(&stalled) {
        true => Action::StallBodyAfter(STALL),
        false => Action::Pass,
    });
    let journal = gap.path(journal);
    kill_when(&gap, &gap.packing(to, more), || {
        noted(&journal) == 6 && fetched(&gap.source).get(&large).is_some_and(|bytes| *bytes >= STALL)
    })
    .await;
    gap.source.set_rule(|_| Action::Pass);
    gap
}

/// What is there is no bundle yet; the same command goes on with it and fetches the large layer only.
async fn goes_on(gap: &Gap, to: &str, more: &[&str], opening: &[&str]) {
    let large = own_layer("arc-sqlmi").digest.to_string();
    for run in [gap.inspect(to, opening).await, gap.load(to, opening).await] {
        assert!(matches!(run.code, Some(1 | 2)) && run.stderr.contains(to), "{run:?}");
    }
    gap.assert_untouched();
    gap.source.clear();
    let run = gap.pack(to, more).await.expect(0);
    assert!(run.stderr.contains(" are there from before"), "{}", run.stderr);
    // Which platforms an image is for stands in its configuration, which cannot be read back once it is sealed.
    let layers: HashMap<String, u64> =
        fetched(&gap.source).into_iter().filter(|(_, bytes)| *bytes > 200).collect();
    assert_eq!(layers, HashMap::from([(large, LARGE as u64)]));
    gap.load(to, opening).await.expect(0);
    gap.assert_arrived(&NAMES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_pack_goes_on_in_a_directory() {
    let gap = half_packed("release", "release/pack.journal", &VOLUMES).await;
    let names = files(&gap.path("release"));
    assert!(names.iter().all(|name| name.ends_with(".tar.part") || name == "pack.journal"), "{names:?}");
    goes_on(&gap, "release", &VOLUMES, &[]).await;
    let names = files(&gap.path("release"));
    assert!(!names.iter().any(|name| name.ends_with(".part") || name == "pack.journal"), "{names:?}");
    assert_eq!(files(&gap.path("")).iter().filter(|name| *name != "release.receipt.json").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_pack_goes_on_encrypted_and_without_a_secret_on_the_disk() {
    let person = &super::trust::CAPTAIN;
    let more = [&VOLUMES[..], &["--encrypt-to", person.recipient]].concat();
    let gap = half_packed("release", "release/pack.journal", &more).await;
    fs::write(gap.path("captain.txt"), person.identity).unwrap();
    for name in files(&gap.path("release")) {
        let content = fs::read(gap.path("release").join(&name)).unwrap();
        assert!(!String::from_utf8_lossy(&content).contains("AGE-SECRET-KEY"), "{name}");
    }
    // For somebody else it is not gone on with.
    let run = gap.pack("release", &VOLUMES).await.expect(2);
    let words = format!("is encrypted to {}, and what is asked for is not encrypted; ", person.recipient);
    assert!(run.stderr.contains(&words), "{}", run.stderr);
    goes_on(&gap, "release", &more, &["--identity", "captain.txt"]).await;
}

/// What the journal says is proven: a volume that was changed meanwhile is written anew.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_spoilt_meanwhile_is_fetched_again() {
    let gap = half_packed("release", "release/pack.journal", &VOLUMES).await;
    for name in files(&gap.path("release")).iter().filter(|name| name.ends_with(".part")) {
        let path = gap.path("release").join(name);
        let mut content = fs::read(&path).unwrap();
        if let Some(byte) = content.get_mut(600) {
            *byte ^= 1;
        }
        fs::write(path, content).unwrap();
    }
    gap.pack("release", &VOLUMES).await.expect(0);
    gap.load("release", &[]).await.expect(0);
    gap.assert_arrived(&NAMES).await;
}

/// One file has one writer: what waits behind the stalled layer is not there yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_pack_goes_on_in_one_file() {
    let gap = Gap::new().await;
    // With one transfer at a time, what comes before the fourth blob is whole when it is asked for.
    let more = ["--max-connections", "1"];
    let (journal, part) = (gap.path("release.tar.journal"), gap.path("release.tar.part"));
    let counted = std::sync::atomic::AtomicUsize::new(0);
    gap.source.set_rule(move |request| match request.path.contains("/blobs/") {
        true if counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 3 => Action::StallBodyAfter(100),
        _ => Action::Pass,
    });
    kill_when(&gap, &gap.packing("release.tar", &more), || {
        noted(&journal) == 3 && fetched(&gap.source).len() == 4
    })
    .await;
    gap.source.set_rule(|_| Action::Pass);
    assert!(part.exists() && !gap.path("release.tar").exists());
    gap.inspect("release.tar.part", &[]).await.expect(2);
    let before = fetched(&gap.source);
    gap.source.clear();
    gap.pack("release.tar", &more).await.expect(0);
    let whole = before.iter().filter(|(_, bytes)| **bytes > 100).map(|(digest, _)| digest);
    let again: Vec<&String> = whole.filter(|digest| fetched(&gap.source).contains_key(*digest)).collect();
    assert_eq!((again.len(), fetched(&gap.source).len()), (0, 4), "{again:?}");
    assert!(!part.exists() && !journal.exists());
    gap.load("release.tar", &[]).await.expect(0);
    gap.assert_arrived(&NAMES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_load_goes_on() {
    let gap = Gap::packed(&[]).await;
    // Only the large layer has so many bytes.
    const STALL: u64 = 800_000;
    const UPLOADS: &str = "/v2/site/arcdata/arc-sqlmi/blobs/uploads/";
    let sent = |gap: &Gap| gap.target.records().iter().map(|it| it.request_bytes).sum::<u64>();
    gap.target.set_rule(move |request| match request.path.starts_with(UPLOADS) && request.method != "POST" {
        true => Action::StallRequestAfter(STALL),
        false => Action::Pass,
    });
    // Everything else is there, uploaded or mounted, and that one hangs.
    let is_stalled = || {
        let uploads = |status| {
            gap.target.count(|it| it.head.path.contains("/blobs/uploads/") && it.status == Some(status))
        };
        gap.target.count(|it| it.head.path.starts_with(UPLOADS) && it.request_bytes >= STALL) > 0
            && uploads(201) == 6 + 2
    };
    kill_when(&gap, &gap.loading(&["release"], &[]), is_stalled).await;
    assert_eq!(gap.tagged().await, [""; 0]);
    let before = sent(&gap);
    gap.target.set_rule(|_| Action::Pass);
    gap.target.clear();
    gap.load("release", &[]).await.expect(0);
    gap.assert_arrived(&NAMES).await;
    let again = sent(&gap);
    assert!(again < LARGE as u64 + 10_000, "{before} bytes before, {again} bytes again");
}

/// Whoever checks a file that takes for ever, since it has holes of 1 TiB, is asked to stop in the middle of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_hashes_a_signed_file_can_be_stopped() {
    let gap = Gap::new().await;
    gap.run(&["keygen", "--no-passphrase"]).await.expect(0);
    gap.pack("release.tar", &["--sign", "sealift.key"]).await.expect(0);
    let file = gap.path("release.tar").canonicalize().unwrap();
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(1 << 40).unwrap();
    let trusting = ["--trust", "sealift.pub"];
    let commands = [
        [&["inspect", "release.tar"], &trusting[..]].concat().iter().map(|&it| it.to_owned()).collect(),
        [&["verify", "release.tar"], &trusting[..]].concat().iter().map(|&it| it.to_owned()).collect(),
        gap.loading(&["release.tar"], &trusting),
    ];
    for args in commands {
        let child = gap.start(&args);
        let id = child.id().unwrap();
        // It listens before it opens anything.
        let has_opened = || {
            let opened = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().flatten();
            opened.filter_map(|it| std::fs::read_link(it.path()).ok()).any(|it| it == file)
        };
        while !has_opened() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let process = nix::unistd::Pid::from_raw(id.cast_signed());
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGINT).unwrap();
        let output = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await;
        let output = output.expect("it does not end").unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{args:?}: {stderr}");
        assert!(stderr.contains("error: interrupted"), "{args:?}: {stderr}");
    }
    gap.assert_untouched();
}

/// Asked to stop, a run ends with 130, and the next one goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_is_asked_to_stop_goes_on() {
    let gap = Gap::new().await;
    let large = own_layer("arc-sqlmi").digest.to_string();
    let stalled = large.clone();
    gap.source.set_rule(move |request| match request.path.ends_with(&stalled) {
        true => Action::StallBodyAfter(STALL),
        false => Action::Pass,
    });
    let child = gap.start(&gap.packing("release", &VOLUMES));
    while noted(&gap.path("release/pack.journal")) < 6 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let process = nix::unistd::Pid::from_raw(child.id().unwrap().cast_signed());
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("error: interrupted"), "{stderr}");
    assert!(stderr.contains("error: release: the bundle is not finished"), "{stderr}");
    gap.source.set_rule(|_| Action::Pass);
    goes_on(&gap, "release", &VOLUMES, &[]).await;
}
