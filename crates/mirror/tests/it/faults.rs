//! Broken places: whatever breaks, each image is whole and verified at the target, or has an error and no tag.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use sealift_mirror::{Event, Finding, Mirror, Observer, Outcome, Plan, Report, Verdict};
use sealift_store::conformance::fixture;
use sealift_store::{Action, Call, Counting, ErrorKind, Faults, MemoryStore, Method, Side, Store};
use tokio::sync::watch;

use crate::world::{World, layer, outcome, release, sharing};

const NAMES: [&str; 4] = ["a", "b", "both", "gate"];

/// A world whose source holds images that share layers, one of them an index; both places fail by script.
async fn broken(
    source: impl Fn(&Call) -> Action + Send + Sync + 'static,
    target: impl Fn(&Call) -> Action + Send + Sync + 'static,
) -> (World, World) {
    let mut sound = World::new();
    sound.options.transfers = 1;
    sharing(&sound, &["a", "b", "gate"]).await;
    let child = fixture::image_of("child", &[layer("base"), layer("child")]);
    sound.publish("both", &fixture::index(&[child, fixture::docker_image("other")])).await;
    let source = Arc::new(Faults::new(Arc::clone(&sound.source), source));
    let target = Arc::new(Faults::new(Arc::clone(&sound.target), target));
    let mut broken = World::with(source, target);
    broken.options.transfers = 1;
    (broken, sound)
}

/// Looks at the target behind the faults: what has a tag is whole, and every byte is right.
async fn holds(sound: &World, report: &Report) {
    let mirror: Mirror = sound.mirror();
    let found = mirror.verify(&release(&NAMES), true).await;
    for (image, verdict) in report.images.iter().zip(&found.images) {
        let name = &image.request.name;
        match (&image.outcome, &verdict.verdict) {
            (Outcome::Arrived | Outcome::AlreadyThere, Verdict::Right) => {}
            (Outcome::Failed(_) | Outcome::Withheld | Outcome::Missing, Verdict::Wrong(findings)) => {
                assert!(matches!(findings[0], Finding::NoManifest(_)), "{name} has a tag: {findings:?}");
            }
            // The answer to the last request was lost: the image is there, and nobody was told.
            (Outcome::Failed(_), Verdict::Right) => {}
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// Every method that a run uses.
const METHODS: [Method; 13] = [
    Method::Resolve,
    Method::Manifest,
    Method::StatBlob,
    Method::OpenBlob,
    Method::Tags,
    Method::Referrers,
    Method::StatManifest,
    Method::LinkBlob,
    Method::BeginUpload,
    Method::Append,
    Method::Finish,
    Method::Cancel,
    Method::PutManifest,
];

fn actions() -> Vec<Action> {
    let kinds = [ErrorKind::Unavailable, ErrorKind::Busy, ErrorKind::NotFound, ErrorKind::Denied];
    let kinds =
        kinds.into_iter().chain([ErrorKind::Unauthenticated, ErrorKind::NoSpace, ErrorKind::Mismatch]);
    let failing = kinds.flat_map(|kind| [Action::Fail(kind), Action::LoseAnswer(kind)]);
    let bodies = [Action::CutBodyAfter(0), Action::CutBodyAfter(5), Action::FlipBit(0), Action::FlipBit(9)];
    failing
        .chain(bodies)
        .chain([Action::RefuseLink, Action::SaySize(None), Action::SaySize(Some(1))])
        .collect()
}

fn script(method: Method, action: Action, always: bool) -> impl Fn(&Call) -> Action + Send + Sync {
    move |call| if call.method == method && (always || call.count == 0) { action } else { Action::Pass }
}

#[tokio::test]
async fn every_fault_of_every_call_on_both_sides_ends_well_or_without_a_tag() {
    let mut cases = 0;
    for method in METHODS {
        for action in actions() {
            for always in [false, true] {
                for side in [Side::Source, Side::Target] {
                    let fault = script(method, action, always);
                    let (broken, sound) = match side {
                        Side::Source => broken(fault, |_| Action::Pass).await,
                        Side::Target => broken(|_| Action::Pass, fault).await,
                    };
                    let report = broken.run(&release(&NAMES)).await;
                    holds(&sound, &report).await;
                    cases += 1;
                }
            }
        }
    }
    assert!(cases >= 1000, "{cases}");
}

/// One transient fault on each object's first call costs a repetition and nothing else.
#[tokio::test]
async fn what_breaks_once_arrives() {
    for action in [Action::CutBodyAfter(3), Action::FlipBit(3)] {
        for (on_source, method) in [(true, Method::OpenBlob), (false, Method::Append)] {
            let seen = Mutex::new(HashSet::new());
            let fault = move |call: &Call| {
                let is_first = call.method == method && seen.lock().unwrap().insert(call.object.clone());
                if is_first { action } else { Action::Pass }
            };
            let (broken, sound) = match on_source {
                true => broken(fault, |_| Action::Pass).await,
                false => broken(|_| Action::Pass, fault).await,
            };
            let report = broken.run(&release(&NAMES)).await;
            assert!(report.failures().next().is_none(), "{method:?} {action:?}: {report:?}");
            holds(&sound, &report).await;
        }
    }
}

#[tokio::test]
async fn what_breaks_again_and_again_is_given_up() {
    let fault = script(Method::OpenBlob, Action::CutBodyAfter(0), true);
    let (broken, sound) = broken(fault, |_| Action::Pass).await;
    let report = broken.run(&release(&["a"])).await;
    assert!(matches!(outcome(&report, "a"), Outcome::Failed(_)));
    assert_eq!(sound.tagged("a").await, None);
}

/// Keeps on which side attempts failed that are made again.
#[derive(Debug, Default)]
struct Retried(Mutex<Vec<Option<Side>>>);

impl Observer for Retried {
    fn notice(&self, event: &Event<'_>) {
        if let Event::Retrying { error, .. } = event {
            self.0.lock().unwrap().push(error.side());
        }
    }
}

/// How often each blob cannot be opened → how often it is asked for, and whether it arrives. Nobody repeats
/// this but the engine, and the upload waits.
#[tokio::test]
async fn a_blob_is_asked_for_as_often_as_its_budget_allows_and_no_more() {
    for (times, asked, arrives) in [(0, 1, true), (1, 2, true), (4, 5, true), (u64::MAX, 5, false)] {
        let inner: Arc<dyn Store> = Arc::new(MemoryStore::new("source"));
        let faulty = Faults::new(inner, move |call| match call.method {
            Method::OpenBlob if call.count < times => Action::Fail(ErrorKind::Unavailable),
            _ => Action::Pass,
        });
        let source = Arc::new(Counting::new(Arc::new(faulty)));
        let target = Arc::new(Counting::new(Arc::new(MemoryStore::new("target"))));
        let world = World::with(Arc::clone(&source) as _, Arc::clone(&target) as _);
        sharing(&world, &["a"]).await;
        target.reset();
        source.reset();
        let retried = Arc::new(Retried::default());
        let mirror = Mirror { observer: Arc::clone(&retried) as _, ..world.mirror() };
        let plan = Plan::new(mirror.survey(&release(&["a"])).await);
        let blobs = plan.blobs.len() as u64;
        let report = mirror.run(plan, watch::channel(false).1).await;
        assert_eq!(matches!(outcome(&report, "a"), Outcome::Arrived), arrives, "{times}: {report:?}");
        assert_eq!(source.of(Method::OpenBlob).calls, asked * blobs, "{times}");
        assert_eq!(target.of(Method::Append).calls, blobs, "{times}: the upload noticed");
        let sides = retried.0.lock().unwrap().clone();
        assert_eq!(sides, vec![Some(Side::Source); usize::try_from((asked - 1) * blobs).unwrap()]);
    }
}

#[tokio::test]
async fn a_source_that_has_a_blob_in_one_repository_only_serves_all() {
    let base = sealift_oci::Digest::sha256(&layer("base")).to_string();
    let fault = move |call: &Call| {
        let is_lost = call.method == Method::OpenBlob && call.object == base;
        let first = call.repository.as_ref().is_some_and(|it| it.as_str() == "src/a");
        if is_lost && first { Action::Fail(ErrorKind::NotFound) } else { Action::Pass }
    };
    let (broken, sound) = broken(fault, |_| Action::Pass).await;
    let report = broken.run(&release(&NAMES)).await;
    assert!(report.images.iter().all(|image| image.is_there()), "{report:?}");
    holds(&sound, &report).await;
}

/// A blob that several images share is asked for in one repository; each image is told of its own.
#[tokio::test]
async fn an_image_is_told_of_its_own_repository_where_a_shared_blob_fails() {
    let base = sealift_oci::Digest::sha256(&layer("base"));
    let flipped = move |call: &Call| {
        let is_hit = call.method == Method::OpenBlob && call.object == base.to_string();
        if is_hit { Action::FlipBit(0) } else { Action::Pass }
    };
    let lost = move |call: &Call| {
        let is_hit = call.method == Method::OpenBlob && call.object == base.to_string();
        if is_hit { Action::Fail(ErrorKind::NotFound) } else { Action::Pass }
    };
    let stuck = move |call: &Call| {
        let is_hit = call.method == Method::LinkBlob && call.object == base.to_string();
        if is_hit { Action::Fail(ErrorKind::Denied) } else { Action::Pass }
    };
    let worlds = [
        ("src", broken(flipped, |_| Action::Pass).await),
        ("src", broken(lost, |_| Action::Pass).await),
        ("dst", broken(|_| Action::Pass, stuck).await),
    ];
    for (parent, (broken, _)) in worlds {
        let report = broken.run(&release(&["a", "b"])).await;
        for name in ["a", "b"] {
            let Outcome::Failed(error) = outcome(&report, name) else { panic!("{name}: {report:?}") };
            assert!(error.to_string().contains(&format!(" {parent}/{name}@{base}: ")), "{name}: {error}");
        }
    }
}

#[tokio::test]
async fn when_the_first_repository_fails_the_next_takes_over() {
    let fault = |call: &Call| {
        let first = call.repository.as_ref().is_some_and(|it| it.as_str() == "dst/a");
        if first && call.method == Method::LinkBlob { Action::Fail(ErrorKind::Denied) } else { Action::Pass }
    };
    let (broken, sound) = broken(|_| Action::Pass, fault).await;
    let report = broken.run(&release(&NAMES)).await;
    assert!(matches!(outcome(&report, "a"), Outcome::Failed(_)));
    assert!(matches!(outcome(&report, "b"), Outcome::Arrived));
    assert!(matches!(outcome(&report, "both"), Outcome::Arrived));
    assert!(matches!(outcome(&report, "gate"), Outcome::Withheld));
    holds(&sound, &report).await;
}

#[tokio::test]
async fn a_refused_link_reads_back_from_the_target_and_never_again_from_the_source() {
    let counted = Arc::new(Counting::new(Arc::new(MemoryStore::new("source"))));
    let target: Arc<dyn Store> = Arc::new(Faults::new(Arc::new(MemoryStore::new("target")), |call| {
        if call.method == Method::LinkBlob { Action::RefuseLink } else { Action::Pass }
    }));
    let world = World::with(Arc::clone(&counted) as _, target);
    sharing(&world, &["a", "b", "gate"]).await;
    counted.reset();
    let report = world.run(&release(&["a", "b", "gate"])).await;
    assert!(report.images.iter().all(|image| image.is_there()), "{report:?}");
    assert_eq!(report.totals.bytes_read_back, 2 * layer("base").len() as u64);
    assert_eq!(counted.of_object(Method::OpenBlob, sealift_oci::Digest::sha256(&layer("base"))).calls, 1);
    assert_eq!(counted.of(Method::OpenBlob).calls, 7, "each distinct blob is fetched once");
}

#[tokio::test]
async fn a_mismatch_names_both_digests_and_is_tried_once_more() {
    let (broken, sound) = broken(script(Method::OpenBlob, Action::FlipBit(0), true), |_| Action::Pass).await;
    let report = broken.run(&release(&["a"])).await;
    let Outcome::Failed(error) = outcome(&report, "a") else { panic!("{report:?}") };
    assert_eq!((error.kind(), error.side()), (ErrorKind::Mismatch, Some(Side::Source)));
    assert_eq!(error.place(), Some("source"));
    assert_eq!(error.to_string().matches("sha256:").count(), 3, "{error}");
    assert_eq!(sound.tagged("a").await, None);
}
