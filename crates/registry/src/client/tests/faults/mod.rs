//! Every fault at every step of a small mirror run, from a registry or to one: it ends with everything there,
//! or in one clear error that names place and object; never in a hang, a panic, a leaked secret, or a tag on
//! something incomplete. Ordinary test runs take a seeded sample; `SEALIFT_SOAK=1` takes all.

mod expected;
mod fault;
mod http;
mod registry;
mod tls;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use sealift_mirror::{Group, ImageRequest, Mirror, Options, Outcome, Plan, Report, Selection};
use sealift_oci::{Digest, ManifestRef};
use sealift_store::conformance::fixture::{self, Image};
use sealift_store::{Backoff, Error, ErrorKind, MemoryStore, Side, Store};
use tokio::sync::watch;

use self::expected::Expected;
use self::fault::{Case, Fault, Step, cases};
use self::registry::{Registry, secrets};
use super::peer::PASSWORD;
use crate::client::{ClientConfig, Credentials, RegistryClient, RetryPolicy, Secret};

/// How many cases of each step an ordinary test run takes.
const SAMPLE: usize = 12;
/// Chooses the sample; another number chooses another one.
const SEED: &str = "1";
/// No case may take longer; those that wait for a silent peer take a second or two.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long a peer is waited for that is known to keep silent, and any other one.
const STALL: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(20);
/// How many cases run at the same time.
const AT_ONCE: usize = 8;

/// The repositories of a run; the images in them share a layer.
const NAMES: [&str; 2] = ["a", "b"];

fn images() -> Vec<(&'static str, Image)> {
    // Long enough that half of it is something.
    let layer = |name: &str| Bytes::from(format!("the layer of {name} ").repeat(500));
    let image = |name| fixture::image_of(name, &[layer("both"), layer(name)]);
    let index = fixture::index(&[image("b"), fixture::docker_image("c")]);
    vec![("a", image("a")), ("b", index)]
}

fn selection() -> Selection {
    let wish = |name: &&str| ImageRequest {
        name: (*name).to_owned(),
        source: format!("src/{name}").parse().unwrap(),
        reference: "v1".parse().unwrap(),
        target: format!("dst/{name}").parse().unwrap(),
        tag: Some("v1".parse().unwrap()),
        optional: false,
        gate: false,
    };
    Selection { groups: vec![Group { name: None, images: NAMES.iter().map(wish).collect() }] }
}

fn at_once() -> Backoff {
    Backoff { first_wait: Duration::ZERO, ..Backoff::default() }
}

/// A client that knows the password, and waits for nobody.
fn client(address: &str, config: ClientConfig) -> Arc<dyn Store> {
    let credentials = Credentials::Basic { username: "user".to_owned(), password: Secret::new(PASSWORD) };
    let retry = RetryPolicy { attempts: 3, backoff: at_once() };
    let config = ClientConfig { credentials, retry, ..config };
    Arc::new(RegistryClient::new(address.parse().unwrap(), config).unwrap())
}

/// The place without a fault, at the other end: with the images in it where it is the source.
async fn sound(is_source: bool) -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new("sound"));
    if is_source {
        for (name, image) in images() {
            image.push(store.as_ref(), &format!("src/{name}").parse().unwrap(), Some("v1")).await;
        }
    }
    store
}

async fn mirror(source: Arc<dyn Store>, target: Arc<dyn Store>) -> Report {
    let retry = sealift_mirror::RetryPolicy { backoff: at_once(), ..Default::default() };
    // One blob after the other: then the fault that is shown once hits the same one in every run.
    let options = Options { retry, transfers: 1, ..Options::default() };
    let mirror = Mirror { source, target, options, observer: Arc::new(()) };
    let plan = Plan::new(mirror.survey(&selection()).await);
    mirror.run(plan, watch::channel(false).1).await
}

/// Runs one case, and returns what is wrong with how it ended.
async fn play(case: &Case) -> Result<(), String> {
    let registry = Registry::start(case, None).await;
    let sound = sound(!case.is_source).await;
    let is_silent = matches!(case.fault, Fault::Silent | Fault::Stalled);
    let stall_timeout = if is_silent { STALL } else { PATIENCE };
    let config = ClientConfig { plain_http: true, stall_timeout, ..ClientConfig::default() };
    let faulty = client(&registry.address, config);
    let report = if case.is_source {
        for (name, image) in images() {
            registry.publish(&format!("src/{name}"), &image);
        }
        mirror(faulty, Arc::clone(&sound)).await
    } else {
        mirror(Arc::clone(&sound), faulty).await
    };
    if !registry.check() {
        return Err("the fault was never shown".to_owned());
    }
    let mut failed = 0;
    for (position, (name, wanted)) in images().into_iter().enumerate() {
        let target = format!("dst/{name}");
        let tagged = match case.is_source {
            true => tagged(&sound, &target).await,
            false => registry.tagged(&target),
        };
        let is_there = tagged == Some(wanted.manifest.digest());
        match &report.images[position].outcome {
            Outcome::Arrived if is_there => {}
            Outcome::Failed(error) => {
                failed += 1;
                check_error(case, error, &registry.address)?;
                // The answer to the very last request may be lost.
                if is_there && case.step != Step::PutManifest {
                    return Err(format!("{name} failed and has its tag: {error}"));
                }
            }
            Outcome::Missing if case.expected() == Expected::Fails(ErrorKind::NotFound) => failed += 1,
            other => return Err(format!("{name} has the tag: {is_there}, and is {other:?}")),
        }
    }
    match (case.expected(), failed) {
        (Expected::Arrives, 0) | (Expected::Fails(_), 1..) => Ok(()),
        (expected, failed) => Err(format!("{failed} failed where {expected:?}: {report:?}")),
    }
}

async fn tagged(store: &Arc<dyn Store>, repository: &str) -> Option<Digest> {
    let reference: ManifestRef = "v1".parse().unwrap();
    let found = store.source(&repository.parse().unwrap()).resolve(&reference).await;
    found.ok().map(|found| found.digest)
}

/// An error is of the kind that was expected, names place and object, and tells no secret.
fn check_error(case: &Case, error: &Error, address: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{what}: {error:?}"));
    if case.expected() != Expected::Fails(error.kind()) {
        return wrong(&format!("not as expected, {:?}", case.expected()));
    }
    if error.place() != Some(address) || !error.to_string().starts_with(&format!("{address}: cannot ")) {
        return wrong("it names another place");
    }
    let side = if case.is_source { Side::Source } else { Side::Target };
    if error.side() != Some(side) {
        return wrong("it names another side");
    }
    // The first question and the token are about the registry as a whole; a blob that both share is one of
    // either.
    let parent = if case.is_source { "src" } else { "dst" };
    let has_object = NAMES.iter().any(|name| error.to_string().contains(&format!(" {parent}/{name}")));
    if has_object == matches!(case.step, Step::Ping | Step::Token) {
        return wrong("it names an object where there is none, or none where there is one");
    }
    let told = tell(error);
    match secrets().iter().find(|secret| told.contains(*secret)) {
        Some(secret) => wrong(&format!("it tells the secret {secret}")),
        None => Ok(()),
    }
}

/// Everything that anybody could print of an error.
fn tell(error: &Error) -> String {
    let mut told = format!("{error} {error:?} {error:#?}");
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        told.push_str(&format!(" {cause} {cause:?}"));
        next = cause.source();
    }
    told
}

/// Chooses the cases of this run: of each step the same number.
fn chosen() -> Vec<Case> {
    let all = cases();
    if std::env::var_os("SEALIFT_SOAK").is_some() {
        return all;
    }
    let mut steps: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for case in all {
        steps.entry(format!("{} {:?}", case.is_source, case.step)).or_default().push(case);
    }
    let sample = steps.into_values().flat_map(|mut cases| {
        cases.sort_by_key(|case| Digest::sha256(format!("{SEED} {case:?}").as_bytes()).to_string());
        cases.truncate(SAMPLE);
        cases
    });
    sample.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_ends_well_or_in_one_clear_error() {
    assert!(cases().len() >= 1000, "{}", cases().len());
    let played = stream::iter(chosen()).map(|case| async move {
        let ending = tokio::time::timeout(DEADLINE, play(&case));
        let ended = match AssertUnwindSafe(ending).catch_unwind().await {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) => Err("it hangs".to_owned()),
            Err(_) => Err("it panics".to_owned()),
        };
        ended.err().map(|what| format!("{case:?}: {what}"))
    });
    let wrong = played.buffer_unordered(AT_ONCE).filter_map(|wrong| async { wrong });
    let wrong: Vec<String> = wrong.collect().await;
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// A proxy takes a megabyte at a time, as nginx does unless it is told otherwise; the layers are larger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_layers_get_through_a_small_door() {
    let limit = Fault::Limit(1024 * 1024);
    let case = Case { is_source: false, step: Step::Upload, fault: limit, always: true };
    let registry = Registry::start(&case, None).await;
    let sound = sound(false).await;
    let mut wanted = Vec::new();
    for name in NAMES {
        let layers = [3_000_000, 2_000_000].map(|size| Bytes::from(name.repeat(size)));
        let image = fixture::image_of(name, &layers);
        image.push(sound.as_ref(), &format!("src/{name}").parse().unwrap(), Some("v1")).await;
        wanted.push(image.manifest.digest());
    }
    let config = ClientConfig { plain_http: true, ..ClientConfig::default() };
    let report = mirror(sound, client(&registry.address, config)).await;
    assert!(registry.check(), "{report:?}");
    let tagged = NAMES.map(|name| registry.tagged(&format!("dst/{name}")).unwrap());
    assert_eq!(tagged.to_vec(), wanted, "{report:?}");
}
