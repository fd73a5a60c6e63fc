//! Debian's `docker-registry` forgets an upload that broke off, so a run that was killed has to begin that blob
//! again: with a spool it fetches only what it had not got.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sealift_oci::Descriptor;
use sealift_testbed::docker_registry::{DockerRegistry, RegistryOptions};
use sealift_testbed::http_proxy::{Action, HttpProxy, RequestHead};
use sealift_testbed::images::{cache_directory, sparse_set};
use sealift_testbed::peers::interop_wanted;
use sealift_testbed::pushing::seed_docker_registry;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_killed_goes_on_from_its_spool() {
    if !interop_wanted() {
        return;
    }
    let set = sparse_set(SIZE, &cache_directory()).unwrap();
    let blob = set.blobs().into_iter().max_by_key(|blob| blob.size).unwrap();
    let directory = tempfile::tempdir_in(cache_directory()).unwrap();
    let at = |name: &str| directory.path().join(name);
    seed_docker_registry(&at("source"), "large", &set).unwrap();
    let options = RegistryOptions { storage: Some(at("source")), ..RegistryOptions::default() };
    let (source, target) = (
        DockerRegistry::start(&options).await.unwrap(),
        DockerRegistry::start(&RegistryOptions::default()).await.unwrap(),
    );
    let line = HttpProxy::start(source.address()).await.unwrap();
    std::fs::write(at("images"), format!("{}/large/large:v1\n", line.address())).unwrap();
    let places = ["images", "state", "spool"].map(|name| at(name).display().to_string());
    let (from, to) = (line.address().to_string(), target.address().to_string());
    let answers = ["--images-file", &places[0], "--target-registry", &to, "--target-repository", "site"];
    let mut mirror = [&["mirror"][..], &answers, &["--plain-http", &from]].concat();
    mirror.extend(["--state", &places[1], "--spool", &places[2], "--spool-max", "100MiB"]);

    let stalled = blob.clone();
    line.set_rule(move |head| match is_get_of(head, &stalled) {
        true => Action::StallBodyAfter(CAME),
        false => Action::Pass,
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    command.args(&mirror).env_clear().kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut killed = command.spawn().unwrap();
    tokio::time::timeout(Duration::from_secs(120), marked(&at("spool"))).await.expect("nothing is marked");
    killed.kill().await.unwrap();

    line.set_rule(|_| Action::Pass);
    run(mirror, &[]).await.expect(0);
    let fetched: Vec<u64> =
        line.records().iter().filter(|it| is_get_of(&it.head, &blob)).map(|it| it.response_bytes).collect();
    assert_eq!(fetched.len(), 2);
    assert!(fetched[1] <= SIZE - MARKED, "{fetched:?}");
    let verify = [&["verify", "--deep"][..], &answers, &["--plain-http", &from]].concat();
    run(verify, &[]).await.expect(0);
}
