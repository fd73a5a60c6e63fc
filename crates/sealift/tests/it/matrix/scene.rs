//! Where a case is played: a source and a target that want tokens, a line in front of one that breaks, and
//! the whole program between them, in this process or in one of its own.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sealift::Environment;
use sealift_oci::{Digest, ManifestRef};
use sealift_store::conformance::fixture::{self, Image};
use sealift_store::{MemoryStore, Source};
use sealift_testbed::http_proxy::{Action, HttpProxy, RequestHead};
use tempfile::TempDir;

use super::case::{Case, KINDS, Kind, respond};
use crate::prompts::{Kept, Script};
use crate::site::{KNOWN, Run, Served, sealift};

/// The gate comes last.
pub(super) const NAMES: [&str; 3] = ["arc-dns", "arc-sqlmi", "arc-controller"];

/// With all that words are cut at, that is escaped somewhere, or that is joined.
const PASSWORD: &str = "tr0=ub4?dor$&\"3\"  and 'so on', for longer than most";
/// `user:` and the password.
const BASIC: &str = "dXNlcjp0cjA9dWI0P2RvciQmIjMiICBhbmQgJ3NvIG9uJywgZm9yIGxvbmdlciB0aGFuIG1vc3Q";
/// The password alone.
const ENCODED: &str = "dHIwPXViND9kb3IkJiIzIiAgYW5kICdzbyBvbicsIGZvciBsb25nZXIgdGhhbiBtb3N0";
/// How every token begins.
const TOKEN: &str = "t0k3n-of-the-guard-";

/// What must be seen nowhere.
pub(super) const SECRETS: [&str; 5] = [PASSWORD, "tr0=ub", BASIC, ENCODED, TOKEN];

/// Where a body breaks whose length the rule does not see; every token and manifest is longer than twice.
const SOMEWHERE: u64 = 40;
/// More than any case waits for somebody who is not silent.
const PATIENCE: &str = "20";

/// What most cases move: one layer is large enough to be remembered when it breaks off.
pub(super) static IMAGES: LazyLock<Vec<Image>> = LazyLock::new(|| images(1_500_000));

/// One layer is so large that sending all of it would count as progress, which gives new attempts.
pub(super) static LARGE_IMAGES: LazyLock<Vec<Image>> = LazyLock::new(|| images(9_000_000));

/// Three images that share a layer; one is for two platforms, and one of its layers has this size.
fn images(large: usize) -> Vec<Image> {
    let base = fixture::noise("base", 50_000);
    let image =
        |name: &str, size: usize| fixture::image_of(name, &[base.clone(), fixture::noise(name, size)]);
    let index = fixture::index(&[image("amd64", large), fixture::docker_image("arm64")]);
    vec![image(NAMES[0], 20_000), index, image(NAMES[2], 5_000)]
}

/// What the target has under the tag of the first image before the run.
static OLD: LazyLock<Image> = LazyLock::new(|| fixture::image("old"));

/// The lengths of all blobs, by digest.
static LENGTHS: LazyLock<HashMap<String, u64>> = LazyLock::new(|| {
    let images = || IMAGES.iter().chain(LARGE_IMAGES.iter());
    let children = images().flat_map(|image| &image.children);
    let blobs = images().chain(children).flat_map(|image| &image.manifest.links.blobs);
    blobs.map(|blob| (blob.digest.to_string(), blob.size)).collect()
});

/// A source of many cases; nothing changes it.
pub(super) struct Stock {
    served: Served,
    images: &'static [Image],
    /// Whether targets forget uploads that broke off, as Docker's registry does.
    forgets: bool,
}

impl Stock {
    pub(super) async fn new(images: &'static [Image], forgets: bool) -> Self {
        let store = MemoryStore::new("source");
        for (name, image) in NAMES.iter().zip(images) {
            image.push(&store, &format!("arcdata/{name}").parse().unwrap(), Some(KNOWN)).await;
        }
        Self { served: Served::new(Arc::new(store)).await, images, forgets }
    }
}

pub(super) struct Scene {
    images: &'static [Image],
    forgets: bool,
    target: Served,
    state: TempDir,
    lines: [Line; 2],
}

/// What a run goes through to one registry: a line that may break, and a guard that wants tokens.
struct Line {
    outer: HttpProxy,
    _guard: HttpProxy,
}

impl Line {
    async fn new(registry: &Served) -> Self {
        let guard = HttpProxy::start(registry.address.parse().unwrap()).await.unwrap();
        let outer = HttpProxy::start(guard.address()).await.unwrap();
        let (challenge, given) = (challenge(&outer), AtomicUsize::new(0));
        guard.set_rule(move |head| {
            if head.path == "/token" {
                let token = format!("{TOKEN}{:08}", given.fetch_add(1, Ordering::SeqCst));
                let body = serde_json::json!({"token": token, "expires_in": 300}).to_string();
                return respond(200, ("content-type", "application/json"), body);
            }
            let shown = head.headers.get("authorization").and_then(|shown| shown.to_str().ok());
            match shown.is_some_and(|shown| shown.starts_with(&format!("Bearer {TOKEN}"))) {
                true => Action::Pass,
                false => respond(401, ("www-authenticate", &challenge), String::new()),
            }
        });
        Self { outer, _guard: guard }
    }
}

fn challenge(line: &HttpProxy) -> String {
    format!(r#"Bearer realm="{}/token",service="guard""#, line.url())
}

impl Scene {
    pub(super) async fn new(source: &Stock) -> Self {
        let target = Arc::new(MemoryStore::new("target"));
        OLD.push(target.as_ref(), &format!("site/arcdata/{}", NAMES[0]).parse().unwrap(), Some(KNOWN)).await;
        let target = Served::new(target).await;
        let lines = [Line::new(&source.served).await, Line::new(&target).await];
        let Stock { images, forgets, .. } = *source;
        Self { images, forgets, target, state: tempfile::tempdir().unwrap(), lines }
    }

    fn line(&self, kind: Kind) -> &HttpProxy {
        &self.lines[usize::from(!kind.is_at_source())].outer
    }

    pub(super) fn address(&self, kind: Kind) -> String {
        self.line(kind).address().to_string()
    }

    /// Breaks the request of that number of the case's kind, and tells how often that was done.
    pub(super) fn arm(&self, case: &Case, number: usize) -> Arc<AtomicUsize> {
        let (line, case, shown) = (self.line(case.kind), *case, Arc::<AtomicUsize>::default());
        let (challenge, seen, counter) = (challenge(line), AtomicUsize::new(0), Arc::clone(&shown));
        let forgets = self.forgets;
        line.set_rule(move |head| {
            if forgets && head.method == "GET" && head.path.contains("/blobs/uploads/") {
                return Action::status(404);
            }
            let is_due = |at: usize| if case.for_ever { at >= number } else { at == number };
            if !case.kind.is_of(head) || !is_due(seen.fetch_add(1, Ordering::SeqCst)) {
                return Action::Pass;
            }
            counter.fetch_add(1, Ordering::SeqCst);
            let secrets = format!("{PASSWORD} {BASIC}== {ENCODED} {:?}", head.headers.get("authorization"));
            case.fault.action(half(head), &head.path, &challenge, &secrets)
        });
        shown
    }

    pub(super) fn disarm(&self) {
        self.lines.iter().for_each(|line| line.outer.set_rule(|_| Action::Pass));
    }

    /// How many requests of each kind there were.
    pub(super) fn counts(&self) -> Vec<(Kind, usize)> {
        KINDS.iter().map(|&kind| (kind, self.line(kind).count(|it| kind.is_of(&it.head)))).collect()
    }

    /// Mirrors the images, in a process of its own or in this one.
    pub(super) async fn run(&self, case: Option<&Case>, is_process: bool) -> Run {
        let [source, target] = [0, 1].map(|end| self.lines[end].outer.address().to_string());
        let patience = if case.is_some_and(|case| case.fault.is_silence()) { "1" } else { PATIENCE };
        // One after the other, so that the request of a number is the same in every run; but what is tried
        // again and again is not to add up.
        let connections = if case.is_some_and(|case| case.for_ever) { "8" } else { "1" };
        let args = [
            &["mirror", "-v", "--tag", KNOWN, "--output", "json", "--max-connections", connections][..],
            &["--source-registry", &source, "--target-registry", &target],
            &["--target-repository", "site/arcdata", "--stall-timeout", patience],
            &["--state", self.state.path().to_str().unwrap()],
            &NAMES.map(|name| ["--image", name]).concat(),
        ]
        .concat();
        let variables = ["SOURCE", "TARGET"].map(|side| {
            [(format!("{side}_DOCKER_USERNAME"), "user"), (format!("{side}_DOCKER_PASSWORD"), PASSWORD)]
        });
        let variables: Vec<(&str, &str)> =
            variables.iter().flatten().map(|(name, value)| (name.as_str(), *value)).collect();
        if is_process { sealift(&args, &variables, None).await } else { inside(&args, &variables).await }
    }

    /// Everything that the state directory holds.
    pub(super) fn kept(&self) -> String {
        let files = files_below(self.state.path());
        files.iter().map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned()).collect()
    }

    fn repository(&self, name: &str) -> Arc<dyn Source> {
        self.target.store.source(&format!("site/arcdata/{name}").parse().unwrap())
    }

    /// Which images have their tag, after making sure that what has one is whole: the new image, or the one
    /// that was there before, or another one where tags may be spoiled.
    pub(super) async fn tagged(&self, may_be_spoiled: bool) -> Result<[bool; NAMES.len()], String> {
        let mut tagged = [false; NAMES.len()];
        for (position, name) in NAMES.iter().enumerate() {
            let (repository, tag) = (self.repository(name), KNOWN.parse().unwrap());
            let there = repository.resolve(&ManifestRef::Tag(tag)).await.ok().map(|there| there.digest);
            let old = (position == 0).then(|| OLD.digest());
            tagged[position] = there == Some(self.images[position].digest());
            if !tagged[position] && there != old && !may_be_spoiled {
                return Err(format!("{name} has the tag of {there:?}"));
            }
            if let Some(digest) = there {
                whole(repository.as_ref(), digest).await.map_err(|what| format!("{name}: {what}"))?;
            }
        }
        Ok(tagged)
    }
}

fn half(head: &RequestHead) -> u64 {
    let length = head.headers.get("content-length").and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    let blob = head.path.rsplit_once('/').and_then(|(_, digest)| LENGTHS.get(digest).copied());
    blob.or(length.filter(|length| *length > 0)).map_or(SOMEWHERE, |length| length / 2)
}

/// All files below a directory.
fn files_below(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Reads all that a manifest leads to, and compares each with its digest.
fn whole(repository: &dyn Source, digest: Digest) -> BoxFuture<'_, Result<(), String>> {
    async move {
        let manifest =
            repository.manifest(&ManifestRef::Digest(digest)).await.map_err(|it| it.to_string())?;
        if Digest::sha256(&manifest.bytes) != digest {
            return Err(format!("{digest} is another manifest"));
        }
        for child in &manifest.links.manifests {
            whole(repository, child.digest).await?;
        }
        for blob in &manifest.links.blobs {
            let body = repository.open_blob(&blob.digest, 0).await.map_err(|it| it.to_string())?;
            let content: Bytes = body.collect(10_000_000).await.map_err(|it| it.to_string())?;
            if Digest::sha256(&content) != blob.digest {
                return Err(format!("{} is another blob", blob.digest));
            }
        }
        Ok(())
    }
    .boxed()
}

/// Runs the whole program as a function: much cheaper than a process.
async fn inside(args: &[&str], variables: &[(&str, &str)]) -> Run {
    let (stdout, stderr) = (Kept::default(), Kept::default());
    let environment = Environment {
        variables: variables.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        is_interactive: false,
        stdin_is_terminal: false,
        stdout_file: None,
        stdout_width: None,
        stderr_width: None,
        stderr_size: || None,
        stdin: Box::new(io::empty()),
        stdout: Box::new(stdout.clone()),
        stderr: Box::new(stderr.clone()),
        prompter: Box::new(Script(Vec::new())),
    };
    let args: Vec<String> = std::iter::once(&"sealift").chain(args).map(|&it| it.to_owned()).collect();
    let exit = tokio::task::spawn_blocking(|| sealift::run(args, environment)).await.unwrap();
    Run { code: Some(exit.code().into()), stdout: stdout.text(), stderr: stderr.text() }
}
