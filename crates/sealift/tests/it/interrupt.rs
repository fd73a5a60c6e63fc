use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sealift_store::Method;
use sealift_testbed::http_proxy::{Action, HttpProxy, RequestHead};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::site::{KNOWN, Run, Site, names};

/// Starts a mirror whose blobs take their time, and returns when it has begun.
async fn begun(site: &Site) -> (Child, BufReader<tokio::process::ChildStderr>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    let mut child = command
        .args(["mirror", "--tag", KNOWN, "--source-registry", &site.source.address])
        .args(["--target-registry", &site.target.address, "--target-repository", "site/arcdata"])
        .env_clear()
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("Bringing 20 images") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).await.unwrap(), 0, "it ended early");
    }
    (child, stderr)
}

async fn interrupt(child: &Child) {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
}

async fn slow() -> Site {
    Site::broken(|call| match call.method {
        Method::OpenBlob => sealift_store::Action::Delay(Duration::from_secs(30)),
        _ => sealift_store::Action::Pass,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_reports_and_has_moved_no_tag() {
    let site = slow().await;
    let (child, _stderr) = begun(&site).await;
    interrupt(&child).await;
    let ended =
        tokio::time::timeout(Duration::from_secs(10), child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&ended.stdout).contains("20 images: 20 stopped."));
    for name in names() {
        assert_eq!(site.tagged(&name, KNOWN).await, None);
    }
}

/// Starts a command against lines that stall, and interrupts it when `is_stalled` says that it hangs there.
async fn interrupted_at(command: &str, stall: Stall) -> (Option<i32>, String) {
    let site = Site::new().await;
    if command == "verify" {
        site.run("mirror", &["--tag", KNOWN, "--image", "arc-dns"]).await.expect(0);
    }
    let source = HttpProxy::start(site.source.address.parse().unwrap()).await.unwrap();
    let target = HttpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
    let line = if stall.at_source { &source } else { &target };
    line.set_rule(move |request| match (stall.hits)(request) {
        true => stall.action.clone(),
        false => Action::Pass,
    });
    let child = Command::new(env!("CARGO_BIN_EXE_sealift"))
        .args([command, "--tag", KNOWN, "--image", "arc-dns", "--target-repository", "site/arcdata"])
        .args(["--source-registry", &source.address().to_string()])
        .args(["--target-registry", &target.address().to_string()])
        .args(stall.more)
        .env_clear()
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while line.count(|record| (stall.hits)(&record.head)) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    interrupt(&child).await;
    let ended = tokio::time::timeout(Duration::from_secs(5), child.wait_with_output()).await;
    let ended = ended.expect("it does not end").unwrap();
    assert_eq!(site.tagged("arc-dns", KNOWN).await.is_some(), command == "verify");
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

type Hits = fn(&RequestHead) -> bool;

struct Stall {
    at_source: bool,
    hits: Hits,
    action: Action,
    more: &'static [&'static str],
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_stalls_does_not_keep_an_interrupted_run() {
    let ping: Hits = |it| it.path == "/v2/";
    let manifest: Hits = |it| it.path.contains("/manifests/");
    let blob: Hits = |it| it.path.contains("/blobs/sha256");
    let upload: Hits = |it| it.path.contains("/blobs/uploads/");
    let cases: [(&str, bool, Hits, Action, &[&str]); 9] = [
        ("mirror", true, ping, Action::Stall, &[]),
        ("mirror", true, manifest, Action::Stall, &[]),
        ("mirror", true, blob, Action::Stall, &[]),
        ("mirror", true, blob, Action::StallBodyAfter(100), &[]),
        ("mirror", false, manifest, Action::Stall, &[]),
        ("mirror", false, upload, Action::Stall, &[]),
        ("mirror", false, blob, Action::Stall, &["--dry-run"]),
        ("verify", true, manifest, Action::Stall, &[]),
        ("verify", false, blob, Action::StallBodyAfter(100), &["--deep"]),
    ];
    for (command, at_source, hits, action, more) in cases {
        let name = format!("{command} {more:?}: {action:?}, source: {at_source}");
        let (code, stderr) = interrupted_at(command, Stall { at_source, hits, action, more }).await;
        assert_eq!(code, Some(130), "{name}: {stderr}");
        assert!(stderr.contains("error: interrupted"), "{name}: {stderr}");
    }
}

/// The first tags are set, the answers to the others do not come, and that of the gate is not asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_interrupted_while_tags_are_set_tells_which_are() {
    const SET: usize = 5;
    let site = Site::new().await;
    let target = HttpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
    let (is_tag, seen): (Hits, _) =
        (|it| it.method == "PUT" && it.path.ends_with(KNOWN), AtomicUsize::new(0));
    target.set_rule(move |request| match is_tag(request) && seen.fetch_add(1, Ordering::SeqCst) >= SET {
        true => Action::Stall,
        false => Action::Pass,
    });
    let args = ["--source-registry", &site.source.address, "--target-repository", "site/arcdata"];
    let child = Command::new(env!("CARGO_BIN_EXE_sealift"))
        .args(["mirror", "--tag", KNOWN, "--output", "json"])
        .args(args)
        .args(["--target-registry", &target.address().to_string()])
        .env_clear()
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Sixteen are asked for at the same time, so all but the gate's are under way in the end.
    let others = names().len() - 1;
    while target.count(|record| is_tag(&record.head)) < others {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    interrupt(&child).await;
    let ended = tokio::time::timeout(Duration::from_secs(5), child.wait_with_output()).await;
    let ended = ended.expect("it does not end").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let run = Run { code: ended.status.code(), stdout: text(ended.stdout), stderr: text(ended.stderr) };
    let run = run.expect(130);
    assert!(run.stderr.contains("error: interrupted"), "{}", run.stderr);
    let (mut arrived, mut tagged) = (0, 0);
    for (name, outcome) in run.outcomes() {
        let has_tag = site.tagged(&name, KNOWN).await.is_some();
        arrived += usize::from(outcome == "arrived");
        tagged += usize::from(has_tag);
        let ends: &[&str] =
            if name == "arc-controller" { &["withheld"] } else { &["arrived", "interrupted"] };
        assert!(ends.contains(&outcome.as_str()), "{name} is {outcome}");
        let fits = if has_tag { outcome != "withheld" } else { outcome != "arrived" };
        assert!(fits, "{name} is {outcome}, and has the tag: {has_tag}");
    }
    // An answer can be on its way when the run stops.
    assert!((others - 16..=SET).contains(&arrived), "{arrived}");
    assert_eq!((tagged, target.count(|record| is_tag(&record.head))), (SET, others));
    target.set_rule(|_| Action::Pass);
    site.run("mirror", &["--tag", KNOWN]).await.expect(0);
}

/// Starts a command whose source never answers one question, and interrupts it there.
async fn interrupted_before_the_survey(
    args: &[&str],
    question: &'static str,
) -> (Option<i32>, String, String) {
    let site = Site::new().await;
    let source = HttpProxy::start(site.source.address.parse().unwrap()).await.unwrap();
    let address = source.address().to_string();
    let realm = format!(r#"Bearer realm="http://{address}/token",service="proxy""#);
    source.set_rule(move |request| match request.path.as_str() {
        path if path.ends_with(question) => Action::Stall,
        "/v2/" if question == "/token" => Action::Respond {
            status: 401,
            headers: vec![("www-authenticate".to_owned(), realm.clone())],
            body: "".into(),
        },
        _ if question == "/token" && !request.headers.contains_key("authorization") => Action::status(401),
        _ => Action::Pass,
    });
    let target = [("TARGET_DOCKER_REGISTRY", &site.target.address), ("SOURCE_DOCKER_REGISTRY", &address)];
    let child = Command::new(env!("CARGO_BIN_EXE_sealift"))
        .args(args)
        .args(["--output", "json", "--plain-http", &address])
        .env_clear()
        .envs(target)
        .env("TARGET_DOCKER_REPOSITORY", "site/arcdata")
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while source.count(|record| record.head.path.ends_with(question)) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    interrupt(&child).await;
    let ended = tokio::time::timeout(Duration::from_secs(5), child.wait_with_output()).await;
    let ended = ended.expect("it does not end").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ended.status.code(), text(ended.stdout), text(ended.stderr))
}

/// What the source has is looked up before anything is surveyed.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_interrupted_before_it_begins_ends_as_any_other() {
    let range: &[&str] = &["mirror", "--from-tag", "v1.41.0_2025-09-09", "--to-tag", KNOWN];
    let cases: [(&[&str], &'static str, Option<&str>); 6] = [
        (&["mirror"], "/tags/list", Some("sealift.report/1")),
        (&["mirror"], "/token", Some("sealift.report/1")),
        (range, "/tags/list", Some("sealift.report/1")),
        (&["verify"], "/tags/list", Some("sealift.verification/1")),
        (&["releases"], "/tags/list", None),
        (&["releases", "--discover"], "/_catalog", None),
    ];
    for (args, question, schema) in cases {
        let (code, stdout, stderr) = interrupted_before_the_survey(args, question).await;
        assert_eq!(code, Some(130), "{args:?} {question}: {stdout}{stderr}");
        assert!(stderr.contains("error: interrupted"), "{args:?} {question}: {stderr}");
        let Some(schema) = schema else { continue };
        let document: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!((&document["schema"], &document["exitCode"]), (&schema.into(), &130.into()), "{stdout}");
        assert_eq!(document["failures"][0]["kind"], "interrupted");
    }
}
