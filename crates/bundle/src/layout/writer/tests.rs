use super::*;
use std::collections::BTreeMap;
use std::path::Path;

use sealift_oci::{Manifest, ManifestRef, media_type};
use sealift_store::conformance::{self, fixture};
use sealift_store::{Error, ErrorKind, PageRequest, put_blob, verified};
use serde_json::json;

use crate::layout::LayoutStore;

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

async fn writer(root: &Path) -> LayoutWriter {
    let host = "mcr.example.com".parse().unwrap();
    let names = LayoutNames::Full([(name("team/app"), (host, name("team/app")))].into());
    LayoutWriter::create(root, &name("main"), names).await.unwrap()
}

async fn reader(root: &Path) -> LayoutStore {
    LayoutStore::open(root, &name("main")).await.unwrap()
}

fn listed(root: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(root.join(INDEX)).unwrap()).unwrap()
}

#[tokio::test]
async fn it_keeps_the_contract() {
    let root = tempfile::tempdir().unwrap();
    let writer = writer(&root.path().join("new/layout")).await;
    let store: Arc<dyn Store> = Arc::new(writer);
    conformance::all(&store).await;
    conformance::strict(&store).await;
}

#[tokio::test]
async fn what_was_written_is_read_again() {
    let root = tempfile::tempdir().unwrap();
    let image = fixture::index(&[fixture::image("a"), fixture::image("b")]);
    let signature = fixture::artifact("s", &image.manifest, "application/vnd.example.signature");
    let (app, tool) = (name("team/app"), name("tool"));
    let writer = writer(root.path()).await;
    image.push(&writer, &app, Some("v1")).await;
    signature.push(&writer, &app, None).await;
    image.children[0].push(&writer, &tool, Some("v2")).await;
    drop(writer);

    let names: Vec<String> = fs::read_dir(root.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        BTreeMap::from_iter(names.into_iter().map(|it| (it, ()))).into_keys().collect::<Vec<_>>(),
        ["blobs", "index.json", "oci-layout"]
    );
    let shown: Vec<_> = listed(root.path())["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["annotations"].clone())
        .collect();
    let reference = "org.opencontainers.image.ref.name";
    assert_eq!(
        shown,
        [
            json!({reference: "mcr.example.com/team/app:v1"}),
            json!({"dev.sealift.repository": "team/app"}),
            json!({reference: "tool:v2"}),
        ]
    );

    let store = reader(root.path()).await;
    let repositories = store.admin().repositories(&PageRequest::first()).await.unwrap();
    assert_eq!(repositories.items, [app.clone(), tool.clone()]);
    let images = store.images().await.unwrap();
    let images: Vec<_> = images
        .iter()
        .map(|it| {
            (
                it.repository.as_str(),
                it.tag.as_ref().unwrap().as_str(),
                it.source.as_deref(),
                it.descriptor.digest,
            )
        })
        .collect();
    assert_eq!(
        images,
        [
            ("team/app", "v1", Some("mcr.example.com/team/app"), image.digest()),
            ("tool", "v2", None, image.children[0].digest()),
        ]
    );
    let source = store.source(&app);
    let child = source.manifest(&image.children[1].digest().into()).await.unwrap();
    assert_eq!(child, image.children[1].manifest);
    let attached = source.referrers(&image.digest(), None, &PageRequest::first()).await.unwrap();
    assert_eq!(attached.items.iter().map(|it| it.digest).collect::<Vec<_>>(), [signature.digest()]);
    assert!(matches!(store.target(&app), Err(error) if error.kind() == ErrorKind::ReadOnly));
    let other = store.source(&name("other"));
    assert_eq!(other.stat_blob(&image.digest()).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_is_there_is_not_written_again() {
    let root = tempfile::tempdir().unwrap();
    let image = fixture::image("again");
    let layer = sealift_oci::Digest::sha256(&image.blobs[1]);
    image.push_content(writer(root.path()).await.target(&name("a")).unwrap().as_ref()).await;
    let writer = writer(root.path()).await;
    let target = writer.target(&name("b")).unwrap();
    assert_eq!(target.stat_blob(&layer).await.unwrap(), Some(image.blobs[1].len() as u64));
    target.put_manifest(&image.manifest, Some(&fixture::tag("v"))).await.unwrap();
    assert!(writer.source(&name("b")).resolve(&fixture::tag("v").into()).await.is_ok());
}

#[tokio::test]
async fn two_writers_do_not_lose_what_the_other_lists() {
    let root = tempfile::tempdir().unwrap();
    let (one, two) = (writer(root.path()).await, writer(root.path()).await);
    for number in 0..3 {
        fixture::image(&format!("one {number}")).push(&one, &name("a"), Some(&format!("one-{number}"))).await;
        fixture::image(&format!("two {number}")).push(&two, &name("a"), Some(&format!("two-{number}"))).await;
    }
    let tags = reader(root.path()).await.source(&name("a")).tags(&PageRequest::first()).await.unwrap();
    assert_eq!(tags.items.len(), 6);
}

#[tokio::test]
async fn only_layouts_and_new_directories_are_opened() {
    let root = tempfile::tempdir().unwrap();
    let (used, main) = (root.path().join("used"), name("main"));
    fs::create_dir(&used).unwrap();
    fs::write(used.join("letter.txt"), "dear").unwrap();
    let refused = LayoutWriter::create(&used, &main, LayoutNames::Tags).await.unwrap_err().to_string();
    assert!(refused.contains("it is not empty and no OCI image layout"), "{refused}");
    for path in [&used, &root.path().join("missing"), &used.join("letter.txt")] {
        assert!(LayoutStore::open(path, &main).await.is_err());
    }
    assert_eq!(fs::read_dir(&used).unwrap().count(), 1);
}

#[tokio::test]
async fn a_hostile_layout_is_told_by_its_file() {
    let root = tempfile::tempdir().unwrap();
    let main = name("main");
    let open = || LayoutStore::open(root.path(), &main);
    fs::write(root.path().join("oci-layout"), r#"{"imageLayoutVersion":"9.0.0"}"#).unwrap();
    fs::write(root.path().join(INDEX), "{}").unwrap();
    assert!(open().await.unwrap_err().to_string().contains("version \"9.0.0\""));
    fs::write(root.path().join("oci-layout"), MARKER.1).unwrap();
    assert!(open().await.is_ok());
    for content in ["", "[]", "{\"manifests\":{}}", &"[".repeat(100_000)] {
        fs::write(root.path().join(INDEX), content).unwrap();
        assert!(open().await.unwrap_err().to_string().contains("index.json"), "{content:.20}");
    }
    // A gigabyte that takes no room on the disk.
    File::create(root.path().join(INDEX)).unwrap().set_len(1 << 30).unwrap();
    let message = open().await.unwrap_err().to_string();
    assert!(message.contains("index.json has more than 16777216 bytes"), "{message}");
    #[cfg(unix)]
    {
        fs::remove_file(root.path().join(INDEX)).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.path().join(INDEX)).unwrap();
        assert!(open().await.unwrap_err().to_string().contains(INDEX));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_blob_that_is_a_link_is_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let image = fixture::image("linked");
    let written = writer(root.path()).await;
    image.push(&written, &name("main"), Some("v")).await;
    let layer = sealift_oci::Digest::sha256(&image.blobs[1]);
    let path = written.shared.directory.blob(&layer);
    fs::rename(&path, root.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(root.path().join("elsewhere"), &path).unwrap();
    let error: Error =
        reader(root.path()).await.source(&name("main")).open_blob(&layer, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn indexes_that_contain_one_another_come_to_an_end() {
    let root = tempfile::tempdir().unwrap();
    let written = writer(root.path()).await;
    // An index that names a digest whose file is this very index: no such bytes exist, so the file lies.
    let wrong = sealift_oci::Digest::sha256(b"anything");
    let entry = json!({"mediaType": media_type::OCI_INDEX, "digest": wrong, "size": 3});
    let circle = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [entry]});
    fs::create_dir_all(root.path().join("blobs/sha256")).unwrap();
    fs::write(written.shared.directory.blob(&wrong), circle.to_string()).unwrap();
    fs::write(root.path().join(INDEX), circle.to_string()).unwrap();
    let source = reader(root.path()).await.source(&name("main"));
    let error = source.manifest(&ManifestRef::from(wrong)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    let absent = sealift_oci::Digest::sha256(b"absent");
    assert_eq!(source.resolve(&absent.into()).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_size_that_lies_is_found() {
    let root = tempfile::tempdir().unwrap();
    let image = fixture::image("lies");
    let written = writer(root.path()).await;
    image.push(&written, &name("main"), Some("v")).await;
    let layer = sealift_oci::Digest::sha256(&image.blobs[1]);
    fs::write(written.shared.directory.blob(&layer), "longer than it was before, by far").unwrap();
    let source = reader(root.path()).await.source(&name("main"));
    let body = source.open_blob(&layer, 0).await.unwrap();
    let read = verified(body, layer, image.blobs[1].len() as u64).collect(1000).await;
    assert_eq!(read.unwrap_err().kind(), ErrorKind::Mismatch);
}

/// What is attached is listed by other tools without any name, beside images of a repository that has one.
#[tokio::test]
async fn attachments_of_other_tools_are_found() {
    let root = tempfile::tempdir().unwrap();
    let image = fixture::image("signed");
    let signature: Manifest = fixture::artifact("s", &image.manifest, "application/vnd.example.s").manifest;
    let written = writer(root.path()).await;
    image.push(&written, &name("team/app"), Some("v1")).await;
    let target = written.target(&name("team/app")).unwrap();
    put_blob(
        target.as_ref(),
        &signature.digest(),
        signature.bytes.len() as u64,
        signature.bytes.clone().into(),
    )
    .await
    .unwrap();
    let mut index = listed(root.path());
    let entry = json!({"mediaType": media_type::OCI_MANIFEST, "digest": signature.digest(), "size": signature.bytes.len()});
    index["manifests"].as_array_mut().unwrap().push(entry);
    fs::write(root.path().join(INDEX), index.to_string()).unwrap();
    let store = reader(root.path()).await;
    let attached = store
        .source(&name("team/app"))
        .referrers(&image.digest(), None, &PageRequest::first())
        .await
        .unwrap();
    assert_eq!(attached.items.iter().map(|it| it.digest).collect::<Vec<_>>(), [signature.digest()]);
    let repositories = store.admin().repositories(&PageRequest::first()).await.unwrap();
    assert_eq!(repositories.items, [name("team/app")]);
    assert_eq!(store.images().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_left_behind_is_swept() {
    let root = tempfile::tempdir().unwrap();
    let written = writer(root.path()).await;
    let upload = written.target(&name("a/b")).unwrap().begin_upload(None).await.unwrap();
    let stage = root.path().join(".stage-1");
    fs::write(&stage, "x").unwrap();
    written.sweep(SystemTime::now());
    assert!(stage.exists() && written.shared.uploads(&name("a/b")).join(upload.id().as_str()).exists());
    written.sweep(SystemTime::now() + 2 * sealift_store::sweep::LIFETIME);
    assert!(!stage.exists() && !written.shared.uploads(&name("a/b")).join(upload.id().as_str()).exists());
    drop((upload, written));
    assert!(!root.path().join(UPLOADS).exists());
}
