//! A site: a source registry with a release, an empty target registry, and the binary.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use sealift_oci::{Digest, Tag};
use sealift_registry::server::{RunningServer, Server, ServerConfig};
use sealift_store::conformance::fixture::{self, Image};
use sealift_store::{Action, Call, DirectoryStore, Faults, MemoryStore, Store};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;

/// A release whose list is known.
pub(crate) const KNOWN: &str = "v1.42.0_2025-10-14";
/// A release whose list is not known.
pub(crate) const UNKNOWN: &str = "v1.46.0_2026-05-12";

/// No run takes longer, whatever is broken.
const LIMIT: Duration = Duration::from_secs(60);

/// A registry in this process.
pub(crate) struct Served {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) address: String,
    _server: RunningServer,
}

impl Served {
    pub(crate) async fn new(store: Arc<dyn Store>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Server::new(Arc::clone(&store), ServerConfig::default()).serve(listener).unwrap();
        Self { store, address, _server: server }
    }
}

pub(crate) struct Site {
    pub(crate) source: Served,
    pub(crate) target: Served,
    pub(crate) directory: TempDir,
}

/// The names of the images of the known release.
pub(crate) fn names() -> Vec<String> {
    let tag: Tag = KNOWN.parse().unwrap();
    sealift_catalog::image_set(&tag).names().to_vec()
}

/// The image of that name in that release: a layer that all share, one of its own.
pub(crate) fn image(tag: &str, name: &str) -> Image {
    let own = format!("{name} {tag}");
    fixture::image_of(&own, &[fixture::noise("base", 50_000), fixture::noise(&own, 1_000)])
}

/// A place in memory that holds these images of these releases.
pub(crate) async fn filled(releases: &[(&str, &[&str])]) -> Arc<dyn Store> {
    let store = MemoryStore::new("memory");
    for (tag, names) in releases {
        for name in *names {
            let repository = format!("arcdata/{name}").parse().unwrap();
            image(tag, name).push(&store, &repository, Some(tag)).await;
        }
    }
    Arc::new(store)
}

impl Site {
    /// The source holds the whole known release.
    pub(crate) async fn new() -> Self {
        let names = names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Self::with(&[(KNOWN, names.as_slice())]).await
    }

    /// The source holds these images of these releases.
    pub(crate) async fn with(releases: &[(&str, &[&str])]) -> Self {
        Self::of(filled(releases).await).await
    }

    /// The known release behind faults.
    pub(crate) async fn broken(script: impl Fn(&Call) -> Action + Send + Sync + 'static) -> Self {
        let names = names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let store = filled(&[(KNOWN, names.as_slice())]).await;
        Self::of(Arc::new(Faults::new(store, script))).await
    }

    pub(crate) async fn of(store: Arc<dyn Store>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let target = Arc::new(DirectoryStore::open(directory.path()).unwrap());
        Self { source: Served::new(store).await, target: Served::new(target).await, directory }
    }

    /// Runs a command with both registries given.
    pub(crate) async fn run(&self, command: &str, more: &[&str]) -> Run {
        self.run_with(command, more, &[]).await
    }

    pub(crate) async fn run_with(&self, command: &str, more: &[&str], variables: &[(&str, &str)]) -> Run {
        let given = [
            &[command, "--source-registry", &self.source.address],
            &["--target-registry", &self.target.address, "--target-repository", "site/arcdata"][..],
            more,
        ]
        .concat();
        let run = sealift(&given, variables, None).await;
        Run { stdout: self.redact(&run.stdout), stderr: self.redact(&run.stderr), ..run }
    }

    /// Ports and times differ from run to run.
    pub(crate) fn redact(&self, text: &str) -> String {
        let text = text.replace(&self.source.address, "SOURCE").replace(&self.target.address, "TARGET");
        text.lines().map(|line| redact_time(line) + "\n").collect()
    }

    /// What the target's tag of an image points at.
    pub(crate) async fn tagged(&self, name: &str, tag: &str) -> Option<Digest> {
        let repository = format!("site/arcdata/{name}").parse().unwrap();
        let tag: Tag = tag.parse().unwrap();
        let there = self.target.store.target(&repository).unwrap().stat_manifest(&tag.into()).await.unwrap();
        there.map(|there| there.digest)
    }

    /// The file that a blob of an image lies in at the target, as a file of its own.
    pub(crate) fn blob(&self, name: &str, digest: &Digest) -> PathBuf {
        let layout = self.directory.path().join("site/arcdata").join(name).join("_layout");
        let path = layout.join("blobs/sha256").join(digest.hex());
        let content = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }
}

/// Replaces the time at the end of a line, and the padding before it.
fn redact_time(line: &str) -> String {
    let line = line.trim_end();
    let (text, end) = line.strip_suffix('.').map_or((line, ""), |text| (text, "."));
    let (rest, last) = text.rsplit_once(' ').unwrap_or(("", text));
    let is_time = |text: &str| text.ends_with('s') && text.starts_with(|c: char| c.is_ascii_digit());
    if last == "s" {
        let rest = rest.rsplit_once(' ').map_or("", |(rest, _)| rest);
        return format!("{rest} TIME{end}");
    }
    match last {
        "time" | "-" => format!("{} {last}", rest.trim_end()),
        _ if is_time(last) => format!("{} TIME", rest.trim_end()),
        _ => line.to_owned(),
    }
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the binary with nothing around it but what is given; without `stdin` that is closed.
pub(crate) async fn sealift(args: &[&str], variables: &[(&str, &str)], stdin: Option<&str>) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    command.args(args).env_clear().envs(variables.iter().copied()).kill_on_drop(true);
    command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    if let Some(text) = stdin {
        use tokio::io::AsyncWriteExt;
        child.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
    }
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await.expect("the run hangs").unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Run {
    /// Asserts the exit code, and shows everything where it is another.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{}", self.stdout))
    }

    /// The outcome or verdict of each image, `name:release` to outcome.
    #[track_caller]
    pub(crate) fn outcomes(&self) -> Vec<(String, String)> {
        let report = self.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let images = report["images"].as_array().unwrap().iter();
        images
            .map(|image| {
                let outcome = if image["outcome"].is_null() { &image["verdict"] } else { &image["outcome"] };
                (text(&image["name"]), text(outcome))
            })
            .collect()
    }

    #[track_caller]
    pub(crate) fn outcome(&self, name: &str) -> String {
        self.outcomes().into_iter().find(|(it, _)| it == name).unwrap().1
    }
}

/// Makes a program out of a script. Another process writes it, since no program starts while somebody, such
/// as a test that is just starting another one, has it open to write.
pub(crate) fn write_program(path: &Path, script: &str) {
    use std::io::Write as _;
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"]).arg(path).stdin(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{script}\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}
