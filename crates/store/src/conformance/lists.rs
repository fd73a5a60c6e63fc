//! What the contract says of lists and their pages.

use sealift_oci::{Descriptor, Digest, RepositoryName, Tag};

use super::fixture::{self, Image, tag};
use super::fresh;
use crate::{ErrorKind, Operation, PageRequest, Store, collect_pages};

/// Reads every tag in pages of `limit`.
async fn tags(store: &dyn Store, repository: &RepositoryName, limit: usize) -> Vec<Tag> {
    let source = store.source(repository);
    let fetch = |page: PageRequest| {
        let source = &source;
        async move { source.tags(&PageRequest { limit, ..page }).await }
    };
    collect_pages(Operation::ListTags, fetch).await.unwrap()
}

/// Reads every referrer in pages of `limit`.
async fn referrers(
    store: &dyn Store,
    repository: &RepositoryName,
    subject: &Digest,
    artifact_type: Option<&str>,
    limit: usize,
) -> Vec<Descriptor> {
    let source = store.source(repository);
    let fetch = |page: PageRequest| {
        let source = &source;
        async move { source.referrers(subject, artifact_type, &PageRequest { limit, ..page }).await }
    };
    collect_pages(Operation::ListReferrers, fetch).await.unwrap()
}

async fn tagged(store: &dyn Store, repository: &RepositoryName, names: &[&str]) {
    let image = fixture::image("tagged");
    for name in names {
        image.push(store, repository, Some(name)).await;
    }
}

/// Pages of any size together list every tag once.
pub async fn tags_page(store: &dyn Store) {
    let repository = fresh("tags-page");
    let names = ["a", "b", "c", "d", "e"];
    tagged(store, &repository, &names).await;
    for limit in [1, 2, 5, 1000] {
        let mut found = tags(store, &repository, limit).await;
        found.sort();
        assert_eq!(found, names.map(tag), "pages of {limit}");
    }
}

/// Sealift's places sort by the bytes of names, keep to the limit of a page, and go on behind any name.
pub async fn lists_are_sorted_and_cut(store: &dyn Store) {
    let repository = fresh("lists-sorted");
    tagged(store, &repository, &["b", "a", "_c", "B", "a.1", "a-1", "10", "9"]).await;
    let sorted = ["10", "9", "B", "_c", "a", "a-1", "a.1", "b"].map(tag);
    assert_eq!(tags(store, &repository, 3).await, sorted);
    let source = store.source(&repository);
    let page = source.tags(&PageRequest { limit: 3, after: None }).await.unwrap();
    assert_eq!(page.items, sorted[..3]);
    let behind = PageRequest { limit: 2, after: Some("Z".to_owned()) };
    assert_eq!(source.tags(&behind).await.unwrap().items, sorted[3..5]);
}

/// What is attached to a manifest is listed, all of it or one type; nothing attached is an empty list.
pub async fn referrers_page_and_filter(store: &dyn Store) {
    const SIGNATURE: &str = "application/vnd.example.signature";
    const BILL: &str = "application/vnd.example.bill";
    let repository = fresh("referrers");
    let subject = fixture::image(repository.as_str());
    let digest = subject.digest();
    assert!(referrers(store, &repository, &digest, None, 10).await.is_empty());
    subject.push(store, &repository, Some("subject")).await;
    assert!(referrers(store, &repository, &digest, None, 10).await.is_empty());

    let attached: Vec<Image> = [("1", SIGNATURE), ("2", BILL), ("3", SIGNATURE), ("4", SIGNATURE)]
        .map(|(seed, kind)| fixture::artifact(seed, &subject.manifest, kind))
        .into();
    for image in &attached {
        image.push(store, &repository, None).await;
    }
    for (wanted, limit) in
        [(None, 10), (None, 2), (Some(SIGNATURE), 10), (Some(SIGNATURE), 2), (Some(BILL), 1)]
    {
        let found = referrers(store, &repository, &digest, wanted, limit).await;
        assert_referrers(&found, &attached, wanted);
    }
    assert!(referrers(store, &repository, &digest, Some("application/x"), 10).await.is_empty());
    assert!(referrers(store, &repository, &attached[0].digest(), None, 10).await.is_empty());
}

/// Every attached image of the wanted type is there once, as the specification describes it.
fn assert_referrers(found: &[Descriptor], attached: &[Image], wanted: Option<&str>) {
    let expected = attached.iter().map(|image| &image.manifest.descriptor);
    let mut expected: Vec<&Descriptor> = expected
        .filter(|it| wanted.is_none_or(|wanted| it.artifact_type.as_deref() == Some(wanted)))
        .collect();
    expected.sort_by_key(|it| it.digest);
    let mut found: Vec<&Descriptor> = found.iter().collect();
    found.sort_by_key(|it| it.digest);
    assert_eq!(found.len(), expected.len(), "{wanted:?}");
    for (found, expected) in found.into_iter().zip(expected) {
        assert_eq!((found.digest, found.size), (expected.digest, expected.size));
        assert_eq!(found.media_type, expected.media_type);
        assert_eq!(found.artifact_type, expected.artifact_type);
        assert_eq!(found.annotations, expected.annotations);
    }
}

/// A repository is listed once something was pushed to it. Registries may keep their list to themselves.
pub async fn repositories_page(store: &dyn Store) {
    let mut names = [fresh("listed-a"), fresh("listed-b"), fresh("listed-c")];
    names.sort();
    for name in &names {
        fixture::image("listed").push(store, name, Some("listed")).await;
    }
    let admin = store.admin();
    for limit in [1, 2, 1000] {
        let fetch = |page: PageRequest| {
            let admin = &admin;
            async move { admin.repositories(&PageRequest { limit, ..page }).await }
        };
        let mut found = match collect_pages(Operation::ListRepositories, fetch).await {
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Denied) => return,
            found => found.unwrap(),
        };
        found.retain(|name| names.contains(name));
        found.sort();
        assert_eq!(found, names, "pages of {limit}");
    }
}
