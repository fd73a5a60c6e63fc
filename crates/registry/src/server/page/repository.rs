//! The page of one repository: its tags, and what each stands for.

use std::collections::HashMap;

use http::StatusCode;
use maud::{Markup, html};
use sealift_oci::{Digest, RepositoryName, Tag};
use sealift_store::{Operation, PageRequest};

use super::describe::{Description, describe};
use super::{layout, words};
use crate::server::answer::Answer;
use crate::server::error::{WireError, during};
use crate::server::request::Call;

/// How many tags are on a page; each is looked into.
const TAGS: usize = 25;

/// A tag and what it points at; nothing where that cannot be read.
struct Entry {
    tag: Tag,
    description: Option<Description>,
}

pub(super) async fn show(
    call: &Call,
    repository: &RepositoryName,
    after: Option<String>,
) -> Result<Answer, WireError> {
    let source = call.source(repository);
    let page = source.tags(&PageRequest { limit: TAGS, after }).await;
    let page = page.map_err(during(Operation::ListTags))?;
    let mut entries = Vec::with_capacity(page.items.len());
    for tag in page.items {
        let description = describe(source.as_ref(), &tag.clone().into()).await.ok();
        entries.push(Entry { tag, description });
    }
    let content = content(repository, &entries, page.next.as_deref());
    layout::page(StatusCode::OK, repository.as_str(), &[], &content)
}

fn content(repository: &RepositoryName, entries: &[Entry], next: Option<&str>) -> Markup {
    let users = users(entries);
    html! {
        h1.name { (repository) }
        p.summary {
            (words::count(entries.len(), "tag", "tags"))
            @if next.is_some() { " on this page" }
        }
        ul.cards {
            @for entry in entries { (card(repository, entry, &users)) }
        }
        @if let Some(next) = next {
            p.more { a href=(super::page_address(repository, next)) rel="next" { "More tags" } }
        }
    }
}

/// Counts how many of the tags have each blob. Tags of one image are one.
fn users(entries: &[Entry]) -> HashMap<Digest, usize> {
    let mut images: HashMap<Digest, &Description> = HashMap::new();
    for description in entries.iter().filter_map(|entry| entry.description.as_ref()) {
        images.insert(description.descriptor.digest, description);
    }
    let mut users = HashMap::new();
    for digest in images.values().flat_map(|description| description.blobs().into_keys()) {
        *users.entry(digest).or_insert(0) += 1;
    }
    users
}

/// Returns how many bytes of an image other images have too.
fn shared(description: &Description, users: &HashMap<Digest, usize>) -> u64 {
    let blobs = description.blobs();
    blobs
        .iter()
        .filter(|(digest, _)| users.get(digest).is_some_and(|&count| count > 1))
        .map(|(_, size)| size)
        .sum()
}

fn card(repository: &RepositoryName, entry: &Entry, users: &HashMap<Digest, usize>) -> Markup {
    let address = super::image_address(repository, &entry.tag.to_string());
    html! {
        li.card {
            h2 { a href=(address) { (entry.tag) } }
            @match &entry.description {
                Some(description) => (facts(description, shared(description, users))),
                None => p.quiet { "What this tag points at cannot be read." },
            }
        }
    }
}

fn facts(description: &Description, shared: u64) -> Markup {
    let platforms = description.platforms();
    html! {
        dl.facts {
            div { dt { "Digest" } dd { code.digest { (description.descriptor.digest) } } }
            div {
                dt { "Platforms" }
                dd { @if platforms.is_empty() { "none named" } @else { (platforms.join(", ")) } }
            }
            div { dt { "Size" } dd { (words::size(description.size())) } }
            @if shared > 0 {
                div { dt { "Shared with other tags here" } dd { (words::size(shared)) } }
            }
            @if let Some(created) = description.created().and_then(words::written_time) {
                div { dt { "Built" } dd { (created) } }
            }
        }
    }
}
