//! Sweeping and checking a directory store, also while others write to it.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sealift_oci::{Algorithm, Digest, ManifestRef, RepositoryName};
use sealift_store::conformance::fixture::{self, Image, tag};
use sealift_store::{
    BlobBody, Depth, DirectoryStore, ErrorKind, LinkOutcome, PageRequest, Store, Swept, Wish,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn wish(now: SystemTime) -> Wish {
    Wish { grace: DAY, untagged: false, upload_lifetime: 7 * DAY, is_dry_run: false, now }
}

/// A time at which everything that is there now is old.
fn later() -> SystemTime {
    SystemTime::now() + 2 * DAY
}

struct Place {
    root: tempfile::TempDir,
    store: DirectoryStore,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = DirectoryStore::open(root.path()).unwrap();
        Self { root, store }
    }

    async fn push(&self, repository: &str, image: &Image, tag: Option<&str>) {
        image.push(&self.store, &name(repository), tag).await;
    }

    async fn push_blob(&self, repository: &str, content: &Bytes) -> Digest {
        fixture::push_blob(self.store.target(&name(repository)).unwrap().as_ref(), content).await
    }

    fn blob(&self, repository: &str, digest: &Digest) -> PathBuf {
        let layout = self.root.path().join(repository).join("_layout/blobs");
        layout.join(digest.algorithm().as_str()).join(digest.hex())
    }

    async fn delete(&self, repository: &str, reference: impl Into<ManifestRef>) {
        self.store.admin().delete_manifest(&name(repository), &reference.into()).await.unwrap();
    }

    async fn has(&self, repository: &str, digest: &Digest) -> bool {
        self.store.source(&name(repository)).stat_blob(digest).await.is_ok()
    }

    async fn assert_whole(&self, repository: &str, image: &Image) {
        let source = self.store.source(&name(repository));
        assert_eq!(source.manifest(&image.digest().into()).await.unwrap(), image.manifest);
        for blob in &image.blobs {
            assert!(self.has(repository, &Digest::sha256(blob)).await);
        }
    }
}

#[tokio::test]
async fn what_nothing_links_to_goes_when_it_is_old() {
    let place = Place::new();
    let (kept, gone) = (fixture::image("kept"), fixture::image("gone"));
    let index = fixture::index(&[fixture::image("child")]);
    let artifact = fixture::artifact("signature", &kept.manifest, "application/x");
    place.push("a", &kept, Some("kept")).await;
    place.push("a", &index, Some("index")).await;
    place.push("a", &artifact, None).await;
    place.push("a", &gone, Some("gone")).await;
    let loose = place.push_blob("a", &Bytes::from_static(b"loose")).await;
    let long = Digest::of(Algorithm::Sha512, b"long");
    let target = place.store.target(&name("a")).unwrap();
    sealift_store::put_blob(target.as_ref(), &long, 4, BlobBody::from(Bytes::from_static(b"long")))
        .await
        .unwrap();
    place.delete("a", gone.digest()).await;

    let none = place.store.sweep(wish(SystemTime::now())).await.unwrap();
    assert_eq!(none, Swept { repositories: 1, ..Swept::default() }, "what is young stays");
    let mut expected = Swept {
        repositories: 1,
        files: 2 + gone.blobs.len() as u64,
        bytes: 9 + gone.blobs.iter().map(|blob| blob.len() as u64).sum::<u64>(),
        ..Swept::default()
    };
    let dry = Wish { is_dry_run: true, ..wish(later()) };
    assert_eq!(place.store.sweep(dry).await.unwrap(), expected);
    assert!(place.has("a", &loose).await, "a dry run removes nothing");
    assert_eq!(place.store.sweep(wish(later())).await.unwrap(), expected);
    assert!(!place.has("a", &loose).await && !place.has("a", &long).await);
    assert!(!place.blob("a", &Digest::sha256(&gone.blobs[0])).exists());
    for image in [&kept, &index, &index.children[0], &artifact] {
        place.assert_whole("a", image).await;
    }
    (expected.files, expected.bytes) = (0, 0);
    assert_eq!(place.store.sweep(wish(later())).await.unwrap(), expected);
}

#[tokio::test]
async fn what_no_tag_leads_to_goes_where_that_is_wanted() {
    let place = Place::new();
    let (old, new) = (fixture::image("old"), fixture::image("new"));
    let index = fixture::index(&[fixture::image("child")]);
    let on_new = fixture::artifact("on new", &new.manifest, "application/x");
    let on_old = fixture::artifact("on old", &old.manifest, "application/x");
    for (image, tag) in
        [(&old, Some("t")), (&new, Some("t")), (&index, Some("i")), (&on_new, None), (&on_old, None)]
    {
        place.push("a", image, tag).await;
    }
    let untagged = |now| Wish { untagged: true, ..wish(now) };
    assert_eq!(place.store.sweep(untagged(SystemTime::now())).await.unwrap().manifests, 0, "it is young");
    assert_eq!(place.store.sweep(untagged(later())).await.unwrap().manifests, 2);
    let source = place.store.source(&name("a"));
    for gone in [&old, &on_old] {
        let error = source.manifest(&gone.digest().into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    for image in [&new, &index, &index.children[0], &on_new] {
        place.assert_whole("a", image).await;
    }
    assert_eq!(source.tags(&PageRequest::first()).await.unwrap().items, [tag("i"), tag("t")]);
}

/// A file that two repositories have frees no bytes when one of them loses it.
#[tokio::test]
async fn other_repositories_keep_what_they_share() {
    let place = Place::new();
    let image = fixture::image("shared");
    place.push("a", &image, Some("t")).await;
    let target = place.store.target(&name("b")).unwrap();
    let digest = Digest::sha256(&image.blobs[0]);
    assert!(matches!(target.link_blob(&digest, &name("a")).await.unwrap(), LinkOutcome::Linked));
    let swept = place.store.sweep(wish(later())).await.unwrap();
    assert_eq!((swept.repositories, swept.files, swept.bytes), (2, 1, 0));
    assert!(!place.has("b", &digest).await);
    place.assert_whole("a", &image).await;
}

/// What a manifest links to that cannot be read is not known, so nothing of its repository goes.
#[tokio::test]
async fn a_repository_that_cannot_be_read_is_left_alone() {
    let place = Place::new();
    let image = fixture::image("x");
    place.push("broken", &image, Some("t")).await;
    place.push("fine", &image, Some("t")).await;
    let loose = [b"one", b"two"].map(|content| Bytes::from_static(content));
    let in_broken = place.push_blob("broken", &loose[0]).await;
    let in_fine = place.push_blob("fine", &loose[1]).await;
    replace(&place.blob("broken", &image.digest()), b"{}");
    let swept = place.store.sweep(wish(later())).await.unwrap();
    assert_eq!((swept.repositories, swept.files), (2, 1));
    assert_eq!(swept.skipped.len(), 1);
    assert!(swept.skipped[0].0 == name("broken"), "{swept:?}");
    assert!(place.has("broken", &in_broken).await && !place.has("fine", &in_fine).await);
}

/// Writes a file anew, so that links to the old one keep it.
fn replace(path: &Path, content: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
}

#[tokio::test]
async fn uploads_expire() {
    let place = Place::new();
    let target = place.store.target(&name("a/b")).unwrap();
    let mut ids = Vec::new();
    for content in ["old", "new"] {
        let mut upload = target.begin_upload(None).await.unwrap();
        upload.append(BlobBody::from(Bytes::from_static(content.as_bytes()))).await.unwrap();
        ids.push(upload.id().clone());
    }
    let data = place.root.path().join("a/b/_uploads").join(ids[0].as_str()).join("data");
    File::options().append(true).open(data).unwrap().set_modified(SystemTime::now() - 8 * DAY).unwrap();
    assert_eq!(place.store.expire_uploads(7 * DAY, SystemTime::now()).await.unwrap(), 1);
    assert_eq!(target.resume_upload(&ids[0]).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(target.resume_upload(&ids[1]).await.unwrap().offset(), 3);
    let dry = Wish { is_dry_run: true, ..wish(SystemTime::now() + 8 * DAY) };
    assert_eq!(place.store.sweep(dry).await.unwrap().uploads, 1);
    assert_eq!(place.store.sweep(wish(SystemTime::now() + 8 * DAY)).await.unwrap().uploads, 1);
}

/// The harshest sweep, to which everything is old, runs all the time. A push may be refused then, as what it
/// builds on may be gone; what is acknowledged is whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sweeping_beside_pushes_takes_nothing_that_was_acknowledged() {
    let place = Arc::new(Place::new());
    let (done, is_done) = tokio::sync::watch::channel(false);
    let sweeping = tokio::spawn({
        let place = Arc::clone(&place);
        async move {
            let mut files = 0;
            while !*is_done.borrow() {
                files += place.store.sweep(wish(later())).await.unwrap().files;
                // A push needs a moment in which nobody sweeps, or it would wait for luck.
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            files
        }
    });
    let push = |worker: u32| {
        let place = Arc::clone(&place);
        async move {
            let target = place.store.target(&name("a")).unwrap();
            for round in 0..15 {
                let image = fixture::image(&format!("{worker} {round}"));
                let tag = tag(&format!("t{worker}"));
                loop {
                    image.push_content(target.as_ref()).await;
                    match target.put_manifest(&image.manifest, Some(&tag)).await {
                        Ok(()) => break,
                        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
                    }
                }
                place.assert_whole("a", &image).await;
                if round % 3 == 0 {
                    place.delete("a", image.digest()).await;
                }
            }
        }
    };
    let pushes: Vec<_> = (0..4).map(|worker| tokio::spawn(push(worker))).collect();
    for push in pushes {
        push.await.unwrap();
    }
    done.send(true).unwrap();
    assert!(sweeping.await.unwrap() > 0);
    assert_eq!(place.store.check(Depth::Thorough { threads: 2 }).await.unwrap().findings, []);
}

#[tokio::test]
async fn a_check_finds_what_is_broken() {
    let place = Place::new();
    let image = fixture::image("x");
    for repository in ["a", "b", "c", "d", "whole"] {
        place.push(repository, &image, Some("t")).await;
    }
    let thorough = Depth::Thorough { threads: 2 };
    let whole = place.store.check(thorough).await.unwrap();
    assert_eq!((whole.repositories, whole.manifests, whole.findings.len()), (5, 5, 0));
    assert!(whole.bytes > 0);
    let blob = Digest::sha256(&image.blobs[0]);
    let mut rotten = image.blobs[0].to_vec();
    rotten[0] ^= 1;
    replace(&place.blob("a", &blob), &rotten);
    fs::remove_file(place.blob("b", &blob)).unwrap();
    fs::remove_file(place.blob("c", &image.digest())).unwrap();
    fs::write(place.root.path().join("d/_layout/index.json"), "{").unwrap();
    // Another process looks, which remembers nothing.
    let store = DirectoryStore::open(place.root.path()).unwrap();
    for (depth, expected) in [(Depth::Quick, vec!["c", "d"]), (thorough, vec!["a", "b", "c", "d"])] {
        let findings = store.check(depth).await.unwrap().findings;
        let found: Vec<&str> = findings.iter().map(|it| it.repository.as_str()).collect();
        assert_eq!(found, expected, "{findings:?}");
        let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(texts.iter().all(|text| text.contains(": ")), "{texts:?}");
    }
}
