//! The contract that stands on the traits as code: one function per sentence. Test support: every
//! place and every wrapper runs it, also the client of a registry against any product at its far end.
//!
//! [`all`] asks for what every registry can do. [`strict`] asks for what the specification leaves open and
//! sealift's own places do. Each function takes repositories of its own with names that are new each time,
//! so a place that is in use can be tested too; nothing is deleted afterwards.
//!
//! # Panics
//! Every function here panics where the place breaks the contract; that is what it is for.

// Assertions are the purpose of this module.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

mod blobs;
mod deletes;
pub mod fixture;
mod lists;
mod manifests;
mod uploads;

use std::fmt::Debug;
use std::sync::Arc;

use sealift_oci::{Digest, ManifestRef, RepositoryName};

use crate::{ErrorKind, Result, Store, Target};

pub use blobs::{blob_ranges, empty_blob, linking, wrong_digest_stays_invisible};
pub use deletes::deleting;
pub use lists::{lists_are_sorted_and_cut, referrers_page_and_filter, repositories_page, tags_page};
pub use manifests::{
    children_come_first, foreign_layers_may_be_absent, indexes, manifests_are_checked,
    manifests_need_their_blobs, many_at_once, missing_is_not_found, push_and_pull, sha512, tags_move,
    writing_again_changes_nothing,
};
pub use uploads::{
    broken_uploads_resume, lies_leave_nothing, nothing_appended_is_lost, uploads_are_forgotten,
    uploads_resume,
};

/// Asks for everything that any registry can do.
pub async fn all(store: &Arc<dyn Store>) {
    let store = store.as_ref();
    push_and_pull(store).await;
    missing_is_not_found(store).await;
    blob_ranges(store).await;
    empty_blob(store).await;
    linking(store).await;
    wrong_digest_stays_invisible(store).await;
    uploads_resume(store).await;
    broken_uploads_resume(store).await;
    manifests_need_their_blobs(store).await;
    indexes(store).await;
    tags_move(store).await;
    writing_again_changes_nothing(store).await;
    many_at_once(store).await;
    tags_page(store).await;
    referrers_page_and_filter(store).await;
    repositories_page(store).await;
}

/// Asks for what sealift's own places do beyond that.
pub async fn strict(store: &Arc<dyn Store>) {
    let store = store.as_ref();
    sha512(store).await;
    manifests_are_checked(store).await;
    children_come_first(store).await;
    foreign_layers_may_be_absent(store).await;
    uploads_are_forgotten(store).await;
    nothing_appended_is_lost(store).await;
    lists_are_sorted_and_cut(store).await;
}

/// Makes a repository name that was never used.
fn fresh(purpose: &str) -> RepositoryName {
    let suffix = crate::random::hex_name().unwrap();
    format!("conformance/{purpose}-{}", &suffix[..12]).parse().unwrap()
}

fn target(store: &dyn Store, repository: &RepositoryName) -> Arc<dyn Target> {
    store.target(repository).unwrap()
}

fn assert_kind<T: Debug>(result: Result<T>, kind: ErrorKind) {
    match result {
        Ok(value) => panic!("{kind:?} was expected and not {value:?}"),
        Err(error) => assert_eq!(error.kind(), kind, "{error:?}"),
    }
}

/// Neither side of the repository shows the blob.
async fn assert_no_blob(store: &dyn Store, repository: &RepositoryName, digest: &Digest) {
    let source = store.source(repository);
    assert_kind(source.stat_blob(digest).await, ErrorKind::NotFound);
    assert_kind(source.open_blob(digest, 0).await, ErrorKind::NotFound);
    assert_eq!(target(store, repository).stat_blob(digest).await.unwrap(), None);
}

/// Neither side of the repository shows the manifest.
async fn assert_no_manifest(store: &dyn Store, repository: &RepositoryName, reference: &ManifestRef) {
    let source = store.source(repository);
    assert_kind(source.resolve(reference).await, ErrorKind::NotFound);
    assert_kind(source.manifest(reference).await, ErrorKind::NotFound);
    assert_eq!(target(store, repository).stat_manifest(reference).await.unwrap(), None);
}

/// Both sides of the repository show the whole blob.
async fn assert_blob(store: &dyn Store, repository: &RepositoryName, content: &[u8]) {
    let digest = Digest::sha256(content);
    let (source, size) = (store.source(repository), content.len() as u64);
    assert_eq!(source.stat_blob(&digest).await.unwrap(), size);
    assert_eq!(target(store, repository).stat_blob(&digest).await.unwrap(), Some(size));
    let body = source.open_blob(&digest, 0).await.unwrap();
    assert!(body.length().is_none_or(|length| length == size));
    assert_eq!(body.collect(content.len()).await.unwrap(), content);
}
