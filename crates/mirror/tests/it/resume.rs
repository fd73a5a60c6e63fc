//! What broke off goes on: in the same run, and in the next one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use sealift_mirror::{Journal, Outcome, Spool, Unfinished, UploadKey};
use sealift_oci::Digest;
use sealift_store::conformance::fixture;
use sealift_store::{
    Action, BlobBody, Counting, DirectoryStore, ErrorKind, Faults, MemoryStore, Method, Store,
};
use tempfile::TempDir;

use crate::world::{World, layer, outcome, patient, release};

const MIB: usize = 1024 * 1024;
const SIZE: usize = 24 * MIB;

/// A journal that lives as long as the test.
#[derive(Debug, Default)]
struct Kept(Mutex<HashMap<UploadKey, Unfinished>>);

impl Journal for Kept {
    fn recall(&self, key: &UploadKey) -> Option<Unfinished> {
        self.0.lock().unwrap().get(key).cloned()
    }

    fn keep(&self, key: &UploadKey, unfinished: &Unfinished) {
        self.0.lock().unwrap().insert(key.clone(), unfinished.clone());
    }

    fn forget(&self, key: &UploadKey) {
        self.0.lock().unwrap().remove(key);
    }
}

/// A source with one image that has one large layer, and a counter of what is read from it. It is a
/// directory: one in memory gives a blob in one piece.
async fn large(files: &TempDir, target: Arc<dyn Store>) -> (World, Arc<Counting>) {
    let counted = Arc::new(Counting::new(Arc::new(DirectoryStore::create(files.path()).unwrap())));
    let world = World::with(Arc::clone(&counted) as _, target);
    world.publish("a", &fixture::image_of("large", &[fixture::noise("layer", SIZE)])).await;
    counted.reset();
    (world, counted)
}

/// What the target says of an upload that broke off, and how often → whether it goes on; else that blob begins
/// again.
#[tokio::test]
async fn a_broken_upload_goes_on_where_the_target_has_it() {
    use ErrorKind::{Busy, NotFound, Unavailable};
    let cut = 12 * MIB + 5;
    for (kind, times, goes_on) in
        [(Busy, 0, true), (Busy, 2, true), (NotFound, 1, false), (Unavailable, 1, false)]
    {
        let target = Faults::new(Arc::new(MemoryStore::new("target")), move |call| match call.method {
            Method::Append if call.count == 0 => Action::CutBodyAfter(cut as u64),
            Method::ResumeUpload if call.count < times => Action::Fail(kind),
            _ => Action::Pass,
        });
        let files = tempfile::tempdir().unwrap();
        let (world, counted) = large(&files, Arc::new(target)).await;
        let report = world.run(&release(&["a"])).await;
        assert!(matches!(outcome(&report, "a"), Outcome::Arrived), "{kind:?}: {report:?}");
        let read = counted.of(Method::OpenBlob).bytes as usize;
        assert_eq!(read < SIZE + 3 * MIB, goes_on, "{kind:?}: {read} bytes were read of {SIZE}");
        assert!(world.mirror().verify(&release(&["a"]), true).await.damaged().is_empty());
    }
}

/// Two processes that found one upload: the other one ended it, and the target knows it no more.
#[tokio::test]
async fn what_another_process_brought_to_its_end_is_there() {
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new("target"));
    let target = Faults::first(memory, Method::Finish, Action::LoseAnswer(ErrorKind::NotFound));
    let world = World::with(Arc::new(MemoryStore::new("source")), Arc::new(target));
    world.publish("a", &fixture::image_of("one", &[layer("a")])).await;
    let report = world.run(&release(&["a"])).await;
    assert!(matches!(outcome(&report, "a"), Outcome::Arrived), "{report:?}");
    assert!(world.mirror().verify(&release(&["a"]), true).await.damaged().is_empty());
}

#[tokio::test]
async fn the_next_process_goes_on_where_the_last_one_ended() {
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new("target"));
    let cut = Faults::new(Arc::clone(&memory), |call| match call.method {
        Method::Append => Action::CutBodyAfter(20 * MIB as u64),
        Method::ResumeUpload => Action::Fail(sealift_store::ErrorKind::Unavailable),
        _ => Action::Pass,
    });
    let files = tempfile::tempdir().unwrap();
    let (mut world, counted) = large(&files, Arc::new(cut)).await;
    let journal = Arc::new(Kept::default());
    world.options.journal = Some(Arc::clone(&journal) as _);
    world.options.retry.failures = 1;
    let broken = world.run(&release(&["a"])).await;
    assert!(matches!(outcome(&broken, "a"), Outcome::Failed(_)), "{broken:?}");
    assert_eq!(journal.0.lock().unwrap().len(), 1);
    counted.reset();
    world.target = memory;
    let report = world.run(&release(&["a"])).await;
    assert!(matches!(outcome(&report, "a"), Outcome::Arrived), "{report:?}");
    let read = counted.of(Method::OpenBlob).bytes as usize;
    assert!(read < 10 * MIB, "{read} bytes were read again");
    assert!(journal.0.lock().unwrap().is_empty(), "what is finished is forgotten");
    assert!(world.mirror().verify(&release(&["a"]), true).await.damaged().is_empty());
}

/// Runs once against a target whose uploads all break off at `cut`, and returns a world whose target is whole.
async fn left_behind(files: &TempDir, cut: usize) -> (World, Arc<dyn Store>, Arc<Counting>, Arc<Kept>) {
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new("target"));
    let broken = Faults::new(Arc::clone(&memory), move |call| match call.method {
        Method::Append => Action::CutBodyAfter(cut as u64),
        _ => Action::Pass,
    });
    let (mut world, counted) = large(files, Arc::new(broken)).await;
    let journal = Arc::new(Kept::default());
    world.options.journal = Some(Arc::clone(&journal) as _);
    world.options.retry.failures = 1;
    let report = world.run(&release(&["a"])).await;
    assert!(matches!(outcome(&report, "a"), Outcome::Failed(_)), "{report:?}");
    world.options.retry = patient();
    world.target = Arc::clone(&memory);
    counted.reset();
    (world, memory, counted, journal)
}

/// What the target says of the upload that was left behind → whether that goes on. Another connection may
/// still be appending; what a place does not tell is no reason to forget.
#[tokio::test]
async fn an_upload_that_is_busy_is_waited_for() {
    use ErrorKind::{Busy, Denied, Invalid, NotFound, Unavailable};
    let cases = [
        (Busy, 0, true),
        (Busy, 4, true),
        (Busy, 5, false),
        (Unavailable, 1, false),
        (Denied, 1, false),
        (NotFound, 1, false),
        (Invalid, 1, false),
    ];
    for (kind, times, goes_on) in cases {
        let files = tempfile::tempdir().unwrap();
        let (mut world, memory, counted, journal) = left_behind(&files, 20 * MIB).await;
        world.target = Arc::new(Faults::new(memory, move |call| match call.method {
            Method::ResumeUpload if call.count < times => Action::Fail(kind),
            _ => Action::Pass,
        }));
        let report = world.run(&release(&["a"])).await;
        assert!(matches!(outcome(&report, "a"), Outcome::Arrived), "{kind:?} {times}: {report:?}");
        let read = counted.of(Method::OpenBlob).bytes as usize;
        assert_eq!(read < 10 * MIB, goes_on, "{kind:?} {times}: {read} bytes were read again");
        assert!(journal.0.lock().unwrap().is_empty(), "{kind:?} {times}: what is finished is forgotten");
    }
}

#[tokio::test]
async fn an_upload_that_the_target_forgot_begins_again() {
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new("target"));
    let files = tempfile::tempdir().unwrap();
    let (mut world, _) = large(&files, Arc::clone(&memory)).await;
    let journal = Arc::new(Kept::default());
    let key = UploadKey {
        place: "target".to_owned(),
        repository: "dst/a".parse().unwrap(),
        digest: Digest::sha256(&fixture::noise("layer", SIZE)),
    };
    journal.keep(&key, &Unfinished { upload: "0123456789abcdef".parse().unwrap(), points: Vec::new() });
    world.options.journal = Some(Arc::clone(&journal) as _);
    assert!(matches!(outcome(&world.run(&release(&["a"])).await, "a"), Outcome::Arrived));
    assert!(journal.recall(&key).is_none());
}

/// Where the upload breaks off → the checkpoints that are noted, in MiB. So much of what came is not fetched
/// again.
#[tokio::test]
async fn every_upload_is_noted_from_its_begin_on() {
    let cases: [(usize, &[u64]); 4] = [(0, &[]), (MIB / 2, &[]), (3 * MIB / 2, &[1]), (5 * MIB / 2, &[1, 2])];
    for (cut, expected) in cases {
        let files = tempfile::tempdir().unwrap();
        let (world, _, _, journal) = left_behind(&files, cut).await;
        let noted: Vec<Unfinished> = journal.0.lock().unwrap().values().cloned().collect();
        let [noted] = noted.as_slice() else { panic!("{cut}: {noted:?}") };
        let points: Vec<u64> = noted.points.iter().map(|(offset, _)| offset / MIB as u64).collect();
        assert_eq!(points, expected, "{cut}");
        // The next run finds it.
        let began = Arc::new(AtomicUsize::new(0));
        let (counter, layer) =
            (Arc::clone(&began), Digest::sha256(&fixture::noise("layer", SIZE)).to_string());
        let mut world = world;
        world.target = Arc::new(Faults::new(world.target, move |call| {
            // Every other upload begins with the wish to link.
            let is_begin = call.method == Method::LinkBlob && call.object == layer;
            counter.fetch_add(usize::from(is_begin), Ordering::Relaxed);
            Action::Pass
        }));
        assert!(matches!(outcome(&world.run(&release(&["a"])).await, "a"), Outcome::Arrived));
        assert_eq!(began.load(Ordering::Relaxed), 0, "{cut}");
    }
}

/// A journal that counts.
#[derive(Debug, Default)]
struct Counted(AtomicUsize);

impl Journal for Counted {
    fn recall(&self, _: &UploadKey) -> Option<Unfinished> {
        self.0.fetch_add(1, Ordering::Relaxed);
        None
    }

    fn keep(&self, _: &UploadKey, _: &Unfinished) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn forget(&self, _: &UploadKey) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sizes → how often the journal is asked or told.
#[tokio::test]
async fn the_journal_costs_little() {
    // Recalled, noted at the begin, at 1, 2, 4, 8 and 16 MiB, and forgotten.
    for (size, expected) in [(1000, 0), (MIB - 1, 0), (MIB, 4), (SIZE, 8)] {
        // A place in memory would give the blob in one piece.
        let files = tempfile::tempdir().unwrap();
        let source = Arc::new(DirectoryStore::create(files.path()).unwrap());
        let mut world = World::with(source, Arc::new(MemoryStore::new("target")));
        let journal = Arc::new(Counted::default());
        world.options.journal = Some(Arc::clone(&journal) as _);
        world.publish("a", &fixture::image_of("one", &[fixture::noise("layer", size)])).await;
        assert!(matches!(outcome(&world.run(&release(&["a"])).await, "a"), Outcome::Arrived));
        assert_eq!(journal.0.load(Ordering::Relaxed), expected, "{size}");
    }
}

/// Failures of the source and of the target → whether the blob arrives: both ends draw on one budget.
#[tokio::test]
async fn both_ends_draw_on_one_budget() {
    let cases = [(0, 3, true), (3, 0, true), (2, 1, true), (1, 2, true), (2, 2, false), (4, 0, false)];
    for (source, target, arrives) in cases {
        let mut world = World::new();
        world.options.retry.failures = 4;
        world.publish("a", &fixture::image_of("one", &[layer("a")])).await;
        let digest = Digest::sha256(&layer("a"));
        world.source = Arc::new(Faults::new(world.source, move |call| {
            let is_hit = call.method == Method::OpenBlob && call.object == digest.to_string();
            if is_hit && call.count < source { Action::Fail(ErrorKind::Unavailable) } else { Action::Pass }
        }));
        world.target = Arc::new(Faults::new(world.target, move |call| {
            let is_hit = call.method == Method::Finish && call.object == digest.to_string();
            if is_hit && call.count < target { Action::Fail(ErrorKind::Unavailable) } else { Action::Pass }
        }));
        let report = world.run(&release(&["a"])).await;
        let has_arrived = matches!(outcome(&report, "a"), Outcome::Arrived);
        assert_eq!(has_arrived, arrives, "{source} {target}: {report:?}");
    }
}

/// A spool in memory.
#[derive(Debug, Default)]
struct Beginnings(Mutex<HashMap<Digest, Vec<u8>>>);

#[async_trait]
impl Spool for Beginnings {
    async fn recall(&self, digest: &Digest) -> Option<BlobBody> {
        self.0.lock().unwrap().get(digest).map(|kept| BlobBody::from(Bytes::from(kept.clone())))
    }

    async fn keep(&self, digest: &Digest, offset: u64, piece: &Bytes) {
        let mut beginnings = self.0.lock().unwrap();
        let kept = beginnings.entry(*digest).or_default();
        if kept.len() as u64 == offset {
            kept.extend_from_slice(piece);
        }
    }

    async fn forget(&self, digest: &Digest) {
        self.0.lock().unwrap().remove(digest);
    }
}

/// Runs once against a source that ends after `cut` bytes, and returns a world whose source is whole.
async fn interrupted(files: &TempDir, cut: usize) -> (World, Arc<Counting>, Arc<Beginnings>) {
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new("target"));
    let (mut world, counted) = large(files, memory).await;
    let (sound, spool) = (Arc::clone(&world.source), Arc::new(Beginnings::default()));
    world.options.spool = Some(Arc::clone(&spool) as _);
    world.options.retry.failures = 1;
    world.source = Arc::new(Faults::new(Arc::clone(&sound), move |call| match call.method {
        Method::OpenBlob => Action::CutBodyAfter(cut as u64),
        _ => Action::Pass,
    }));
    let broken = world.run(&release(&["a"])).await;
    assert!(matches!(outcome(&broken, "a"), Outcome::Failed(_)), "{broken:?}");
    world.source = sound;
    counted.reset();
    (world, counted, spool)
}

#[tokio::test]
async fn a_spool_begins_what_the_target_forgot() {
    let files = tempfile::tempdir().unwrap();
    let (world, counted, spool) = interrupted(&files, 20 * MIB).await;
    let report = world.run(&release(&["a"])).await;
    assert!(matches!(outcome(&report, "a"), Outcome::Arrived), "{report:?}");
    let read = counted.of(Method::OpenBlob).bytes as usize;
    assert!(read < 5 * MIB, "{read} bytes were read again");
    assert!(spool.0.lock().unwrap().is_empty(), "what is finished is forgotten");
    assert!(world.mirror().verify(&release(&["a"]), true).await.damaged().is_empty());
}

#[tokio::test]
async fn a_spoiled_spool_is_thrown_away() {
    let files = tempfile::tempdir().unwrap();
    let (world, _, spool) = interrupted(&files, 12 * MIB).await;
    spool.0.lock().unwrap().values_mut().for_each(|kept| kept[7] ^= 1);
    let report = world.run(&release(&["a"])).await;
    assert!(matches!(outcome(&report, "a"), Outcome::Arrived), "{report:?}");
    assert!(world.mirror().verify(&release(&["a"]), true).await.damaged().is_empty());
}
