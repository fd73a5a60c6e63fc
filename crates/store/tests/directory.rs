//! The directory store from outside: what other tools wrote, other processes, crashes, links and rights.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use sealift_oci::{Digest, ManifestRef, RepositoryName, media_type};
use sealift_store::conformance::fixture::{self, tag};
use sealift_store::{
    BlobBody, DirectoryStore, Error, ErrorKind, LinkOutcome, Operation, PageRequest, Store, Target, UploadId,
};
use serde_json::{Value, json};

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
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

    /// A second store on the same root, as another process has it.
    fn reopened(&self) -> DirectoryStore {
        DirectoryStore::open(self.root.path()).unwrap()
    }

    fn target(&self, repository: &str) -> Arc<dyn Target> {
        self.store.target(&name(repository)).unwrap()
    }

    fn layout(&self, repository: &str) -> PathBuf {
        self.root.path().join(repository).join("_layout")
    }

    fn blob(&self, repository: &str, digest: &Digest) -> PathBuf {
        self.layout(repository).join("blobs").join(digest.algorithm().as_str()).join(digest.hex())
    }

    fn upload(&self, repository: &str, id: &UploadId) -> PathBuf {
        self.root.path().join(repository).join("_uploads").join(id.as_str())
    }

    fn index(&self, repository: &str) -> Value {
        serde_json::from_slice(&fs::read(self.layout(repository).join("index.json")).unwrap()).unwrap()
    }
}

async fn tags(store: &dyn Store, repository: &str) -> Vec<String> {
    let page = store.source(&name(repository)).tags(&PageRequest::first()).await.unwrap();
    page.items.iter().map(ToString::to_string).collect()
}

async fn assert_readable(store: &dyn Store, repository: &str, content: &Bytes) {
    let body = store.source(&name(repository)).open_blob(&Digest::sha256(content), 0).await.unwrap();
    assert!(body.collect(content.len()).await.unwrap() == content);
}

fn files_below(path: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(path).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files_below(&path)) } else { all.push(path) }
    }
    all
}

#[tokio::test]
async fn a_repository_is_an_oci_layout() {
    let place = Place::new();
    let image = fixture::index(&[fixture::image("a")]);
    image.push(&place.store, &name("a/b"), Some("v1")).await;
    let signature = fixture::artifact("s", &image.manifest, "application/vnd.example");
    signature.push(&place.store, &name("a/b"), None).await;
    let marker = fs::read_to_string(place.layout("a/b").join("oci-layout")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&marker).unwrap(), json!({"imageLayoutVersion": "1.0.0"}));
    let index = place.index("a/b");
    assert_eq!(index["schemaVersion"], 2);
    let entry = |digest: Digest| {
        let all = index["manifests"].as_array().unwrap();
        all.iter().find(|entry| entry["digest"] == digest.to_string()).unwrap()
    };
    assert_eq!(entry(image.digest())["mediaType"], media_type::OCI_INDEX);
    assert_eq!(entry(image.digest())["annotations"], json!({"org.opencontainers.image.ref.name": "v1"}));
    assert_eq!(entry(image.children[0].digest()).get("annotations"), None);
    let subject = json!({"dev.sealift.subject": image.digest().to_string()});
    assert_eq!(entry(signature.digest())["annotations"], subject);
    // Nothing is left of the uploads and stages.
    let files = files_below(place.root.path());
    assert!(files.iter().all(|path| !path.to_string_lossy().contains("_uploads")), "{files:?}");
    assert!(files.iter().all(|path| !path.to_string_lossy().contains(".stage-")), "{files:?}");
}

/// What `skopeo copy --all` leaves: the index is listed, its manifests are not.
#[tokio::test]
async fn layouts_of_other_tools_are_read_and_kept() {
    let place = Place::new();
    let image = fixture::index(&[fixture::image("a"), fixture::image("b")]);
    image.push(&place.store, &name("app"), Some("v1")).await;
    let mut index = place.index("app");
    index["manifests"].as_array_mut().unwrap().retain(|entry| entry["digest"] == image.digest().to_string());
    index["manifests"][0]["annotations"]["vendor.note"] = json!("kept");
    index["vendor"] = json!([1, 2]);
    fs::write(place.layout("app").join("index.json"), index.to_string()).unwrap();

    let store = place.reopened();
    for child in &image.children {
        let found = store.source(&name("app")).manifest(&child.digest().into()).await.unwrap();
        assert_eq!(found, child.manifest);
    }
    let config = Digest::sha256(&image.children[0].blobs[0]);
    let error = store.source(&name("app")).manifest(&config.into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "a blob is no manifest");
    fixture::image("c").push(&store, &name("app"), Some("v2")).await;
    assert_eq!(tags(&place.store, "app").await, ["v1", "v2"]);
    assert_eq!(place.index("app")["vendor"], index["vendor"]);
    assert_eq!(place.index("app")["manifests"][0], index["manifests"][0]);
}

#[tokio::test]
async fn an_upload_goes_on_in_another_process() {
    let place = Place::new();
    let content = fixture::noise("content", 3_000_000);
    let mut upload = place.target("a").begin_upload(None).await.unwrap();
    upload.append(BlobBody::from(content.slice(..2_000_000))).await.unwrap();
    let path = place.upload("a", upload.id());

    // The state as it was saved; lost; torn; of more bytes than there are; and data that came after it.
    type Damage = fn(&Path);
    let damages: [(Damage, u64); 5] = [
        (|_| {}, 2_000_000),
        (|path| fs::remove_file(path.join("state")).unwrap(), 2_000_000),
        (|path| fs::write(path.join("state"), b"torn").unwrap(), 2_000_000),
        (|path| cut(&path.join("data"), 1_500_000), 1_500_000),
        (|path| cut(&path.join("data"), 0), 0),
    ];
    for (damage, offset) in damages {
        damage(&path);
        let target = place.reopened().target(&name("a")).unwrap();
        let resumed = target.resume_upload(upload.id()).await.unwrap();
        assert_eq!(resumed.offset(), offset);
    }
    let target = place.reopened().target(&name("a")).unwrap();
    let mut resumed = target.resume_upload(upload.id()).await.unwrap();
    resumed.append(BlobBody::from(content.slice(..2_500_000))).await.unwrap();
    let mut data = fs::OpenOptions::new().append(true).open(path.join("data")).unwrap();
    std::io::Write::write_all(&mut data, &content[2_500_000..2_700_000]).unwrap();
    let mut resumed = target.resume_upload(upload.id()).await.unwrap();
    assert_eq!(resumed.offset(), 2_700_000);
    // The first handle knows another offset, so it must not write.
    let stale = upload.append(BlobBody::from(content.slice(2_000_000..))).await.unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Busy);
    resumed.append(BlobBody::from(content.slice(2_700_000..))).await.unwrap();
    resumed.finish(&Digest::sha256(&content)).await.unwrap();
    assert_readable(&place.store, "a", &content).await;
    assert!(!path.exists());
}

fn cut(path: &Path, length: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

#[tokio::test]
async fn an_append_that_is_dropped_keeps_what_came() {
    let place = Place::new();
    let content = fixture::noise("content", 400_000);
    let target = place.target("a");
    let mut upload = target.begin_upload(None).await.unwrap();
    let pieces = stream::iter([Ok(content.slice(..300_000))]).chain(stream::pending()).boxed();
    let append = upload.append(BlobBody::from_stream(None, pieces));
    assert!(tokio::time::timeout(Duration::from_millis(200), append).await.is_err());
    let path = place.upload("a", upload.id());
    assert!(path.join("state").exists(), "the state of the hash is saved");
    let mut upload = target.resume_upload(upload.id()).await.unwrap();
    assert_eq!(upload.offset(), 300_000);
    upload.append(BlobBody::from(content.slice(300_000..))).await.unwrap();
    upload.finish(&Digest::sha256(&content)).await.unwrap();
    assert_readable(&place.store, "a", &content).await;
}

#[tokio::test]
async fn only_one_appends_at_a_time() {
    let place = Place::new();
    let mut upload = place.target("a").begin_upload(None).await.unwrap();
    let id = upload.id().clone();
    let appending =
        tokio::spawn(
            async move { upload.append(BlobBody::from_stream(None, stream::pending().boxed())).await },
        );
    tokio::time::sleep(Duration::from_millis(100)).await;
    for store in [&place.store, &place.reopened()] {
        let busy = store.target(&name("a")).unwrap().resume_upload(&id).await.unwrap_err();
        assert_eq!(busy.kind(), ErrorKind::Busy);
    }
    appending.abort();
    let _ = appending.await;
    place.target("a").resume_upload(&id).await.unwrap();
}

/// Every point at which a process can be killed leaves files behind; none of them is seen.
#[tokio::test]
async fn what_a_crash_leaves_is_invisible() {
    let place = Place::new();
    let (old, new) = (fixture::image("old"), fixture::image("new"));
    old.push(&place.store, &name("a"), Some("v1")).await;
    new.push_content(place.target("a").as_ref()).await;
    let path = place.blob("a", &new.digest());
    // Killed while staging the manifest, before the index changed, and while staging the index.
    fs::write(path.with_file_name(".stage-0"), &new.manifest.bytes[..10]).unwrap();
    fs::write(&path, &new.manifest.bytes).unwrap();
    fs::write(place.layout("a").join(".stage-1"), "{\"manif").unwrap();
    let store = place.reopened();
    let source = store.source(&name("a"));
    for reference in [ManifestRef::from(new.digest()), tag("v2").into()] {
        assert_eq!(source.resolve(&reference).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(tags(&store, "a").await, ["v1"]);
    new.push(&store, &name("a"), Some("v2")).await;
    assert_eq!(tags(&place.store, "a").await, ["v1", "v2"]);

    // Killed between making a layout's directories and its index.
    fs::create_dir_all(place.layout("half").join("blobs")).unwrap();
    let repositories = store.admin().repositories(&PageRequest::first()).await.unwrap();
    assert_eq!(repositories.items, [name("a")]);
    new.push(&store, &name("half"), Some("v2")).await;
    assert_eq!(tags(&place.store, "half").await, ["v2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_push_to_one_repository() {
    let place = Place::new();
    let stores = [Arc::new(place.reopened()), Arc::new(place.reopened())];
    let push = |number: usize| {
        let store = Arc::clone(&stores[number % 2]);
        tokio::spawn(async move {
            let image = fixture::image(&format!("image {}", number / 3));
            image.push(store.as_ref(), &name("shared/app"), Some(&format!("tag-{number:02}"))).await;
        })
    };
    for done in join_all((0..40).map(push)).await {
        done.unwrap();
    }
    let expected: Vec<String> = (0..40).map(|number| format!("tag-{number:02}")).collect();
    for store in [&place.store, &*stores[0], &*stores[1]] {
        assert_eq!(tags(store, "shared/app").await, expected);
    }
    for number in 0..40 {
        let image = fixture::image(&format!("image {}", number / 3));
        let reference = tag(&format!("tag-{number:02}")).into();
        let found = place.store.source(&name("shared/app")).manifest(&reference).await.unwrap();
        assert_eq!(found, image.manifest);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn linked_blobs_are_one_file() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let content = fixture::noise("content", 1000);
    let digest = fixture::push_blob(place.target("one").as_ref(), &content).await;
    for repository in ["two", "deep/three"] {
        let outcome = place.target(repository).link_blob(&digest, &name("one")).await.unwrap();
        assert!(matches!(outcome, LinkOutcome::Linked));
        assert_readable(&place.store, repository, &content).await;
    }
    assert_eq!(fs::metadata(place.blob("one", &digest)).unwrap().nlink(), 3);
    let refused = place.target("four").link_blob(&Digest::sha256(b"x"), &name("one")).await.unwrap();
    assert!(matches!(refused, LinkOutcome::Refused));
    assert!(!place.root.path().join("four").exists(), "a refused link changes nothing");
}

#[tokio::test]
async fn a_blob_is_served_as_it_is_and_a_manifest_is_not() {
    let place = Place::new();
    let image = fixture::image("a");
    image.push(&place.store, &name("a"), Some("v1")).await;
    let blob = Digest::sha256(&image.blobs[0]);
    fs::write(place.blob("a", &blob), "rotten").unwrap();
    fs::write(place.blob("a", &image.digest()), fixture::image("b").manifest.bytes).unwrap();
    let source = place.store.source(&name("a"));
    assert_eq!(source.stat_blob(&blob).await.unwrap(), 6);
    assert_eq!(source.open_blob(&blob, 0).await.unwrap().collect(10).await.unwrap(), "rotten");
    assert_eq!(source.manifest(&tag("v1").into()).await.unwrap_err().kind(), ErrorKind::Mismatch);
    // Pushing again repairs.
    image.push(&place.store, &name("a"), Some("v1")).await;
    assert_eq!(source.manifest(&tag("v1").into()).await.unwrap(), image.manifest);
    assert_readable(&place.store, "a", &image.blobs[0]).await;
    fs::remove_file(place.blob("a", &image.digest())).unwrap();
    assert_eq!(source.resolve(&tag("v1").into()).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_malformed_index_is_an_error_that_names_the_place() {
    let place = Place::new();
    fixture::image("a").push(&place.store, &name("a"), Some("v1")).await;
    for text in ["", "{\"manifests\": 7}", "[]"] {
        fs::write(place.layout("a").join("index.json"), text).unwrap();
        let error = place.store.source(&name("a")).resolve(&tag("v1").into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
        assert!(error.to_string().starts_with(&place.root.path().display().to_string()), "{error}");
        assert!(error.to_string().contains("a:v1"), "{error}");
    }
}

#[tokio::test]
async fn the_error_of_a_body_stays_what_it_is() {
    let place = Place::new();
    let mut upload = place.target("a").begin_upload(None).await.unwrap();
    let broken = Error::new(ErrorKind::Unavailable, Operation::FetchBlob).at("elsewhere");
    let pieces = stream::iter([Ok(Bytes::from_static(b"x")), Err(broken)]).boxed();
    let error = upload.append(BlobBody::from_stream(None, pieces)).await.unwrap_err();
    assert_eq!((error.kind(), error.place()), (ErrorKind::Unavailable, Some("elsewhere")));
    assert_eq!(upload.offset(), 1);
}

/// A user without rights; root has all of them, so this test says nothing there.
#[cfg(unix)]
#[tokio::test]
async fn missing_rights_are_denied_by_name() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let image = fixture::image("a");
    image.push(&place.store, &name("a"), Some("v1")).await;
    fs::set_permissions(place.layout("a"), fs::Permissions::from_mode(0o500)).unwrap();
    let probe = fs::write(place.layout("a").join("probe"), "");
    if probe.is_err() {
        let put = place.target("a").put_manifest(&image.manifest, Some(&tag("v2"))).await.unwrap_err();
        assert_eq!(put.kind(), ErrorKind::Denied);
        assert!(put.to_string().contains("a:v2"), "{put}");
    }
    fs::set_permissions(place.layout("a"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(place.root.path(), fs::Permissions::from_mode(0o500)).unwrap();
    assert_eq!(place.reopened().target(&name("b")).unwrap_err().kind(), ErrorKind::ReadOnly);
    fs::set_permissions(place.root.path(), fs::Permissions::from_mode(0o700)).unwrap();
}
