use std::path::Path;

use sealift_oci::media_type;
use sealift_store::conformance::fixture::{Image, artifact, docker_image, image, image_of, index, noise};
use sealift_store::{collect_pages, verified};
use tempfile::TempDir;

use super::*;
use crate::fixture::Builder;
use crate::reader::OpenOptions;

const SIGNATURE: &str = "application/vnd.example.signature";
const BILL: &str = "application/vnd.example.bill";

async fn open(path: &Path) -> Bundle {
    Bundle::open(path, &OpenOptions::default()).await.unwrap()
}

async fn store(builders: &[Builder]) -> (Vec<TempDir>, BundleStore) {
    let (mut roots, mut bundles) = (Vec::new(), Vec::new());
    for builder in builders {
        let root = tempfile::tempdir().unwrap();
        builder.write(root.path());
        bundles.push(open(root.path()).await);
        roots.push(root);
    }
    (roots, BundleStore::new(bundles))
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn tag(text: &str) -> ManifestRef {
    text.parse().unwrap()
}

/// The manifest and every blob come back byte for byte.
async fn assert_holds(source: &dyn Source, image: &Image) {
    let reference = ManifestRef::Digest(image.digest());
    let descriptor = source.resolve(&reference).await.unwrap();
    let expected = &image.manifest.descriptor;
    assert_eq!((descriptor.size, &descriptor.media_type), (expected.size, &expected.media_type));
    assert_eq!(source.manifest(&reference).await.unwrap(), image.manifest);
    for blob in &image.blobs {
        let (digest, size) = (Digest::sha256(blob), blob.len() as u64);
        assert_eq!(source.stat_blob(&digest).await.unwrap(), size);
        let body = verified(source.open_blob(&digest, 0).await.unwrap(), digest, size);
        assert_eq!(body.collect(blob.len()).await.unwrap(), blob);
        assert_eq!(source.open_blob(&digest, size).await.unwrap().collect(0).await.unwrap(), "");
        let behind = source.open_blob(&digest, size + 1).await.unwrap_err();
        assert_eq!(behind.kind(), ErrorKind::Invalid);
    }
}

fn assert_missing<T: std::fmt::Debug>(result: Result<T>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    error.to_string()
}

#[tokio::test]
async fn a_bundle_is_a_place_to_read() {
    let (one, docker) = (image("one"), docker_image("docker"));
    let both = index(&[one.clone(), docker.clone()]);
    let mut builder = Builder::default();
    builder.image("app", "1", &both).image("app", "2", &one).image("other/deep", "1", &docker);
    let (_roots, store) = store(&[builder]).await;
    let app = store.source(&name("app"));
    for image in [&one, &docker, &both] {
        assert_holds(app.as_ref(), image).await;
    }
    assert_eq!(app.resolve(&tag("1")).await.unwrap().digest, both.digest());
    assert_eq!(app.manifest(&tag("2")).await.unwrap(), one.manifest);
    assert!(!app.keeps_referrers_in_tags());
    let error = store.target(&name("app")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    let listed = store.admin().repositories(&PageRequest::first()).await.unwrap();
    assert_eq!(listed.items, [name("app"), name("other/deep")]);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (one, other) = (image("one"), image("other"));
    let mut builder = Builder::default();
    builder.image("app", "1", &one).image("other", "1", &other);
    let (_roots, store) = store(&[builder]).await;
    let (app, none) = (store.source(&name("app")), store.source(&name("none")));
    for source in [&app, &none] {
        for reference in [tag("9"), other.digest().into(), Digest::sha256(&other.blobs[0]).into()] {
            let said = assert_missing(source.resolve(&reference).await);
            assert!(said.contains(&store.place().to_owned()), "{said}");
            assert_missing(source.manifest(&reference).await);
        }
        assert_missing(source.stat_blob(&Digest::sha256(&other.blobs[0])).await);
        assert_missing(source.open_blob(&Digest::sha256(&other.blobs[0]), 0).await);
    }
    assert_missing(none.tags(&PageRequest::first()).await);
    let page = none.referrers(&one.digest(), None, &PageRequest::first()).await.unwrap();
    assert!(page.items.is_empty() && page.next.is_none());
}

#[tokio::test]
async fn what_the_other_side_has_is_said() {
    let one = image("one");
    let mut builder = Builder::default();
    let left_out = Digest::sha256(&one.blobs[1]);
    builder.image("app", "1", &one).leave_out(left_out).leave_out(one.digest());
    let (_roots, store) = store(&[builder]).await;
    let app = store.source(&name("app"));
    for said in [
        assert_missing(app.stat_blob(&left_out).await),
        assert_missing(app.open_blob(&left_out, 0).await),
        assert_missing(app.resolve(&tag("1")).await),
        assert_missing(app.manifest(&tag("1")).await),
    ] {
        assert!(said.contains("the other side has it"), "{said}");
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let one = image("one");
    let mut builder = Builder::default();
    for tag in ["b", "a", "B", "10", "9"] {
        builder.image("app", tag, &one);
    }
    let attached: Vec<Image> = [("1", SIGNATURE), ("2", BILL), ("3", SIGNATURE)]
        .map(|(seed, kind)| artifact(seed, &one.manifest, kind))
        .into();
    attached.iter().for_each(|image| _ = builder.add("app", image));
    // The same subject in another repository has nothing attached.
    builder.image("other", "1", &one);
    let (_roots, store) = store(&[builder]).await;
    let app = store.source(&name("app"));
    for limit in [1, 2, 1000] {
        let tags = collect_pages(Operation::ListTags, |page| {
            let app = &app;
            async move { app.tags(&PageRequest { limit, ..page }).await }
        });
        let tags: Vec<String> = tags.await.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(tags, ["10", "9", "B", "a", "b"]);
        for (wanted, count) in [(None, 3), (Some(SIGNATURE), 2), (Some(BILL), 1), (Some("x"), 0)] {
            let (app, subject) = (&app, one.digest());
            let listed = collect_pages(Operation::ListReferrers, |page| async move {
                app.referrers(&subject, wanted, &PageRequest { limit, ..page }).await
            });
            let listed = listed.await.unwrap();
            assert_eq!(listed.len(), count, "{wanted:?} {limit}");
            let is_known = |it: &Descriptor| attached.iter().any(|image| image.manifest.descriptor == *it);
            assert!(listed.iter().all(is_known), "{listed:?}");
        }
    }
    let other = store.source(&name("other"));
    let page = other.referrers(&one.digest(), None, &PageRequest::first()).await.unwrap();
    assert!(page.items.is_empty());
}

#[tokio::test]
async fn bundles_lie_on_top_of_each_other() {
    let layer = noise("layer", 4000);
    let (old, new) =
        (image_of("old", std::slice::from_ref(&layer)), image_of("new", std::slice::from_ref(&layer)));
    let (mut first, mut second) = (Builder::default(), Builder::default());
    first.image("app", "latest", &old).image("app", "1", &old);
    second.image("app", "latest", &new).image("app", "2", &new).image("two", "1", &image("two"));
    second.leave_out(Digest::sha256(&layer));
    second.add("app", &artifact("late", &old.manifest, SIGNATURE));
    let (roots, store) = store(&[first, second]).await;
    let app = store.source(&name("app"));
    for image in [&old, &new] {
        assert_holds(app.as_ref(), image).await;
    }
    let latest = app.resolve(&tag("latest")).await.unwrap();
    assert_eq!(latest.digest, new.digest(), "the later bundle is right");
    let tags = app.tags(&PageRequest::first()).await.unwrap();
    assert_eq!(tags.items.len(), 3);
    let attached = app.referrers(&old.digest(), None, &PageRequest::first()).await.unwrap();
    assert_eq!(attached.items.len(), 1);
    // The other order, and a bundle whose volume is gone gives way to one that has the content.
    let bundles = vec![open(roots[1].path()).await, open(roots[0].path()).await];
    let turned = BundleStore::new(bundles).source(&name("app"));
    assert_eq!(turned.resolve(&tag("latest")).await.unwrap().digest, old.digest());
    let whole = roots[0].path();
    let broken = tempfile::tempdir().unwrap();
    for file in ["SHA256SUMS", "catalogue.json"] {
        std::fs::copy(whole.join(file), broken.path().join(file)).unwrap();
    }
    let both = BundleStore::new(vec![open(broken.path()).await, open(whole).await]);
    assert_holds(both.source(&name("app")).as_ref(), &old).await;
    let alone = BundleStore::new(vec![open(broken.path()).await]).source(&name("app"));
    let error = alone.open_blob(&Digest::sha256(&layer), 0).await.unwrap_err();
    let said = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Io, "{said}");
    assert!(said.contains("volume-1-of-1.tar: the volume is missing"), "{said}");
}

#[tokio::test]
async fn altered_manifests_are_refused() {
    let one = image("one");
    let mut builder = Builder::default();
    builder.image("app", "1", &one);
    let root = tempfile::tempdir().unwrap();
    let written = builder.write(root.path());
    let content = written.content.iter().find(|it| it.digest == one.digest()).unwrap();
    let path = root.path().join(&written.volumes[0].name);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[content.at[0].offset as usize + 3] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let app = BundleStore::new(vec![open(root.path()).await]).source(&name("app"));
    let error = app.manifest(&tag("1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    let place = format!("volume-1-of-1.tar at byte {}", content.at[0].offset);
    assert!(error.to_string().contains(&place), "{error}");
}

/// Whoever gets it from the target would be told the wrong type. What it links to is known all the same.
#[tokio::test]
async fn what_is_listed_under_another_type_is_refused() {
    let one = image("one");
    for listed in ["text/plain", media_type::OCI_INDEX, media_type::DOCKER_MANIFEST] {
        let mut builder = Builder::default();
        builder.image("app", "1", &one).image("other", "1", &image("two"));
        listed.clone_into(&mut builder.repositories.get_mut(&name("app")).unwrap().manifests[0].media_type);
        let (_roots, store) = store(&[builder]).await;
        let error = store.source(&name("app")).manifest(&tag("1")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let words = format!("{} is listed as {listed:?}, and is an image of the type", one.digest());
        assert!(error.to_string().contains(&words), "{error}");
        assert_holds(store.source(&name("other")).as_ref(), &image("two")).await;
        let bundle = &store.bundles()[0];
        assert_eq!(bundle.reach(&bundle.catalogue().images[0]).len(), 1 + one.blobs.len());
    }
}
