//! The registry of the binary: what is pushed is kept and pulled, and how it begins and ends.

use std::fs::File;
use std::io::Seek as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use sealift_registry::client::{ClientConfig, RegistryClient};
use sealift_store::conformance::fixture;
use sealift_store::{DirectoryStore, PageRequest, Store};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

use crate::site::sealift;

/// No start, and no end, takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// A registry in a process of its own.
pub(crate) struct Registry {
    pub(crate) address: String,
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: File,
}

impl Registry {
    /// Starts one on a free port, and waits until it can be asked.
    pub(crate) async fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[]).await
    }

    /// Starts one with variables around it.
    pub(crate) async fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
        command.args([&["serve", "--listen", "127.0.0.1:0"], args].concat()).kill_on_drop(true);
        command.env_clear().envs(variables.iter().copied());
        let stderr = tempfile::tempfile().unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr.try_clone().unwrap());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        tokio::time::timeout(LIMIT, stdout.read_line(&mut line)).await.unwrap().unwrap();
        let (_, address) = line.trim().rsplit_once("http://").expect("it does not say where it is");
        Self { address: address.to_owned(), child, stdout, stderr }
    }

    pub(crate) fn client(&self) -> Arc<dyn Store> {
        let config = ClientConfig { plain_http: true, ..ClientConfig::default() };
        Arc::new(RegistryClient::new(self.address.parse().unwrap(), config).unwrap())
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to stop, and returns how it ended and what it said beside its address.
    pub(crate) async fn stop(mut self) -> (Option<i32>, String) {
        signal(&self.child).await;
        let ended = tokio::time::timeout(LIMIT, self.child.wait()).await.expect("it does not stop").unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).await.unwrap();
        self.stderr.rewind().unwrap();
        std::io::Read::read_to_string(&mut self.stderr, &mut rest).unwrap();
        (ended.code(), rest)
    }

    /// Sends bytes as they are, and returns what comes until the connection ends.
    pub(crate) async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await.expect("it hangs");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Gets a page, head and all.
    pub(crate) async fn page(&self, target: &str) -> String {
        self.raw(&format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
    }

    /// Sends a request without a body, and returns the status.
    pub(crate) async fn ask(&self, method: &str, target: &str) -> u16 {
        let answer = self
            .raw(&format!(
                "{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            ))
            .await;
        answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default()
    }
}

async fn signal(child: &Child) {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_is_there_after_a_restart() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("new/store");
    let image = fixture::index(&[fixture::image("a"), fixture::image("b")]);
    let name = "team/app".parse().unwrap();
    let registry = Registry::start(&[text(&directory)]).await;
    image.push(registry.client().as_ref(), &name, Some("v1")).await;
    assert_eq!(registry.ask("DELETE", "/v2/team/app/manifests/v1").await, 405, "nobody said so");
    let (code, told) = registry.stop().await;
    assert_eq!(code, Some(0));
    assert!(told.contains("It is empty.") && told.contains("--into"), "{told}");

    let registry = Registry::start(&[text(&directory), "--allow-delete"]).await;
    let client = registry.client();
    let found = client.source(&name).manifest(&image.digest().into()).await.unwrap();
    assert_eq!(found, image.manifest);
    let layer = &image.children[0].blobs[1];
    let digest = sealift_oci::Digest::sha256(layer);
    let body = client.source(&name).open_blob(&digest, 5).await.unwrap();
    assert_eq!(body.collect(layer.len()).await.unwrap(), layer[5..]);
    assert_eq!(registry.ask("DELETE", "/v2/team/app/manifests/v1").await, 202);
    assert_eq!(registry.ask("HEAD", "/v2/team/app/manifests/v1").await, 404);
    let (code, told) = registry.stop().await;
    assert_eq!(code, Some(0));
    assert!(told.contains("/team/app:v1\n"), "{told}");
}

/// What is under way ends, and what is idle does not hold it up.
#[tokio::test(flavor = "multi_thread")]
async fn it_stops_when_requests_have_ended() {
    let place = tempfile::tempdir().unwrap();
    let registry = Registry::start(&[text(place.path())]).await;
    let mut idle = TcpStream::connect(&registry.address).await.unwrap();
    idle.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut byte = [0];
    idle.read_exact(&mut byte).await.unwrap();
    let digest = sealift_oci::Digest::sha256(b"01234567");
    let mut stream = TcpStream::connect(&registry.address).await.unwrap();
    let head = format!(
        "POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n0123"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The request is under way when its upload is there.
    let uploads = place.path().join("a/_uploads");
    while std::fs::read_dir(&uploads).map_or(0, Iterator::count) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let address = registry.address.clone();
    signal(&registry.child).await;
    while TcpStream::connect(&address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stream.write_all(b"4567").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 201"), "{}", String::from_utf8_lossy(&answer));
    let mut child = registry.child;
    assert_eq!(tokio::time::timeout(LIMIT, child.wait()).await.unwrap().unwrap().code(), Some(0));
    let store = DirectoryStore::open(place.path()).unwrap();
    assert_eq!(store.source(&"a".parse().unwrap()).stat_blob(&digest).await.unwrap(), 8);
}

#[tokio::test]
async fn what_others_could_reach_must_be_meant() {
    let place = tempfile::tempdir().unwrap();
    let path = text(place.path());
    for (args, code, words) in [
        (&["--listen", "0.0.0.0:0"][..], 2, "--insecure-listen"),
        (&["--listen", "[::]:0"], 2, "--insecure-listen"),
        (&["--listen", "127.0.0.1:0", "--listen", "0.0.0.0:0"], 2, "--insecure-listen"),
        (&["--listen", "203.0.113.1:1", "--insecure-listen"], 2, "Name another address"),
        (&["--listen", "nowhere"], 2, "--listen"),
        (&["--read-only", "--allow-delete"], 2, "--allow-delete"),
        (&["--read-only", "--upstream", "ship.lan"], 2, "--upstream"),
        (&["--upstream", "https://ship.lan"], 2, "a registry reads HOST"),
        (&["--tag-ttl", "1h"], 2, "--upstream"),
        (&["other"], 2, "--read-only"),
    ] {
        let run = sealift(&[&["serve", path], args].concat(), &[], None).await.expect(code);
        assert!(run.stderr.contains(words), "{args:?}: {}", run.stderr);
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "a refusal leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_can_be_served_to_read_alone() {
    let place = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(place.path()).unwrap();
    let image = fixture::image("x");
    image.push(&store, &"a/b".parse().unwrap(), Some("t")).await;
    let registry = Registry::start(&["--read-only", text(place.path())]).await;
    assert_eq!(registry.ask("GET", "/v2/a/b/manifests/t").await, 200);
    for (method, target) in [
        ("POST", "/v2/a/b/blobs/uploads/"),
        ("PUT", "/v2/a/b/manifests/t"),
        ("DELETE", "/v2/a/b/manifests/t"),
    ] {
        assert_eq!(registry.ask(method, target).await, 405, "{method}");
    }
    let (code, told) = registry.stop().await;
    assert_eq!(code, Some(0));
    assert!(told.contains("/a/b:t"), "{told}");
}

/// What is broken is told, and the rest is served.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_directory_is_served_and_told_of() {
    let place = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(place.path()).unwrap();
    let image = fixture::image("x");
    for name in ["broken", "rotten", "whole"] {
        image.push(&store, &name.parse().unwrap(), Some("t")).await;
    }
    std::fs::write(place.path().join("broken/_layout/index.json"), "{").unwrap();
    let digest = sealift_oci::Digest::sha256(&image.blobs[0]);
    let rotten = place.path().join("rotten/_layout/blobs/sha256").join(digest.hex());
    std::fs::remove_file(&rotten).unwrap();
    std::fs::write(&rotten, "rotten").unwrap();
    let registry = Registry::start(&[text(place.path())]).await;
    assert_eq!(registry.ask("GET", "/v2/whole/manifests/t").await, 200);
    assert_eq!(registry.ask("GET", "/v2/broken/manifests/t").await, 500);
    registry.kill().await;

    let run = sealift(&["verify", text(place.path())], &[], None).await.expect(5);
    for words in ["broken: ", &format!("rotten@{digest}: its 6 bytes have"), "2 faults found"] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    std::fs::remove_dir_all(place.path().join("broken")).unwrap();
    std::fs::remove_dir_all(place.path().join("rotten")).unwrap();
    let run = sealift(&["verify", text(place.path())], &[], None).await.expect(0);
    assert!(run.stdout.contains("1 manifest and all they link to are whole"), "{}", run.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_links_to_can_be_removed() {
    let place = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(place.path()).unwrap();
    let (old, new) = (fixture::image("old"), fixture::image("new"));
    let name = "a".parse().unwrap();
    old.push(&store, &name, Some("t")).await;
    new.push(&store, &name, Some("t")).await;
    // All is young, so nothing goes whatever is asked for.
    for args in [&["--dry-run"][..], &[], &["--untagged", "--grace", "0s"]] {
        let run = sealift(&[&["gc", text(place.path())], args].concat(), &[], None).await.expect(0);
        assert!(run.stdout.starts_with("0 files"), "{}", run.stdout);
    }
    assert_eq!(store.source(&name).tags(&PageRequest::first()).await.unwrap().items.len(), 1);
    std::fs::write(place.path().join("a/_layout/index.json"), "{").unwrap();
    let run = sealift(&["gc", text(place.path())], &[], None).await.expect(1);
    assert!(run.stderr.contains("malformed"), "{}", run.stderr);
    let other = tempfile::tempdir().unwrap();
    sealift(&["gc", text(other.path())], &[], None).await.expect(0);
    std::fs::write(other.path().join("SHA256SUMS"), "").unwrap();
    let run = sealift(&["gc", text(other.path())], &[], None).await.expect(2);
    assert!(run.stderr.contains("it is not the directory of a registry"), "{}", run.stderr);
    let run = sealift(&["gc", text(&place.path().join("none"))], &[], None).await;
    assert!(run.code != Some(0), "{run:?}");
}
