//! Who is let in, and to what.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealift_store::MemoryStore;
use sealift_store::conformance::fixture;
use sealift_testbed::htpasswd::write_htpasswd;
use tempfile::TempDir;

use super::super::{Access, Auth, Rights, ServerConfig};
use super::{Fixture, Reply, name};

/// A server with users, over three repositories with the same image.
struct Guarded {
    fixture: Fixture,
    image: fixture::Image,
    file: PathBuf,
    heard: Arc<Mutex<Vec<Access>>>,
    _directory: TempDir,
}

const USERS: [(&str, &str); 3] = [("ci", "c:i"), ("me", "mine"), ("ops", "o")];

fn rights(rules: &[&str], anonymous: &[&str]) -> Rights {
    Rights {
        rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
        anonymous_pull: anonymous.iter().map(|prefix| prefix.parse().unwrap()).collect(),
    }
}

impl Guarded {
    async fn new(rights: Rights) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = write_htpasswd(directory.path(), &USERS).unwrap();
        let auth = Auth::open(&file, rights, Arc::new(|_: &str| {})).unwrap();
        let store = Arc::new(MemoryStore::new("memory"));
        let image = fixture::image("x");
        for repository in ["public/x", "team/app", "team/other"] {
            image.push(store.as_ref(), &name(repository), Some("t")).await;
        }
        let heard: Arc<Mutex<Vec<Access>>> = Arc::default();
        let log = Arc::clone(&heard);
        let access = move |access: &Access| log.lock().unwrap().push(access.clone());
        let config = ServerConfig {
            auth: Some(Arc::new(auth)),
            access: Some(Arc::new(access)),
            ..ServerConfig::default()
        };
        let fixture = Fixture::over(store, config).await;
        Self { fixture, image, file, heard, _directory: directory }
    }

    /// Asks as `user:password`, or as nobody.
    async fn ask(&self, who: &str, method: &str, target: &str) -> Reply {
        let mut headers = String::new();
        if !who.is_empty() {
            writeln!(headers, "Authorization: Basic {}\r", STANDARD.encode(who)).unwrap();
        }
        let body = if method == "PUT" { &self.image.manifest.bytes[..] } else { b"" };
        self.fixture.ask(method, target, &headers, body).await
    }
}

impl Guarded {
    /// Asks with a token, and returns the status.
    async fn show(&self, token: &str, method: &str, target: &str) -> u16 {
        let body = if method == "PUT" { &self.image.manifest.bytes[..] } else { b"" };
        let headers = format!("Authorization: Bearer {token}\r\n");
        self.fixture.ask(method, target, &headers, body).await.status
    }
}

const READ: &str = "/v2/team/app/manifests/t";

#[tokio::test]
async fn passwords_are_asked_for_and_checked() {
    let guarded = Guarded::new(Rights::default()).await;
    // Few enough wrong ones that nobody has to wait.
    for (who, path, status) in [
        ("", "/v2/", 401),
        (":", "/v2/", 401),
        ("", "/v2/_catalog", 401),
        ("", READ, 401),
        ("", "/v2/no/such/endpoint", 401),
        ("me", "/v2/", 401),
        ("me:wrong", READ, 401),
        ("you:mine", READ, 401),
        ("me:mine", "/v2/", 200),
        ("me:mine", READ, 200),
        ("ci:c:i", "/v2/_catalog", 200),
    ] {
        let reply = guarded.ask(who, "GET", path).await;
        assert_eq!(reply.status, status, "{who} {path}");
        let challenge = if status == 401 { "Basic realm=\"sealift\", charset=\"UTF-8\"" } else { "" };
        assert_eq!(reply.header("www-authenticate"), challenge, "{who} {path}");
    }
    let heard = guarded.heard.lock().unwrap();
    assert!(heard.iter().any(|access| access.user.as_deref() == Some("ci")));
    assert!(!format!("{heard:?}").contains("mine"));
}

#[tokio::test]
async fn an_unknown_user_is_answered_like_a_wrong_password() {
    let guarded = Guarded::new(Rights::default()).await;
    let known = guarded.ask("me:wrong", "GET", READ).await;
    let unknown = guarded.ask("nobody:wrong", "GET", READ).await;
    let without_date = |reply: &Reply| {
        let lines = reply.head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("date"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without_date(&known), without_date(&unknown));
    assert_eq!(known.body, unknown.body);
}

#[tokio::test]
async fn who_fails_too_often_waits_and_who_succeeded_does_not() {
    let guarded = Guarded::new(Rights::default()).await;
    assert_eq!(guarded.ask("me:mine", "GET", "/v2/").await.status, 200);
    let mut last = guarded.ask("", "GET", "/v2/").await;
    for _ in 0..8 {
        last = guarded.ask("ci:wrong", "GET", "/v2/").await;
    }
    assert_eq!((last.status, last.code().as_str()), (429, "TOOMANYREQUESTS"));
    assert!(last.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(guarded.ask("ci:c:i", "GET", "/v2/").await.status, 429, "it is not even looked at");
    assert_eq!(guarded.ask("me:mine", "GET", "/v2/").await.status, 200);
    assert_eq!(guarded.ask("", "GET", "/v2/").await.status, 401, "who has no password has not failed");
}

#[tokio::test]
async fn rights_go_by_repository() {
    let rules = ["ci:team/app:write", "*:team:read", "ops:*:write"];
    let guarded = Guarded::new(rights(&rules, &["public"])).await;
    let (ci, me, ops) = ("ci:c:i", "me:mine", "ops:o");
    let upload = "/v2/team/app/blobs/uploads/";
    for (who, method, target, status) in [
        ("", "GET", "/v2/public/x/manifests/t", 200),
        (":", "GET", "/v2/public/x/tags/list", 200),
        ("", "PUT", "/v2/public/x/manifests/u", 401),
        ("", "GET", READ, 401),
        ("", "GET", "/v2/team/app/tags/list", 401),
        ("", "GET", "/v2/none/app/tags/list", 401),
        (me, "GET", READ, 200),
        (me, "GET", "/v2/public/x/manifests/t", 200),
        (me, "GET", "/v2/none/app/manifests/t", 403),
        (me, "PUT", "/v2/team/app/manifests/u", 403),
        (me, "POST", upload, 403),
        (me, "GET", "/v2/team/app/blobs/uploads/x", 403),
        (me, "DELETE", READ, 403),
        (ci, "PUT", "/v2/team/app/manifests/u", 201),
        (ci, "PUT", "/v2/team/other/manifests/u", 403),
        (ci, "POST", upload, 202),
        (ops, "PUT", "/v2/team/other/manifests/u", 201),
        (ops, "POST", "/v2/else/blobs/uploads/", 202),
    ] {
        let reply = guarded.ask(who, method, target).await;
        assert_eq!(reply.status, status, "{who} {method} {target} {}", reply.code());
        if status == 403 {
            assert_eq!(reply.code(), "DENIED");
        }
    }
}

/// What Docker does: it is refused, gets itself a token with a password or without, and shows that.
#[tokio::test]
async fn where_something_is_for_everybody_there_are_tokens() {
    let guarded = Guarded::new(rights(&["ci:*:write", "me:*:read"], &["public"])).await;
    let (public, team) = ("/v2/public/x/manifests/t", READ);
    let cases = [
        ("", [200, 200, 401, 401, 401]),
        ("me:mine", [200, 200, 200, 403, 403]),
        ("ci:c:i", [200, 200, 200, 201, 201]),
    ];
    for (who, expected) in cases {
        let refused = guarded.ask("", "GET", "/v2/").await;
        let challenge = "Bearer realm=\"http://x/token\",service=\"x\"";
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, challenge));
        let issued = guarded.ask(who, "GET", "/token?service=x&scope=repository:public/x:pull,push").await;
        assert_eq!((issued.status, issued.header("cache-control")), (200, "no-store"), "{who}");
        let issued = issued.json();
        assert_eq!((&issued["token"], &issued["expires_in"]), (&issued["access_token"], &300.into()));
        let token = issued["token"].as_str().unwrap();
        for ((method, target), expected) in
            [("GET", "/v2/"), ("GET", public), ("GET", team), ("PUT", public), ("PUT", team)]
                .into_iter()
                .zip(expected)
        {
            assert_eq!(guarded.show(token, method, target).await, expected, "{who} {method} {target}");
        }
    }
    assert_eq!(guarded.ask("", "GET", public).await.status, 200, "nobody needs a token to pull");
    assert_eq!(guarded.ask("ci:c:i", "PUT", public).await.status, 201, "a password does as before");
    assert_eq!(guarded.show("forged", "GET", public).await, 401);
}

#[tokio::test]
async fn a_token_is_given_to_who_says_rightly_who_they_are() {
    let guarded = Guarded::new(rights(&[], &["public"])).await;
    let basic = "Basic realm=\"sealift\", charset=\"UTF-8\"";
    for (who, method, status, challenge) in [
        ("me:wrong", "GET", 401, basic),
        ("nobody:mine", "GET", 401, basic),
        ("me:mine", "POST", 405, ""),
        ("", "HEAD", 405, ""),
    ] {
        let reply = guarded.ask(who, method, "/token").await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (status, challenge), "{who} {method}");
    }
    for (headers, challenge) in [
        ("X-Forwarded-Proto: https\r\n", "Bearer realm=\"https://x/token\",service=\"x\""),
        ("Authorization: Basic !\r\n", "Bearer realm=\"http://x/token\",service=\"x\""),
    ] {
        let reply = guarded.fixture.ask("GET", "/v2/", headers, b"").await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, challenge), "{headers}");
    }
    let nameless = guarded.fixture.raw(b"GET /v2/ HTTP/1.0\r\nHost: a\"b\r\n\r\n").await.unwrap();
    assert_eq!((nameless.status, nameless.header("www-authenticate")), (401, basic));
    for closed in [Fixture::new().await, Guarded::new(Rights::default()).await.fixture] {
        assert!([401, 404].contains(&closed.get("/token").await.status), "there are no tokens");
    }
    let closed = Guarded::new(Rights::default()).await;
    assert_eq!(closed.ask("me:mine", "GET", "/token").await.status, 404);
}

#[tokio::test]
async fn the_catalog_has_what_the_caller_may_read() {
    let guarded = Guarded::new(rights(&["ci:team/app:write", "ops:*:read"], &["public"])).await;
    let all = serde_json::json!(["public/x", "team/app", "team/other"]);
    for (who, expected) in [
        ("", serde_json::json!(["public/x"])),
        ("ci:c:i", serde_json::json!(["public/x", "team/app"])),
        ("ops:o", all),
    ] {
        let reply = guarded.ask(who, "GET", "/v2/_catalog").await;
        assert_eq!(reply.json()["repositories"], expected, "{who}");
    }
    let page = guarded.ask("ci:c:i", "GET", "/v2/_catalog?n=1").await;
    assert_eq!(page.header("link"), "</v2/_catalog?n=1&last=public%2Fx>; rel=\"next\"");
    let last = guarded.ask("ci:c:i", "GET", "/v2/_catalog?n=1&last=public%2Fx").await;
    assert_eq!(last.json()["repositories"], serde_json::json!(["team/app"]));
    assert_eq!(last.header("link"), "", "what follows is not for this user");
}

#[tokio::test]
async fn blobs_are_mounted_from_where_the_caller_may_read() {
    let guarded = Guarded::new(rights(&["ci:mine:write", "ci:team/app:read", "me:mine:write"], &[])).await;
    let digest = guarded.image.manifest.links.blobs[0].digest;
    for (who, repository, query, status) in [
        ("ci:c:i", "one", "&from=team/other", 202),
        // Without a repository all are looked at that the caller may read.
        ("me:mine", "two", "", 202),
        ("ci:c:i", "three", "", 201),
        ("ci:c:i", "four", "&from=team/app", 201),
    ] {
        let target = format!("/v2/mine/{repository}/blobs/uploads/?mount={digest}{query}");
        assert_eq!(guarded.ask(who, "POST", &target).await.status, status, "{target}");
        let blob = format!("/v2/mine/{repository}/blobs/{digest}");
        let found = guarded.ask(who, "GET", &blob).await.status;
        assert_eq!(found, if status == 201 { 200 } else { 404 }, "{target}");
    }
}

#[tokio::test]
async fn pages_and_figures_are_for_who_may_read() {
    let guarded = Guarded::new(rights(&["ci:team/app:read"], &["public"])).await;
    for (who, path, status) in [
        ("", "/", 200),
        ("", "/repository/public/x", 200),
        ("", "/repository/team/app", 401),
        ("", "/repository/team/app?image=t", 401),
        ("", "/metrics", 401),
        ("", "/healthz", 200),
        ("", "/readyz", 200),
        ("ci:c:i", "/repository/team/app?image=t", 200),
        ("ci:c:i", "/repository/team/other", 403),
        ("ci:c:i", "/metrics", 200),
    ] {
        assert_eq!(guarded.ask(who, "GET", path).await.status, status, "{who} {path}");
    }
    let page = guarded.ask("ci:c:i", "GET", "/repository/team/app?image=t").await;
    let page = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(page.contains("public/x") && !page.contains("team/other"), "{page}");
    let closed = Guarded::new(Rights::default()).await;
    assert_eq!(closed.ask("", "GET", "/").await.status, 401);
}

#[tokio::test]
async fn a_changed_file_of_users_counts() {
    let guarded = Guarded::new(Rights::default()).await;
    assert_eq!(guarded.ask("me:mine", "GET", "/v2/").await.status, 200);
    let others = tempfile::tempdir().unwrap();
    let changed = write_htpasswd(others.path(), &[("me", "another")]).unwrap();
    fs::copy(changed, &guarded.file).unwrap();
    for _ in 0..100 {
        if guarded.ask("me:mine", "GET", "/v2/").await.status != 200 {
            assert_eq!(guarded.ask("me:another", "GET", "/v2/").await.status, 200);
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the old password still counts");
}

#[test]
fn a_file_that_cannot_be_used_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("htpasswd");
    fs::write(&file, "me:$apr1$abcdefgh$0123456789012345678901\n").unwrap();
    let error = Auth::open(&file, Rights::default(), Arc::new(|_: &str| {})).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "htpasswd: line 1: the password of me is not hashed with bcrypt; write it with htpasswd -B"
        ),
        "{error}"
    );
}
