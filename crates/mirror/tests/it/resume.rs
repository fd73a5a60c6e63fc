//! What broke off goes on: in the same run, and in the next one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use sealift_mirror::{Journal, Outcome, Unfinished, UploadKey};
use sealift_store::conformance::fixture;
use sealift_store::{Action, Call, Counting, DirectoryStore, Faults, MemoryStore, Method, Store};
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
        digest: sealift_oci::Digest::sha256(&fixture::noise("layer", SIZE)),
    };
    journal.keep(&key, &Unfinished { upload: "0123456789abcdef".parse().unwrap(), points: Vec::new() });
    world.options.journal = Some(Arc::clone(&journal) as _);
    assert!(matches!(outcome(&world.run(&release(&["a"])).await, "a"), Outcome::Arrived));
    assert!(journal.recall(&key).is_none());
}
