//! `sealift doctor` against registries in this process, whole and broken.

use sealift_testbed::http_proxy::{Action, HttpProxy};
use sealift_testbed::tls::Flaw;
use serde_json::Value;

use crate::hostile_lines::Door;
use crate::site::{KNOWN, Run, Site, sealift};

const WANTED: [&str; 4] = ["--tag", KNOWN, "--image", "arc-dns"];

/// Looks at a source and a target, with a home of its own.
async fn doctor(source: &str, target: &str, more: &[&str], variables: &[(&str, &str)]) -> Run {
    let home = tempfile::tempdir().unwrap();
    let to = ["--target-registry", target, "--target-repository", "site/arcdata"];
    let given =
        [&["doctor", "--source-registry", source, "--output", "json"][..], &to, &WANTED, more].concat();
    let variables = [&[("HOME", home.path().to_str().unwrap())], variables].concat();
    let run = sealift(&given, &variables, None).await;
    assert!(!format!("{run:?}").contains("hunter2"));
    run
}

/// Each check of an end, with its verdict.
fn verdicts(run: &Run, role: &str) -> Vec<(String, String)> {
    let report = run.json();
    assert_eq!(report["schema"], "sealift.doctor/1");
    assert_eq!(report["exitCode"], run.code.unwrap());
    let part = report["parts"].as_array().unwrap().iter().find(|part| part["role"] == role).unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let checks = part["checks"].as_array().unwrap().iter();
    checks.map(|check| (text(&check["name"]), text(&check["verdict"]))).collect()
}

fn check(run: &Run, role: &str, name: &str) -> Value {
    let report = run.json();
    let part = report["parts"].as_array().unwrap().iter().find(|part| part["role"] == role).unwrap().clone();
    part["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap().clone()
}

fn of(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, verdict)| ((*name).to_owned(), (*verdict).to_owned())).collect()
}

const WAY: [(&str, &str); 5] =
    [("name", "ok"), ("connection", "ok"), ("proxy", "ok"), ("TLS", "warn"), ("clock", "ok")];

#[tokio::test(flavor = "multi_thread")]
async fn two_good_registries_are_fine_and_nothing_is_left_behind() {
    let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
    let proxy = HttpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
    let target = proxy.address().to_string();
    let run = doctor(&site.source.address, &target, &[], &[]).await.expect(0);
    let rest = [("credentials", "ok"), ("pull", "ok"), ("attachments", "ok")];
    assert_eq!(verdicts(&run, "source"), of(&[&WAY[..], &rest].concat()), "{}", run.stdout);
    let target_rest = verdicts(&run, "target").split_off(WAY.len());
    let names: Vec<&str> = target_rest.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["credentials", "push", "mount", "attachments", "delete"]);
    assert_eq!(check(&run, "target", "push")["verdict"], "ok");
    assert_eq!(check(&run, "target", "mount")["verdict"], "ok");
    // What was pushed is asked to be deleted: the manifest, and the blob in both repositories.
    assert_eq!(proxy.count(|record| record.head.method == "DELETE" && record.status != Some(401)), 3);
    assert_eq!(verdicts(&run, "machine"), of(&[("state", "ok")]));
    // The image itself was not touched.
    assert!(site.tagged("arc-dns", KNOWN).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_pushing_the_target_sees_no_write() {
    let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
    let proxy = HttpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
    let run = doctor(&site.source.address, &proxy.address().to_string(), &["--no-push"], &[]).await.expect(0);
    for name in ["push", "mount", "attachments", "delete"] {
        assert_eq!(check(&run, "target", name)["verdict"], "skipped", "{name}");
    }
    assert_eq!(proxy.count(|record| record.head.method != "GET" && record.head.method != "HEAD"), 0);
}

/// A fault at the target → which check fails, words of what is found and of the next step, and the exit code.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_fails_its_check_with_a_next_step() {
    let json = |code: &str, message: &str| {
        serde_json::json!({"errors": [{"code": code, "message": message}]}).to_string()
    };
    let cases = [
        ("POST", "/blobs/uploads/", 403, json("DENIED", "no"), "push", "it answers 403", "right to push", 4),
        ("PUT", "/manifests/", 403, json("DENIED", "quota exceeded"), "push", "quota", "Make room", 1),
        ("POST", "/blobs/uploads/", 404, json("NAME_UNKNOWN", ""), "push", "made there first", "--create", 1),
        ("PATCH", "/blobs/uploads/", 507, String::new(), "push", "its disk is full", "Make room", 1),
    ];
    for (method, path, status, body, name, found, next, code) in cases {
        let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
        let proxy = HttpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
        proxy.set_rule(move |head| match head.method.as_str() == method && head.path.contains(path) {
            true => Action::Respond { status, headers: Vec::new(), body: body.clone().into() },
            false => Action::Pass,
        });
        let run = doctor(&site.source.address, &proxy.address().to_string(), &[], &[]).await.expect(code);
        let seen = check(&run, "target", name);
        let has = |field: &str, words: &str| seen[field].as_str().unwrap_or_default().contains(words);
        assert!(seen["verdict"] == "fail" && has("found", found) && has("next", next), "{seen:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_deleted_is_named_and_is_no_failure() {
    let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
    let proxy = HttpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
    proxy.set_rule(|head| if head.method == "DELETE" { Action::status(405) } else { Action::Pass });
    let run = doctor(&site.source.address, &proxy.address().to_string(), &[], &[]).await.expect(0);
    let seen = check(&run, "target", "delete");
    assert_eq!(seen["verdict"], "warn");
    let found = seen["found"].as_str().unwrap();
    // The manifest and the blob.
    assert_eq!(found.matches("site/arcdata/sealift-doctor@sha256:").count(), 2, "{found}");
    assert_eq!(found.matches("site/arcdata/sealift-doctor-mount@sha256:").count(), 1, "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_shown_with_its_authority_whether_or_not_it_is_trusted() {
    for (flaw, is_known, code, verdict, words) in [
        (Flaw::None, true, 0, "ok", "signed by"),
        (Flaw::None, false, 1, "fail", "signed by CN=Testbed authority"),
        (Flaw::Expired, true, 1, "fail", "has expired"),
        (Flaw::WrongName, true, 1, "fail", "is for another name"),
    ] {
        let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
        let door = Door::before(&site.target.address, flaw).await;
        let trust: &[&str] = if is_known { &["--ca-file", &door.authority] } else { &[] };
        let run = doctor(&site.source.address, &door.address, trust, &[]).await.expect(code);
        let tls = check(&run, "target", "TLS");
        assert_eq!(tls["verdict"], verdict, "{flaw:?} {tls:#}");
        assert!(tls["found"].as_str().unwrap().contains(words), "{flaw:?} {tls:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_not_there_skips_what_comes_behind() {
    let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    drop(listener);
    let run = doctor(&site.source.address, &target, &[], &[]).await.expect(1);
    let connection = check(&run, "target", "connection");
    assert!(connection["next"].as_str().unwrap().contains("Nothing listens at"), "{connection:#}");
    for name in ["TLS", "clock", "credentials", "push"] {
        assert_eq!(check(&run, "target", name)["verdict"], "skipped", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_a_wrong_clock_are_told() {
    let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
    let proxy = HttpProxy::start(site.target.address.parse().unwrap()).await.unwrap();
    proxy.set_rule(|_| {
        let headers =
            [("www-authenticate", "Basic realm=\"ship\""), ("date", "Sat, 01 Jan 2000 00:00:00 GMT")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Action::Respond { status: 401, headers, body: bytes::Bytes::new() }
    });
    let variables = [("TARGET_DOCKER_USERNAME", "captain"), ("TARGET_DOCKER_PASSWORD", "hunter2")];
    let run = doctor(&site.source.address, &proxy.address().to_string(), &[], &variables).await.expect(1);
    let clock = check(&run, "target", "clock");
    assert!(clock["verdict"] == "fail" && clock["found"].as_str().unwrap().contains("ahead"), "{clock:#}");
    let text = sealift(&["doctor", "--target-repository", "x"], &[], None).await.expect(2);
    assert!(text.stderr.contains("--target-registry"), "{}", text.stderr);
}

/// What people see, on one screen.
#[tokio::test(flavor = "multi_thread")]
async fn the_table_fits_a_screen() {
    let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
    let home = tempfile::tempdir().unwrap();
    let run = site.run_with("doctor", &WANTED, &[("HOME", home.path().to_str().unwrap())]).await.expect(0);
    assert!(run.stdout.lines().count() <= 40, "{}", run.stdout);
    assert!(run.stdout.contains("It will work; "), "{}", run.stdout);
    assert!(run.stdout.contains("  ok   pull        arcdata/arc-dns:"), "{}", run.stdout);
}
