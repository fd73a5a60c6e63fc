//! Runs that are killed at any moment and run again: nothing that was completed is fetched again, and what
//! was in flight at most once more. The moments are bytes and requests, drawn by a seed; an ordinary test run
//! takes a few, `SEALIFT_SOAK=1` takes a hundred.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, future, stream};
use sealift_oci::{Descriptor, Digest};
use sealift_store::MemoryStore;
use sealift_store::conformance::fixture::{self, Image};
use sealift_testbed::http_proxy::{Action, HttpProxy, RequestHead};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::site::{KNOWN, Run, Site, sealift};

const SEED: &str = "1";
const SAMPLE: usize = 8;
const SOAK: usize = 100;
const AT_ONCE: usize = 4;
const NAMES: [&str; 2] = ["arc-dns", "arc-sqlmi"];

/// Where a run is killed: when so many bytes of one answer have been sent, or before one request is answered.
#[derive(Clone, Debug)]
struct Moment {
    is_at_source: bool,
    /// Which request of the run, in the order in which they come.
    request: usize,
    /// How much of its answer comes, in 1/256; none where the request is not answered.
    part: Option<u64>,
}

impl Moment {
    /// `requests` is how many a run makes of its source, and of its target.
    fn draw(number: usize, requests: [usize; 2]) -> Self {
        let drawn = Digest::sha256(format!("{SEED} {number}").as_bytes()).to_string();
        let byte = |at: usize| u64::from_str_radix(&drawn[7 + 2 * at..9 + 2 * at], 16).unwrap();
        let side = usize::try_from(byte(0) % 2).unwrap();
        Self {
            is_at_source: side == 0,
            request: usize::try_from(byte(1)).unwrap() % requests[side],
            part: (byte(2) % 3 > 0).then_some(byte(3)),
        }
    }
}

/// Two images that share a layer, and lines to both ends that can stall.
struct Scene {
    site: Site,
    source: HttpProxy,
    target: HttpProxy,
    state: TempDir,
    /// What a run keeps in that directory for the next one.
    keep: Keep,
    blobs: HashMap<Digest, Descriptor>,
}

/// What a killed run leaves to the next one.
#[derive(Clone, Copy, Debug)]
enum Keep {
    /// The journal of uploads.
    State,
    /// The beginnings of blobs.
    Spool,
}

fn images() -> Vec<(&'static str, Image)> {
    let layer = |name: &str, size: usize| fixture::noise(name, size);
    let image = |name: &'static str, size| {
        (name, fixture::image_of(name, &[layer("shared", 3_000_000), layer(name, size)]))
    };
    // The larger one has more bytes than count as progress.
    vec![image(NAMES[0], 9_000_000), image(NAMES[1], 1_500_000)]
}

impl Scene {
    async fn new(keep: Keep) -> Self {
        let store = MemoryStore::new("memory");
        let mut blobs = HashMap::new();
        for (name, image) in images() {
            image.push(&store, &format!("arcdata/{name}").parse().unwrap(), Some(KNOWN)).await;
            blobs.extend(image.manifest.links.blobs.iter().map(|blob| (blob.digest, blob.clone())));
        }
        let site = Site::of(Arc::new(store)).await;
        let source = HttpProxy::start(site.source.address.parse().unwrap()).await.unwrap();
        let target = HttpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
        Self { site, source, target, state: tempfile::tempdir().unwrap(), keep, blobs }
    }

    fn args(&self) -> Vec<String> {
        let (source, target) = (self.source.address().to_string(), self.target.address().to_string());
        let args = ["mirror", "--tag", KNOWN, "--image", NAMES[0], "--image", NAMES[1]];
        let ends = ["--source-registry", &source, "--target-registry", &target];
        let rest = ["--target-repository", "site/arcdata", "--verbose"];
        let directory = self.state.path().to_str().unwrap();
        let keep = match self.keep {
            Keep::State => &["--state", directory][..],
            Keep::Spool => &["--state", "none", "--spool", directory],
        };
        [&args[..], &ends, &rest, keep].concat().into_iter().map(str::to_owned).collect()
    }

    /// Runs until the moment has come, and kills; tells whether it came before the run had ended.
    async fn kill_at(&self, moment: &Moment) -> bool {
        let line = if moment.is_at_source { &self.source } else { &self.target };
        let sizes = self.blobs.values().map(|blob| (blob.digest.to_string(), blob.size)).collect();
        let start = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
            command.args(self.args()).env_clear().kill_on_drop(true);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        kill_at(line, sizes, moment.request, moment.part, start).await
    }

    /// Runs to the end.
    async fn run(&self) -> Run {
        let args = self.args();
        sealift(&args.iter().map(String::as_str).collect::<Vec<_>>(), &[], None).await.expect(0)
    }

    /// Which blobs are in some repository of the target.
    async fn arrived(&self) -> Vec<Digest> {
        let mut arrived = Vec::new();
        for name in NAMES {
            let target = self.site.target.store.target(&format!("site/arcdata/{name}").parse().unwrap());
            let target = target.unwrap();
            for digest in self.blobs.keys() {
                if target.stat_blob(digest).await.unwrap().is_some() {
                    arrived.push(*digest);
                }
            }
        }
        arrived
    }

    /// What has a tag is whole.
    async fn verify(&self, images: &[&str]) {
        self.site.run("verify", &[&["--tag", KNOWN, "--deep"], images].concat()).await.expect(0);
    }

    /// Bytes of each blob that left the source.
    fn fetched(&self) -> HashMap<Digest, u64> {
        let mut fetched = HashMap::new();
        for record in self.source.records() {
            let is_of = |digest: &&Digest| is_get_of(&record.head, &digest.to_string());
            if let Some(digest) = self.blobs.keys().find(is_of) {
                *fetched.entry(*digest).or_default() += record.response_bytes;
            }
        }
        fetched
    }
}

/// Starts a run and kills it when, on that line, a request has come and so much of its answer has been sent, in 1/256;
/// tells whether that was before the run had ended. `sizes` are those of blobs, by digest.
pub(crate) async fn kill_at(
    line: &HttpProxy,
    sizes: HashMap<String, u64>,
    wanted: usize,
    part: Option<u64>,
    start: impl FnOnce() -> Child,
) -> bool {
    let counted = AtomicUsize::new(0);
    let (reached, mut is_reached) = tokio::sync::watch::channel(None);
    line.set_rule(move |request| {
        if counted.fetch_add(1, Ordering::SeqCst) != wanted {
            return Action::Pass;
        }
        let size = sizes.iter().find(|(digest, _)| is_get_of(request, digest)).map(|(_, size)| *size);
        let stall = part.zip(size).map(|(part, size)| size * part / 256);
        reached.send_replace(Some((request.path.clone(), stall.unwrap_or_default())));
        stall.map_or(Action::Stall, Action::StallBodyAfter)
    });
    let mut child = start();
    let is_killed = tokio::select! {
        _ = child.wait() => false,
        (path, bytes) = async { is_reached.wait_for(Option::is_some).await.unwrap().clone().unwrap() } => {
            let has_come = || line.count(|it| it.head.path == path && it.response_bytes >= bytes) > 0;
            while !has_come() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            child.kill().await.unwrap();
            true
        }
    };
    line.set_rule(|_| Action::Pass);
    is_killed
}

fn is_get_of(head: &RequestHead, digest: &str) -> bool {
    head.method == "GET" && head.path.ends_with(digest)
}

/// How many requests a run makes of its source and of its target where nothing stops it.
async fn counted() -> [usize; 2] {
    let scene = Scene::new(Keep::State).await;
    scene.run().await;
    [&scene.source, &scene.target].map(|line| line.records().len())
}

/// Kills a run, and runs it again; tells whether it was killed.
async fn play(number: usize, requests: [usize; 2]) -> bool {
    let keep = if number % 3 == 2 { Keep::Spool } else { Keep::State };
    let (moment, scene) = (Moment::draw(number, requests), Scene::new(keep).await);
    let is_killed = scene.kill_at(&moment).await;
    for name in NAMES {
        if scene.site.tagged(name, KNOWN).await.is_some() {
            scene.verify(&["--image", name]).await;
        }
    }
    let (arrived, before) = (scene.arrived().await, scene.fetched());
    let run = scene.run().await;
    let after = scene.fetched();
    for (digest, blob) in &scene.blobs {
        let bytes = |of: &HashMap<Digest, u64>| of.get(digest).copied().unwrap_or_default();
        let again = bytes(&after) - bytes(&before);
        // What the killed run had sent last can reach the target when the next run has asked already: that upload
        // is busy then, and an attempt for that blob is lost.
        let is_lost = |line: &&str| line.contains("Trying again") && line.contains(&digest.to_string());
        let attempts = 1 + run.stderr.lines().filter(is_lost).count() as u64;
        let most = if arrived.contains(digest) { 0 } else { blob.size * attempts };
        assert!(
            again <= most,
            "{number}: {keep:?} {moment:?}: {again} bytes of {} again\n{}",
            blob.size,
            run.stderr
        );
    }
    scene.verify(&["--image", NAMES[0], "--image", NAMES[1]]).await;
    is_killed
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_are_killed_at_any_moment_go_on() {
    let number = if std::env::var_os("SEALIFT_SOAK").is_some() { SOAK } else { SAMPLE };
    let requests = counted().await;
    let played = stream::iter(0..number).map(|number| play(number, requests)).buffer_unordered(AT_ONCE);
    let killed = played.filter(|is_killed| future::ready(*is_killed)).count().await;
    // A request more or less may be needed, where two of them meet.
    assert!(killed * 10 >= number * 9, "{killed} of {number}");
}
