//! What the contract says of manifests and tags.

use futures_util::future::join_all;
use sealift_oci::{Algorithm, Digest, ManifestRef};

use super::fixture::{self, Image, tag};
use super::{assert_blob, assert_kind, assert_no_blob, assert_no_manifest, fresh, target};
use crate::{BlobBody, ErrorKind, Expected, PageRequest, Store, put_blob};

/// Everything about an image can be read as it was written.
async fn assert_image(
    store: &dyn Store,
    repository: &sealift_oci::RepositoryName,
    image: &Image,
    by: ManifestRef,
) {
    let (source, expected) = (store.source(repository), &image.manifest.descriptor);
    let resolved = source.resolve(&by).await.unwrap();
    assert_eq!((resolved.digest, resolved.size), (expected.digest, expected.size));
    assert_eq!(resolved.media_type, expected.media_type);
    let stat = target(store, repository).stat_manifest(&by).await.unwrap();
    assert_eq!(stat.map(|it| it.digest), Some(expected.digest));
    assert_eq!(source.manifest(&by).await.unwrap(), image.manifest);
    for blob in &image.blobs {
        assert_blob(store, repository, blob).await;
    }
}

/// What was pushed can be pulled, by tag and by digest, with its media type and to the byte.
pub async fn push_and_pull(store: &dyn Store) {
    let repository = fresh("push-and-pull");
    for (name, image) in [("oci", fixture::image("one")), ("docker", fixture::docker_image("two"))] {
        image.push(store, &repository, Some(name)).await;
        assert_image(store, &repository, &image, tag(name).into()).await;
        assert_image(store, &repository, &image, image.digest().into()).await;
    }
    let untagged = fixture::image("three");
    untagged.push(store, &repository, None).await;
    assert_image(store, &repository, &untagged, untagged.digest().into()).await;
}

/// What is not there is "not found", the repository included.
pub async fn missing_is_not_found(store: &dyn Store) {
    let (empty, used) = (fresh("missing"), fresh("missing"));
    fixture::image("here").push(store, &used, Some("here")).await;
    let digest = Digest::sha256(used.as_str().as_bytes());
    for repository in [&empty, &used] {
        assert_no_blob(store, repository, &digest).await;
        assert_no_manifest(store, repository, &digest.into()).await;
        assert_no_manifest(store, repository, &tag("missing").into()).await;
    }
    assert_kind(store.source(&empty).tags(&PageRequest::first()).await, ErrorKind::NotFound);
}

/// A manifest is refused, and stays invisible, as long as a blob of it is missing in its repository.
pub async fn manifests_need_their_blobs(store: &dyn Store) {
    let (repository, other) = (fresh("needs-blobs"), fresh("needs-blobs"));
    let image = fixture::image(repository.as_str());
    image.push(store, &other, None).await;
    let (target, name) = (target(store, &repository), tag("early"));
    for blob in &image.blobs {
        assert_kind(target.put_manifest(&image.manifest, Some(&name)).await, ErrorKind::NotFound);
        assert_no_manifest(store, &repository, &name.clone().into()).await;
        assert_no_manifest(store, &repository, &image.digest().into()).await;
        fixture::push_blob(target.as_ref(), blob).await;
    }
    target.put_manifest(&image.manifest, Some(&name)).await.unwrap();
    assert_image(store, &repository, &image, name.into()).await;
}

/// An index is a manifest like any other, and so is an index of indexes.
pub async fn indexes(store: &dyn Store) {
    let repository = fresh("indexes");
    let inner = fixture::index(&[fixture::image("a"), fixture::docker_image("b")]);
    let outer = fixture::index(&[inner.clone(), fixture::image("c")]);
    outer.push(store, &repository, Some("all")).await;
    assert_image(store, &repository, &outer, tag("all").into()).await;
    for image in inner.children.iter().chain(&outer.children) {
        assert_image(store, &repository, image, image.digest().into()).await;
    }
}

/// A tag moves to another manifest; what it pointed at stays.
pub async fn tags_move(store: &dyn Store) {
    let repository = fresh("tags-move");
    let (old, new) = (fixture::image("old"), fixture::image("new"));
    old.push(store, &repository, Some("moving")).await;
    old.push(store, &repository, Some("staying")).await;
    new.push(store, &repository, Some("moving")).await;
    assert_image(store, &repository, &new, tag("moving").into()).await;
    assert_image(store, &repository, &old, tag("staying").into()).await;
    new.push(store, &repository, Some("staying")).await;
    assert_image(store, &repository, &new, tag("staying").into()).await;
    assert_image(store, &repository, &old, old.digest().into()).await;
}

/// Writing again what is there succeeds and changes nothing.
pub async fn writing_again_changes_nothing(store: &dyn Store) {
    let repository = fresh("again");
    let image = fixture::index(&[fixture::image("again")]);
    for _ in 0..3 {
        image.push(store, &repository, Some("again")).await;
        image.push(store, &repository, None).await;
        assert_image(store, &repository, &image, tag("again").into()).await;
        let tags = store.source(&repository).tags(&PageRequest::first()).await.unwrap();
        assert_eq!((tags.items, tags.next), (vec![tag("again")], None));
    }
}

/// Many may write to one repository at the same time; what was acknowledged is there.
pub async fn many_at_once(store: &dyn Store) {
    let repository = fresh("many-at-once");
    let images: Vec<(String, Image)> =
        (0..12).map(|number| (format!("tag-{number}"), fixture::image(&format!("many {number}")))).collect();
    join_all(images.iter().map(|(name, image)| image.push(store, &repository, Some(name)))).await;
    for (name, image) in &images {
        assert_image(store, &repository, image, tag(name).into()).await;
    }
}

/// A manifest whose bytes are not what its descriptor says is refused.
pub async fn manifests_are_checked(store: &dyn Store) {
    let repository = fresh("checked");
    let image = fixture::image("checked");
    image.push(store, &repository, None).await;
    let mut wrong = image.manifest.clone();
    wrong.descriptor.digest = Digest::sha256(b"other");
    let put = target(store, &repository).put_manifest(&wrong, Some(&tag("wrong"))).await;
    assert_kind(put, ErrorKind::Mismatch);
    assert_no_manifest(store, &repository, &tag("wrong").into()).await;
    assert_no_manifest(store, &repository, &wrong.digest().into()).await;
}

/// An index is refused as long as one of its manifests is missing; a subject may be missing.
pub async fn children_come_first(store: &dyn Store) {
    let repository = fresh("children-first");
    let index = fixture::index(&[fixture::image("x"), fixture::image("y")]);
    let target = target(store, &repository);
    for child in &index.children {
        assert_kind(target.put_manifest(&index.manifest, None).await, ErrorKind::NotFound);
        assert_no_manifest(store, &repository, &index.digest().into()).await;
        child.push_to(target.as_ref(), None).await;
    }
    target.put_manifest(&index.manifest, None).await.unwrap();
    let absent = fixture::image("absent").manifest;
    let artifact = fixture::artifact("early", &absent, "application/vnd.example.early");
    artifact.push(store, &repository, None).await;
    assert_image(store, &repository, &artifact, artifact.digest().into()).await;
}

/// A foreign layer may be missing.
pub async fn foreign_layers_may_be_absent(store: &dyn Store) {
    let repository = fresh("foreign");
    let image = fixture::image_with_foreign_layer("foreign");
    image.push(store, &repository, Some("foreign")).await;
    assert_image(store, &repository, &image, tag("foreign").into()).await;
}

/// Blobs and manifests may be named by SHA-512 digests.
pub async fn sha512(store: &dyn Store) {
    let repository = fresh("sha512");
    let content = fixture::noise(repository.as_str(), 300_000);
    let digest = Digest::of(Algorithm::Sha512, &content);
    let target = target(store, &repository);
    let size = content.len() as u64;
    put_blob(target.as_ref(), &digest, size, BlobBody::from(content.clone())).await.unwrap();
    let body = store.source(&repository).open_blob(&digest, 0).await.unwrap();
    assert_eq!(body.collect(content.len()).await.unwrap(), content);
    assert_eq!(target.stat_blob(&digest).await.unwrap(), Some(size));

    let image = fixture::image("long digest").named_by(Algorithm::Sha512);
    image.push(store, &repository, Some("long")).await;
    assert_image(store, &repository, &image, tag("long").into()).await;
    assert_image(store, &repository, &image, image.digest().into()).await;

    let mut upload = target.begin_upload(Some(Expected::new(digest, size))).await.unwrap();
    upload.append(BlobBody::from(content.slice(1..))).await.unwrap();
    assert_kind(upload.finish(&digest).await, ErrorKind::Mismatch);
}
