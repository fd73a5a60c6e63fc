//! Debian's `docker-registry` forgets an upload that broke off, so a run that was killed has to begin that blob
//! again: with a spool it fetches only what it had not got.

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sealift_oci::Descriptor;
use sealift_testbed::docker_registry::{DockerRegistry, RegistryOptions};
use sealift_testbed::http_proxy::{Action, HttpProxy, RequestHead};
use sealift_testbed::images::{cache_directory, sparse_set};
use sealift_testbed::peers::interop_wanted;
use sealift_testbed::pushing::seed_docker_registry;
use tempfile::TempDir;
use tokio::process::Command;

use crate::site::run;

/// The size of the blob; a spool has a mark at each 8 MiB of it.
const SIZE: u64 = 24 << 20;
/// So much comes before the run is killed, and so much is marked of it.
const CAME: u64 = 20 << 20;
const MARKED: u64 = 16 << 20;

fn is_get_of(head: &RequestHead, blob: &Descriptor) -> bool {
    head.method == "GET" && head.path.ends_with(&blob.digest.to_string())
}

fn is_large(head: &RequestHead) -> bool {
    let length = head.headers.get("content-length").and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length > CAME)
}

/// Waits until the spool can prove what was marked.
async fn marked(spool: &Path) {
    loop {
        let files = std::fs::read_dir(spool).into_iter().flatten().flatten().map(|file| file.path());
        let marks = files.filter(|path| path.extension().is_some_and(|it| it == "mark"));
        let length = |path| {
            serde_json::from_slice::<serde_json::Value>(&std::fs::read(path).ok()?).ok()?["length"].as_u64()
        };
        if marks.filter_map(length).any(|length| length >= MARKED) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Two registries with a line before each, and one large blob to bring.
struct Scene {
    blob: Descriptor,
    lines: [HttpProxy; 2],
    directory: TempDir,
    _registries: [DockerRegistry; 2],
}

impl Scene {
    async fn new() -> Self {
        let set = sparse_set(SIZE, &cache_directory()).unwrap();
        let blob = set.blobs().into_iter().max_by_key(|blob| blob.size).unwrap();
        let directory = tempfile::tempdir_in(cache_directory()).unwrap();
        let storage = directory.path().join("source");
        seed_docker_registry(&storage, "large", &set).unwrap();
        let options = RegistryOptions { storage: Some(storage), ..RegistryOptions::default() };
        let source = DockerRegistry::start(&options).await.unwrap();
        let target = DockerRegistry::start(&RegistryOptions::default()).await.unwrap();
        let lines = [
            HttpProxy::start(source.address()).await.unwrap(),
            HttpProxy::start(target.address()).await.unwrap(),
        ];
        let list = format!("{}/large/large:v1\n", lines[0].address());
        std::fs::write(directory.path().join("images"), list).unwrap();
        Self { blob, lines, directory, _registries: [source, target] }
    }

    fn at(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn args(&self, command: &[&str]) -> Vec<String> {
        let [from, to] = [0, 1].map(|line| self.lines[line].address().to_string());
        let answers = ["--images-file", &self.at("images"), "--target-registry", &to, "--plain-http", &from];
        let all = [command, &answers, &["--target-repository", "site"]].concat();
        all.into_iter().map(str::to_owned).collect()
    }

    fn mirror(&self) -> Vec<String> {
        let mut args = self.args(&["mirror"]);
        let notes = ["--state", &self.at("state"), "--spool", &self.at("spool"), "--spool-max", "100MiB"];
        args.extend(notes.map(str::to_owned));
        args
    }

    async fn run(&self, args: Vec<String>) {
        run(args.iter().map(String::as_str).collect(), &[]).await.expect(0);
    }

    /// How many bytes of the blob left the source, each time that it was asked for.
    fn fetched(&self) -> Vec<u64> {
        let records = self.lines[0].records();
        let fetches = records.iter().filter(|it| is_get_of(&it.head, &self.blob));
        fetches.map(|it| it.response_bytes).collect()
    }

    /// The rest came, and no more; and all of it is there.
    async fn is_gone_on_with(&self) {
        let fetched = self.fetched();
        assert_eq!(fetched.len(), 2);
        assert!(fetched[1] <= SIZE - MARKED, "{fetched:?}");
        assert!(
            std::fs::read_dir(self.at("spool")).unwrap().next().is_none(),
            "nothing is kept of what arrived"
        );
        self.run(self.args(&["verify", "--deep"])).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_killed_goes_on_from_its_spool() {
    if !interop_wanted() {
        return;
    }
    let scene = Scene::new().await;
    let blob = scene.blob.clone();
    scene.lines[0].set_rule(move |head| match is_get_of(head, &blob) {
        true => Action::StallBodyAfter(CAME),
        false => Action::Pass,
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    command.args(scene.mirror()).env_clear().kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut killed = command.spawn().unwrap();
    let spool = scene.at("spool");
    tokio::time::timeout(Duration::from_secs(120), marked(spool.as_ref())).await.expect("nothing is marked");
    killed.kill().await.unwrap();
    scene.lines[0].set_rule(|_| Action::Pass);
    scene.run(scene.mirror()).await;
    scene.is_gone_on_with().await;
}

/// The registry forgets an upload whose connection breaks; the process that lost it has the beginning of the blob.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_lost_begins_again_from_the_spool() {
    if !interop_wanted() {
        return;
    }
    let scene = Scene::new().await;
    let is_cut = AtomicBool::new(false);
    scene.lines[1].set_rule(move |head| match head.method == "PATCH" && is_large(head) {
        true if !is_cut.swap(true, Ordering::SeqCst) => Action::CutRequestAfter(CAME),
        _ => Action::Pass,
    });
    scene.run(scene.mirror()).await;
    scene.is_gone_on_with().await;
}
