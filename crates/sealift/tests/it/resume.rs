//! Going on where a killed process was.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use sealift_store::MemoryStore;
use sealift_store::conformance::fixture;
use sealift_testbed::http_proxy::{Action, HttpProxy, Record, RequestHead};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::site::{KNOWN, Run, Site, sealift};

const MIB: u64 = 1024 * 1024;
const SIZE: u64 = 48 * MIB;
/// Behind the last note of the journal, which is at 32 MiB.
const STALL: u64 = 36 * MIB;

/// An image with a large layer and two small ones, and a line to it that can stall.
struct Slow {
    site: Site,
    line: HttpProxy,
    state: TempDir,
    large: String,
    /// What is to keep something in the directory: `--state`, or `--spool`.
    keep: &'static str,
    more: &'static [&'static str],
}

impl Slow {
    async fn new() -> Self {
        let layers = [
            fixture::noise("small", 1000),
            fixture::noise("large", usize::try_from(SIZE).unwrap()),
            fixture::noise("other", 2000),
        ];
        let image = fixture::image_of("slow", &layers);
        let store = MemoryStore::new("memory");
        image.push(&store, &"arcdata/arc-dns".parse().unwrap(), Some(KNOWN)).await;
        let site = Site::of(Arc::new(store)).await;
        let line = HttpProxy::start(site.source.address.parse().unwrap()).await.unwrap();
        let large = format!("/v2/arcdata/arc-dns/blobs/{}", sealift_oci::Digest::sha256(&layers[1]));
        Self { site, line, state: tempfile::tempdir().unwrap(), large, keep: "--state", more: &[] }
    }

    fn args(&self) -> Vec<String> {
        let (source, target) = (self.line.address().to_string(), self.site.target.address.clone());
        let args = ["mirror", "--tag", KNOWN, "--image", "arc-dns", "--source-registry", &source];
        let to = ["--target-registry", &target, "--target-repository", "site/arcdata"];
        let keep = [self.keep, self.state.path().to_str().unwrap()];
        [&args[..], &to, &keep, self.more].concat().into_iter().map(str::to_owned).collect()
    }

    /// The first ones to ask for the large layer get the beginning of it and wait for the rest.
    fn stall(&self, first: usize) {
        let large = self.large.clone();
        self.line.set_rule(move |request| match request.path == large && request.earlier < first {
            true => Action::StallBodyAfter(STALL),
            false => Action::Pass,
        });
    }

    fn start(&self) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
        command.args(self.args()).env_clear().kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Kills a run when everything that was let through has gone as far as it can.
    async fn kill_in_the_middle(&self) {
        let mut child = self.start();
        loop {
            assert!(child.try_wait().unwrap().is_none(), "it ended early");
            if self.fetched() >= STALL && self.kept_up_to() >= Some(32 * MIB) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        child.kill().await.unwrap();
    }

    /// Where files are kept.
    fn kept(&self) -> PathBuf {
        if self.keep == "--state" { self.state.path().join("uploads") } else { self.state.path().to_owned() }
    }

    /// How far what is kept has come.
    fn kept_up_to(&self) -> Option<u64> {
        if self.keep == "--state" { last_offset(&self.kept()) } else { spooled(&self.kept()) }
    }

    /// Fails where something is still kept. A note that was about to be written when its process was killed
    /// may lie there: nobody reads it, and a run sweeps it when it is too old to be another one's.
    fn assert_all_done(&self) {
        let names = std::fs::read_dir(self.kept()).unwrap().map(|entry| entry.unwrap().file_name());
        let kept: Vec<_> = names
            .filter(|name| !name.to_str().unwrap().starts_with(sealift_store::atomic::STAGE_PREFIX))
            .collect();
        assert!(kept.is_empty(), "all is done, and {kept:?} is kept");
    }

    /// The requests for the large layer.
    fn requests(&self) -> Vec<Record> {
        self.line.records().into_iter().filter(|record| record.head.path == self.large).collect()
    }

    async fn verify(&self) {
        self.site.run("verify", &["--tag", KNOWN, "--image", "arc-dns", "--deep"]).await.expect(0);
    }

    /// Bytes of the large layer that left the source.
    fn fetched(&self) -> u64 {
        self.requests().iter().map(|record| record.response_bytes).sum()
    }

    async fn run(&self) -> Run {
        let args = self.args();
        sealift(&args.iter().map(String::as_str).collect::<Vec<_>>(), &[], None).await
    }
}

/// How far the one entry of the journal has come.
fn last_offset(journal: &Path) -> Option<u64> {
    let entries = std::fs::read_dir(journal).ok()?;
    let entry = entries.flatten().find(|it| it.path().extension().is_some_and(|ending| ending == "json"))?;
    let entry: serde_json::Value = serde_json::from_slice(&std::fs::read(entry.path()).ok()?).ok()?;
    entry["points"].as_array()?.last()?["offset"].as_u64()
}

/// How far the marks of the spool have come.
fn spooled(spool: &Path) -> Option<u64> {
    let entries = std::fs::read_dir(spool).ok()?.flatten().map(|entry| entry.path());
    let marks = entries.filter(|path| path.extension().is_some_and(|ending| ending == "mark"));
    let marks = marks.filter_map(|path| serde_json::from_slice(&std::fs::read(path).ok()?).ok());
    marks.filter_map(|mark: serde_json::Value| mark["length"].as_u64()).max()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_begins_what_a_target_forgot() {
    let more = &["--state", "none", "--spool-max", "64MiB"];
    let slow = Slow { keep: "--spool", more, ..Slow::new().await };
    slow.stall(1);
    slow.kill_in_the_middle().await;
    slow.run().await.expect(0);
    let again = slow.fetched() - STALL;
    assert!(again <= SIZE - 32 * MIB, "{again} bytes more");
    slow.assert_all_done();
    slow.verify().await;
}

/// What a spool holds that somebody changed is not used.
#[tokio::test(flavor = "multi_thread")]
async fn a_spoiled_spool_costs_bytes_and_nothing_else() {
    let slow = Slow { keep: "--spool", more: &["--state", "none"], ..Slow::new().await };
    slow.stall(1);
    slow.kill_in_the_middle().await;
    for entry in std::fs::read_dir(slow.state.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "part") {
            let mut content = std::fs::read(&path).unwrap();
            content[12_345] ^= 1;
            std::fs::write(&path, content).unwrap();
        }
    }
    slow.run().await.expect(0);
    assert_eq!(slow.fetched(), SIZE + STALL);
    slow.verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_falls_silent_is_asked_again_from_where_it_was() {
    let slow = Slow { more: &["--stall-timeout", "1"], ..Slow::new().await };
    slow.stall(1);
    slow.run().await.expect(0);
    assert_eq!(slow.fetched(), SIZE, "no byte is fetched twice");
    let ranges: Vec<Option<String>> = slow.requests().iter().map(|it| range(&it.head)).collect();
    assert_eq!(ranges, [None, Some(format!("bytes={STALL}-"))]);
    slow.verify().await;
}

/// A line that cuts everything behind 4 MB: twelve times on the way of this layer.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_cuts_every_answer_still_delivers_each_byte_once() {
    const CUT: u64 = 4_000_000;
    let slow = Slow::new().await;
    slow.line.set_rule(|_| Action::CutBodyAfter(CUT));
    slow.run().await.expect(0);
    let ranges: Vec<Option<String>> = slow.requests().iter().map(|it| range(&it.head)).collect();
    let expected = (0..SIZE.div_ceil(CUT)).map(|cut| (cut > 0).then(|| format!("bytes={}-", cut * CUT)));
    assert_eq!(ranges, expected.collect::<Vec<_>>());
    assert_eq!(slow.fetched(), SIZE, "no byte is fetched twice");
    slow.verify().await;
}

fn range(head: &RequestHead) -> Option<String> {
    Some(head.headers.get("range")?.to_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_goes_on_where_it_was() {
    let slow = Slow::new().await;
    slow.stall(1);
    slow.kill_in_the_middle().await;
    slow.run().await.expect(0);
    let fetched = slow.fetched();
    assert!((SIZE..SIZE + 6 * MIB).contains(&fetched), "{} MiB more", (fetched - SIZE) / MIB);
    // What was complete is not fetched again.
    let blobs = slow.line.records();
    let mut paths: Vec<&str> = blobs
        .iter()
        .filter(|it| {
            it.head.method == "GET" && it.head.path.contains("/blobs/") && it.head.path != slow.large
        })
        .map(|it| it.head.path.as_str())
        .collect();
    let all = paths.len();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!((paths.len(), all), (3, 3));
    slow.assert_all_done();
    slow.verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_state_a_run_begins_again() {
    let slow = Slow::new().await;
    slow.stall(1);
    slow.kill_in_the_middle().await;
    std::fs::remove_dir_all(slow.state.path()).unwrap();
    slow.run().await.expect(0);
    assert_eq!(slow.fetched(), SIZE + STALL);
    slow.verify().await;
}

/// Fails where a file is half written; whoever looks at any moment finds each of them whole.
fn assert_sound(kept: &Path) {
    let Ok(entries) = std::fs::read_dir(kept) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_text = path.extension().is_some_and(|ending| ending == "json" || ending == "mark");
        // What is done is deleted meanwhile.
        let content = if is_text { std::fs::read(&path).ok() } else { None };
        if let Some(content) = content {
            serde_json::from_slice::<serde_json::Value>(&content).unwrap();
        }
    }
}

/// Two runs at the same time, and an eye on what they keep.
async fn run_two(slow: &Slow) {
    let both = async { tokio::join!(slow.run(), slow.run()) };
    tokio::pin!(both);
    let (one, other) = loop {
        assert_sound(&slow.kept());
        tokio::select! {
            ended = &mut both => break ended,
            () = tokio::time::sleep(Duration::from_millis(2)) => {}
        }
    };
    one.expect(0);
    other.expect(0);
    slow.assert_all_done();
    slow.verify().await;
}

/// Both are in the midst of one blob when they are killed, and so is what they keep.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_what_they_keep() {
    let keepers = [("--state", &[][..]), ("--spool", &["--state", "none"])];
    let number = if std::env::var_os("SEALIFT_SOAK").is_some() { keepers.len() } else { 1 };
    for (keep, more) in keepers.into_iter().take(number) {
        let slow = Slow { keep, more, ..Slow::new().await };
        slow.stall(usize::MAX);
        let mut children = [slow.start(), slow.start()];
        while slow.fetched() < 2 * STALL || slow.kept_up_to() < Some(32 * MIB) {
            assert_sound(&slow.kept());
            assert!(children.iter_mut().all(|it| it.try_wait().unwrap().is_none()), "{keep}: it ended early");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        for child in &mut children {
            child.kill().await.unwrap();
        }
        slow.line.set_rule(|_| Action::Pass);
        run_two(&slow).await;
        assert!(slow.fetched() <= 2 * (STALL + SIZE), "{keep}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn state_that_cannot_be_kept_is_refused_only_where_it_was_named() {
    let site = Site::new().await;
    let wanted = ["--tag", KNOWN, "--image", "arc-dns"];
    for place in [["--state", "/dev/null/state"], ["--spool", "/dev/null/spool"], ["--spool", "/dev/null"]] {
        for dry in [&["--dry-run"][..], &[]] {
            let run = site.run("mirror", &[&wanted[..], &place, dry].concat()).await.expect(2);
            assert!(
                run.stderr.contains(&format!("{}: a part of that path is a file", place.join(" "))),
                "{}",
                run.stderr
            );
        }
    }
    let nowhere = [("HOME", "/dev/null")];
    let run = site.run_with("mirror", &[&wanted[..], &["-v"]].concat(), &nowhere).await.expect(0);
    assert!(run.stderr.contains("unfinished uploads are not remembered"), "{}", run.stderr);
    let home = tempfile::tempdir().unwrap();
    let variables = [("HOME", home.path().to_str().unwrap())];
    site.run_with("mirror", &[&wanted[..], &["--state", "none"]].concat(), &variables).await.expect(0);
    site.run_with("mirror", &[&wanted[..], &["--dry-run"]].concat(), &variables).await.expect(0);
    let spool = home.path().join("spool");
    let named = ["--dry-run", "--spool", spool.to_str().unwrap(), "--state", spool.to_str().unwrap()];
    site.run_with("mirror", &[&wanted[..], &named].concat(), &variables).await.expect(0);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    site.run_with("mirror", &wanted, &variables).await.expect(0);
    assert!(home.path().join(".local/state/sealift/uploads").is_dir());
}
