//! What broke off goes on: in the same run, and in the next one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use sealift_mirror::{Journal, Outcome, Spool, Unfinished, UploadKey};
use sealift_oci::Digest;
use sealift_store::conformance::fixture;
use sealift_store::{Action, BlobBody, Call, Counting, DirectoryStore, Faults, MemoryStore, Method, Store};
use tempfile::TempDir;

use crate::world::{World, outcome, release};

const MIB: usize = 1024 * 1024;
const SIZE: usize = 40 * MIB;

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

fn is_large_append(call: &Call) -> bool {
    call.method == Method::Append
}

#[tokio::test]
async fn a_broken_upload_goes_on_where_the_target_has_it() {
    let cut = 20 * MIB + 5;
    let target = Faults::new(Arc::new(MemoryStore::new("target")), move |call| {
        if is_large_append(call) && call.count == 0 { Action::CutBodyAfter(cut as u64) } else { Action::Pass }
    });
    let files = tempfile::tempdir().unwrap();
    let (world, counted) = large(&files, Arc::new(target)).await;
    let report = world.run(&release(&["a"])).await;
    assert!(matches!(outcome(&report, "a"), Outcome::Arrived), "{report:?}");
    let read = counted.of(Method::OpenBlob).bytes as usize;
    assert!(read < SIZE + 3 * MIB, "{read} bytes were read of {SIZE}");
    assert!(world.mirror().verify(&release(&["a"]), true).await.damaged().is_empty());
}

#[tokio::test]
async fn the_next_process_goes_on_where_the_last_one_ended() {
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new("target"));
    let cut = Faults::new(Arc::clone(&memory), |call| match call.method {
        Method::Append => Action::CutBodyAfter(36 * MIB as u64),
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
    let (world, counted, spool) = interrupted(&files, 36 * MIB).await;
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
    let (world, _, spool) = interrupted(&files, 20 * MIB).await;
    spool.0.lock().unwrap().values_mut().for_each(|kept| kept[7] ^= 1);
    let report = world.run(&release(&["a"])).await;
    assert!(matches!(outcome(&report, "a"), Outcome::Arrived), "{report:?}");
    assert!(world.mirror().verify(&release(&["a"]), true).await.damaged().is_empty());
}
