//! Who may ask the registry of the binary, over what, and what is written down of it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sealift_oci::RepositoryName;
use sealift_registry::client::{ClientConfig, Credentials, RegistryClient, Secret};
use sealift_store::conformance::fixture;
use sealift_store::{ErrorKind, Result, Store};
use sealift_testbed::htpasswd::write_htpasswd;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// No start takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// A registry in a process of its own, with its first lines.
struct Guarded {
    _child: Child,
    port: u16,
}

fn serve(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    command.arg("serve").args(args).env_clear().kill_on_drop(true).stdin(Stdio::null());
    command
}

impl Guarded {
    async fn start(args: &[&str]) -> Self {
        let mut child = serve(args).args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        tokio::time::timeout(LIMIT, stdout.read_line(&mut line)).await.unwrap().unwrap();
        let (_, address) = line.trim().rsplit_once("https://").expect("it is not served over TLS");
        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        Self { _child: child, port }
    }

    /// Returns a client that trusts an authority.
    fn client(&self, authority: &Path, credentials: Credentials) -> RegistryClient {
        let config = ClientConfig {
            ca_files: vec![std::fs::read(authority).unwrap()],
            credentials,
            ..ClientConfig::default()
        };
        RegistryClient::new(format!("localhost:{}", self.port).parse().unwrap(), config).unwrap()
    }
}

fn user(name: &str, password: &str) -> Credentials {
    Credentials::Basic { username: name.to_owned(), password: Secret::new(password) }
}

async fn tags(client: &RegistryClient, repository: &str) -> Result<usize> {
    let repository: RepositoryName = repository.parse().unwrap();
    let page = client.source(&repository).tags(&sealift_store::PageRequest::first()).await?;
    Ok(page.items.len())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_push_over_tls_and_it_is_written_down() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let users = write_htpasswd(place.path(), &[("ci", "secret-word"), ("me", "mine")]).unwrap();
    let (store, tls, log) = (path("store"), path("tls"), path("log"));
    let guarded = Guarded::start(&[
        text(&store),
        "--tls-self-signed",
        text(&tls),
        "--htpasswd",
        text(&users),
        "--allow",
        "ci:team:write",
        "--allow",
        "me:other:read",
        "--anonymous-pull=public",
        "--access-log",
        text(&log),
        "--access-log-format",
        "json",
    ])
    .await;
    let authority = tls.join("ca.crt");
    let image = fixture::image("x");
    let ci = guarded.client(&authority, user("ci", "secret-word"));
    image.push(&ci, &"team/app".parse().unwrap(), Some("t")).await;
    assert_eq!(tags(&ci, "team/app").await.unwrap(), 1);
    for (who, repository, kind) in [
        (user("me", "mine"), "team/app", ErrorKind::Denied),
        (user("me", "wrong"), "team/app", ErrorKind::Unauthenticated),
        (Credentials::Anonymous, "team/app", ErrorKind::Unauthenticated),
        (Credentials::Anonymous, "public/x", ErrorKind::NotFound),
        (user("me", "mine"), "other", ErrorKind::NotFound),
    ] {
        let client = guarded.client(&authority, who.clone());
        assert_eq!(tags(&client, repository).await.unwrap_err().kind(), kind, "{who:?} {repository}");
    }
    drop(guarded);
    let log = std::fs::read_to_string(log).unwrap();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["user"] == "ci" && line["status"] == 201), "{log}");
    assert!(lines.iter().any(|line| line["status"] == 401), "{log}");
    assert!(!log.contains("secret-word") && !log.contains("mine\""), "{log}");
}

/// As systemd hands a socket over: it is the third file, and the variables say so.
#[tokio::test]
async fn a_socket_that_is_handed_over_is_served() {
    let place = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" 3<&0 </dev/null";
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_sealift"), "serve"])
        .arg(place.path().join("store"));
    command.env_clear().kill_on_drop(true).stdin(std::os::fd::OwnedFd::from(listener));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    tokio::time::timeout(LIMIT, stdout.read_line(&mut line)).await.unwrap().unwrap();
    assert!(line.ends_with(&format!(" at http://{address}\n")), "{line}");
    let config = ClientConfig { plain_http: true, ..ClientConfig::default() };
    let client = RegistryClient::new(address.to_string().parse().unwrap(), config).unwrap();
    assert_eq!(tags(&client, "none").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_in_words() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    std::fs::write(&file, "me:plain\n").unwrap();
    let (store, file) = (place.path().join("store"), text(&file));
    let cases: [(&[&str], &str); 7] = [
        (&["--htpasswd", file], "the password of me is not hashed with bcrypt"),
        (&["--tls-cert", file, "--tls-key", file], "it has no certificate in PEM form"),
        (&["--tls-cert", file], "--tls-key"),
        (&["--allow", "me:x:write"], "--htpasswd"),
        (&["--htpasswd", file, "--allow", "me:write"], "a right reads USER:PREFIX:read"),
        (&["--access-log", "/"], "--access-log /: "),
        (&["--listen", "0.0.0.0:0", "--htpasswd", file], "at 0.0.0.0:0 everybody who reaches this machine"),
    ];
    for (args, expected) in cases {
        let args = [&[text(&store)], args].concat();
        let output = tokio::time::timeout(LIMIT, serve(&args).output()).await.unwrap().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?} {stderr}");
        assert!(stderr.contains(expected), "{args:?} {stderr}");
    }
}
