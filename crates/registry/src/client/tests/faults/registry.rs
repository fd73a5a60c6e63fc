//! A registry that is whole but for the fault of its case. It checks itself: a manifest whose blobs it lacks,
//! a request without the token, and a request that nobody should send are failures of the test.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sealift_oci::{Digest, Manifest, ManifestRef};
use sealift_store::conformance::fixture::Image;
use tokio_rustls::TlsAcceptor;

use super::fault::{Case, Fault, Step};
use super::http::{Answered, Asked, Output, serve};
use crate::client::tests::peer::BASIC;
use crate::wire::Route;

/// The token that it gives; it must be seen nowhere.
pub(super) const TOKEN: &str = "t0k3n-of-the-script-t0k3n";

/// What it has and what it saw.
#[derive(Debug, Default)]
struct State {
    /// By repository and digest.
    blobs: BTreeSet<(String, Digest)>,
    contents: BTreeMap<Digest, Bytes>,
    manifests: BTreeMap<(String, Digest), Manifest>,
    tags: BTreeMap<(String, String), Digest>,
    uploads: BTreeMap<String, Vec<u8>>,
    begun: usize,
    /// Whether it refuses to link blobs, so that uploads are begun without.
    links_nothing: bool,
    /// Whether it says that it linked what it has not.
    lies: bool,
    /// How often the fault was shown.
    shown: usize,
    failures: Vec<String>,
}

/// A registry with a fault.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) address: String,
    state: Arc<Mutex<State>>,
}

impl Registry {
    pub(super) async fn start(case: &Case, acceptor: Option<TlsAcceptor>) -> Self {
        let state = Arc::<Mutex<State>>::default();
        {
            let mut state = state.lock().unwrap();
            state.links_nothing = case.step == Step::Start;
            state.lies = case.step == Step::Mount && matches!(case.fault, Fault::Status(201, _));
        }
        let (shared, case) = (Arc::clone(&state), case.clone());
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let elsewhere = elsewhere(Arc::clone(&state)).await;
        let port = serve(acceptor, move |asked| {
            let address = format!("{scheme}://{}", asked.header("host"));
            let mut state = shared.lock().unwrap();
            let is_due = case.always || state.shown == 0;
            let is_hit = is_due && step(&asked) == Some(case.step) && case.fault.hits(&asked);
            if !is_hit {
                return Output::Bytes(with_length(state.answer(&asked, &address)).to_bytes());
            }
            state.shown += 1;
            // What is refused is not done, and what breaks off on the way back is.
            let answered = match case.fault.is_refusal() {
                true => Answered { is_head: asked.method == "HEAD", ..Answered::new(0) },
                false => state.answer(&asked, &address),
            };
            case.fault.output(with_length(answered), &asked, &elsewhere)
        })
        .await;
        Self { address: format!("127.0.0.1:{port}"), state }
    }

    /// Puts an image into it.
    pub(super) fn publish(&self, repository: &str, image: &Image) {
        let mut state = self.state.lock().unwrap();
        for content in &image.blobs {
            state.keep_blob(repository, content.clone());
        }
        for child in &image.children {
            drop(state);
            self.publish(repository, child);
            state = self.state.lock().unwrap();
        }
        let digest = image.manifest.digest();
        state.manifests.insert((repository.to_owned(), digest), image.manifest.clone());
        state.tags.insert((repository.to_owned(), "v1".to_owned()), digest);
    }

    /// Returns what a tag points at.
    pub(super) fn tagged(&self, repository: &str) -> Option<Digest> {
        let key = (repository.to_owned(), "v1".to_owned());
        self.state.lock().unwrap().tags.get(&key).copied()
    }

    /// Tells whether the fault was shown, and fails where something was wrong.
    pub(super) fn check(&self) -> bool {
        let state = self.state.lock().unwrap();
        assert!(state.failures.is_empty(), "{:?}", state.failures);
        state.shown > 0
    }
}

/// Another host, to which the registry may redirect. It has the same content and wants no credentials.
async fn elsewhere(state: Arc<Mutex<State>>) -> String {
    let port = serve(None, move |asked| {
        let mut state = state.lock().unwrap();
        if !asked.header("authorization").is_empty() {
            state.failures.push(format!("credentials for another host: {} {}", asked.method, asked.target));
        }
        // A token is given to nobody here.
        let answered =
            if asked.target.starts_with("/token") { Answered::new(401) } else { state.act(&asked) };
        Output::Bytes(with_length(answered).to_bytes())
    });
    format!("http://127.0.0.1:{}", port.await)
}

fn with_length(mut answered: Answered) -> Answered {
    if !answered.headers.iter().any(|(name, _)| name == "Content-Length") {
        let length = answered.body.len();
        answered = answered.header("Content-Length", length);
    }
    answered
}

/// Finds what a request is for.
fn step(asked: &Asked) -> Option<Step> {
    if asked.target.starts_with("/token") {
        return Some(Step::Token);
    }
    Some(match (asked.method.as_str(), route(asked)?) {
        (_, Route::Ping) => Step::Ping,
        (_, Route::Tags { .. }) => Step::Tags,
        ("PUT", Route::Manifest { .. }) => Step::PutManifest,
        (_, Route::Manifest { .. }) => Step::Manifest,
        ("GET", Route::Blob { .. }) => Step::Blob,
        (_, Route::Uploads { start, .. }) if start.mount.is_some() => Step::Mount,
        (_, Route::Uploads { .. }) => Step::Start,
        ("PATCH", Route::Upload { .. }) => Step::Upload,
        ("PUT", Route::Upload { .. }) => Step::Finish,
        _ => return None,
    })
}

fn route(asked: &Asked) -> Option<Route> {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    Route::parse(path, Some(query)).ok()
}

impl State {
    fn keep_blob(&mut self, repository: &str, content: Bytes) -> Digest {
        let digest = Digest::sha256(&content);
        self.blobs.insert((repository.to_owned(), digest));
        self.contents.insert(digest, content);
        digest
    }

    fn answer(&mut self, asked: &Asked, address: &str) -> Answered {
        if asked.target.starts_with("/token") {
            let proof = asked.header("authorization") == BASIC || !asked.body.is_empty();
            let token = serde_json::json!({"token": TOKEN, "expires_in": 300}).to_string();
            let answered = if proof { Answered::new(200).body(token) } else { Answered::new(401) };
            return answered.header("Content-Type", "application/json");
        }
        if asked.header("authorization") != format!("Bearer {TOKEN}") {
            let challenge = format!(r#"Bearer realm="{address}/token",service="script""#);
            return Answered::error(401, "UNAUTHORIZED").header("WWW-Authenticate", challenge);
        }
        self.act(asked)
    }

    fn act(&mut self, asked: &Asked) -> Answered {
        let answered = match (asked.method.as_str(), route(asked)) {
            (_, Some(Route::Ping)) => Answered::new(200),
            ("GET", Some(Route::Tags { repository, .. })) => self.tags(repository.as_str()),
            ("GET", Some(Route::Referrers { .. })) => {
                let list = r#"{"schemaVersion":2,"manifests":[]}"#;
                Answered::new(200).header("Content-Type", "application/json").body(list)
            }
            ("GET" | "HEAD", Some(Route::Manifest { repository, reference })) => {
                self.manifest(repository.as_str(), &reference)
            }
            ("GET" | "HEAD", Some(Route::Blob { repository, digest })) => {
                self.blob(asked, repository.as_str(), &digest)
            }
            ("POST", Some(Route::Uploads { repository, start })) => match (start.mount, start.from) {
                (Some(digest), Some(from)) => self.mount(repository.as_str(), digest, from.as_str()),
                _ => self.begin(repository.as_str()),
            },
            ("PUT", Some(Route::Manifest { repository, reference })) => {
                self.put_manifest(repository.as_str(), &reference, asked)
            }
            (method, Some(Route::Upload { repository, id, digest })) => {
                self.upload(method, repository.as_str(), id.as_str(), digest, &asked.body)
            }
            _ => {
                self.failures.push(format!("nobody asks for {} {}", asked.method, asked.target));
                Answered::new(418)
            }
        };
        Answered { is_head: asked.method == "HEAD", ..answered }
    }

    fn tags(&self, repository: &str) -> Answered {
        let tags = self.tags.keys().filter(|(it, _)| it == repository).map(|(_, tag)| tag);
        let list = serde_json::json!({"name": repository, "tags": tags.collect::<Vec<_>>()});
        Answered::new(200).header("Content-Type", "application/json").body(list.to_string())
    }

    fn manifest(&self, repository: &str, reference: &ManifestRef) -> Answered {
        let digest = match reference {
            ManifestRef::Digest(digest) => Some(*digest),
            ManifestRef::Tag(tag) => self.tags.get(&(repository.to_owned(), tag.to_string())).copied(),
        };
        let found = digest.and_then(|digest| self.manifests.get(&(repository.to_owned(), digest)));
        match found {
            None => Answered::error(404, "MANIFEST_UNKNOWN"),
            Some(manifest) => Answered::new(200)
                .header("Content-Type", &manifest.descriptor.media_type)
                .header("Docker-Content-Digest", manifest.digest())
                .body(manifest.bytes.to_vec()),
        }
    }

    fn blob(&self, asked: &Asked, repository: &str, digest: &Digest) -> Answered {
        if !self.blobs.contains(&(repository.to_owned(), *digest)) {
            return Answered::error(404, "BLOB_UNKNOWN");
        }
        let content = &self.contents[digest];
        let first = asked.header("range").strip_prefix("bytes=").and_then(|text| text.strip_suffix('-'));
        match first.and_then(|text| text.parse::<usize>().ok()) {
            None => Answered::new(200).body(content.to_vec()),
            Some(first) => Answered::new(206)
                .header("Content-Range", format!("bytes {first}-{}/{}", content.len() - 1, content.len()))
                .body(content[first..].to_vec()),
        }
    }

    fn begin(&mut self, repository: &str) -> Answered {
        self.begun += 1;
        let id = format!("{}", self.begun);
        self.uploads.insert(id.clone(), Vec::new());
        Answered::new(202)
            .header("Location", format!("/v2/{repository}/blobs/uploads/{id}"))
            .header("Range", "0-0")
    }

    fn mount(&mut self, repository: &str, digest: Digest, from: &str) -> Answered {
        if self.links_nothing {
            return Answered::error(405, "UNSUPPORTED");
        }
        if !self.blobs.contains(&(from.to_owned(), digest)) {
            return self.begin(repository);
        }
        self.blobs.insert((repository.to_owned(), digest));
        Answered::new(201).header("Docker-Content-Digest", digest)
    }

    fn upload(
        &mut self,
        method: &str,
        repository: &str,
        id: &str,
        digest: Option<Digest>,
        body: &[u8],
    ) -> Answered {
        let location = format!("/v2/{repository}/blobs/uploads/{id}");
        let Some(held) = self.uploads.get_mut(id) else {
            return Answered::error(404, "BLOB_UPLOAD_UNKNOWN");
        };
        if method != "DELETE" {
            held.extend_from_slice(body);
        }
        let range = format!("0-{}", held.len().saturating_sub(1));
        match (method, digest) {
            ("GET", _) => Answered::new(204).header("Location", location).header("Range", range),
            ("PATCH", _) => Answered::new(202).header("Location", location).header("Range", range),
            ("PUT", Some(digest)) if Digest::sha256(held) == digest => {
                let content = Bytes::from(std::mem::take(held));
                self.uploads.remove(id);
                self.keep_blob(repository, content);
                Answered::new(201).header("Docker-Content-Digest", digest)
            }
            ("PUT", _) => {
                self.uploads.remove(id);
                Answered::error(400, "DIGEST_INVALID")
            }
            _ => {
                self.uploads.remove(id);
                Answered::new(204)
            }
        }
    }

    fn put_manifest(&mut self, repository: &str, reference: &ManifestRef, asked: &Asked) -> Answered {
        let content_type = Some(asked.header("content-type"));
        let manifest = Manifest::parse(content_type, Bytes::copy_from_slice(&asked.body)).unwrap();
        let digest = manifest.digest();
        let key = |digest: &Digest| (repository.to_owned(), *digest);
        let has_blobs = manifest.links.blobs.iter().all(|it| self.blobs.contains(&key(&it.digest)));
        let has_children =
            manifest.links.manifests.iter().all(|it| self.manifests.contains_key(&key(&it.digest)));
        if !has_blobs || !has_children {
            if !self.lies {
                self.failures.push(format!("{repository}:{reference} was pushed before what it links to"));
            }
            return Answered::error(404, "MANIFEST_BLOB_UNKNOWN");
        }
        if let ManifestRef::Tag(tag) = reference {
            self.tags.insert((repository.to_owned(), tag.to_string()), digest);
        }
        self.manifests.insert(key(&digest), manifest);
        let location = format!("/v2/{repository}/manifests/{digest}");
        Answered::new(201).header("Location", location).header("Docker-Content-Digest", digest)
    }
}

/// The secrets of a case, in every form in which they could leak.
pub(super) fn secrets() -> Vec<String> {
    let password = crate::client::tests::peer::PASSWORD;
    let mut secrets = vec![password.to_owned(), TOKEN.to_owned(), BASIC["Basic ".len()..].to_owned()];
    secrets.extend([password, TOKEN].map(|secret| STANDARD.encode(secret).trim_end_matches('=').to_owned()));
    secrets
}
