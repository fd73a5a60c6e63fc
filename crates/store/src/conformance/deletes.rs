//! What the contract says of deleting.

use sealift_oci::{Digest, ManifestRef};

use super::fixture::{self, tag};
use super::{assert_blob, assert_kind, assert_no_blob, assert_no_manifest, fresh, target};
use crate::{ErrorKind, PageRequest, Store};

/// What is deleted is gone at once, and nothing else is; asked of the places that can delete.
pub async fn deleting(store: &dyn Store) {
    let (repository, other) = (fresh("deleting"), fresh("deleting"));
    let (admin, source) = (store.admin(), store.source(&repository));
    let index = fixture::index(&[fixture::image("child"), fixture::image("sibling")]);
    let (image, child) = (fixture::image("single"), &index.children[0]);
    for (name, one) in [("a", &image), ("b", &image), ("c", &index)] {
        one.push(store, &repository, Some(name)).await;
    }
    image.push(store, &other, Some("a")).await;

    let missing: ManifestRef = Digest::sha256(repository.as_str().as_bytes()).into();
    for reference in [missing, tag("none").into()] {
        assert_kind(admin.delete_manifest(&repository, &reference).await, ErrorKind::NotFound);
        assert_kind(admin.delete_manifest(&fresh("nowhere"), &reference).await, ErrorKind::NotFound);
    }

    admin.delete_manifest(&repository, &tag("a").into()).await.unwrap();
    assert_no_manifest(store, &repository, &tag("a").into()).await;
    assert_eq!(source.manifest(&tag("b").into()).await.unwrap(), image.manifest);
    admin.delete_manifest(&repository, &tag("b").into()).await.unwrap();
    assert_eq!(source.manifest(&image.digest().into()).await.unwrap(), image.manifest);

    // Also where an index that stays links to it.
    admin.delete_manifest(&repository, &child.digest().into()).await.unwrap();
    assert_no_manifest(store, &repository, &child.digest().into()).await;
    assert_eq!(source.manifest(&tag("c").into()).await.unwrap(), index.manifest);
    admin.delete_manifest(&repository, &index.digest().into()).await.unwrap();
    assert_no_manifest(store, &repository, &tag("c").into()).await;
    assert_eq!(source.tags(&PageRequest::first()).await.unwrap().items, []);

    let blob = Digest::sha256(&image.blobs[0]);
    admin.delete_blob(&repository, &blob).await.unwrap();
    assert_no_blob(store, &repository, &blob).await;
    assert_kind(admin.delete_blob(&repository, &blob).await, ErrorKind::NotFound);
    assert_blob(store, &repository, &image.blobs[1]).await;

    // Another repository shares nothing but bytes, and what is gone can come again.
    assert_blob(store, &other, &image.blobs[0]).await;
    assert_eq!(store.source(&other).manifest(&tag("a").into()).await.unwrap(), image.manifest);
    fixture::push_blob(target(store, &repository).as_ref(), &image.blobs[0]).await;
    index.push(store, &repository, Some("c")).await;
    assert_eq!(source.manifest(&tag("c").into()).await.unwrap(), index.manifest);
}
