//! The first page: the repositories, and the box to search them.

use http::StatusCode;
use maud::{Markup, html};
use sealift_oci::{RepositoryName, Tag};
use sealift_store::{Operation, PageRequest};

use super::search::{self, Found};
use super::{layout, words};
use crate::server::answer::Answer;
use crate::server::auth;
use crate::server::error::{WireError, during};
use crate::server::request::Call;

/// How many repositories are on a page, and how many tags of each are shown.
const REPOSITORIES: usize = 50;
const TAGS: usize = 6;
/// The longest search that is taken, in characters.
const SEARCH_LIMIT: usize = 255;

/// Which repositories are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Search {
    /// What the names must have in them, as it was typed.
    pub(super) words: String,
    /// The last repository of the page before.
    pub(super) after: Option<String>,
}

/// A repository with some of its tags.
struct Entry {
    name: RepositoryName,
    tags: Vec<Tag>,
    has_more: bool,
}

impl Search {
    pub(super) fn new(words: Option<String>, after: Option<String>) -> Self {
        let words = words.unwrap_or_default().trim().chars().take(SEARCH_LIMIT).collect();
        Self { words, after }
    }

    /// Every word is somewhere in the name.
    fn fits(&self, name: &RepositoryName) -> bool {
        self.words.split_whitespace().all(|word| name.as_str().contains(&word.to_lowercase()))
    }

    fn address(&self, after: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if !self.words.is_empty() {
            query.append_pair("q", &self.words);
        }
        query.append_pair("after", after);
        format!("/?{}", query.finish())
    }
}

pub(super) async fn show(call: &Call, search: &Search) -> Result<Answer, WireError> {
    let request = PageRequest { limit: REPOSITORIES, after: search.after.clone() };
    let admin = call.store.admin();
    let page = auth::repositories(admin.as_ref(), &call.caller, &request, |name| search.fits(name)).await;
    let page = page.map_err(during(Operation::ListRepositories))?;
    let mut entries = Vec::with_capacity(page.items.len());
    for name in page.items {
        let tags = call.source(&name).tags(&PageRequest { limit: TAGS, after: None }).await;
        let (tags, has_more) = tags.map_or_else(|_| (Vec::new(), false), |it| (it.items, it.next.is_some()));
        entries.push(Entry { name, tags, has_more });
    }
    // Pages behind the first are of repositories alone.
    let found = match search.words.is_empty() || search.after.is_some() {
        true => Found::default(),
        false => search::find(call, &search.words, |name| search.fits(name)).await,
    };
    let content = content(search, &entries, page.next.as_deref(), &found);
    layout::page(StatusCode::OK, "Repositories", &[], &content)
}

fn content(search: &Search, entries: &[Entry], next: Option<&str>, found: &Found) -> Markup {
    html! {
        h1 { "Repositories" }
        form.search role="search" method="get" action="/" {
            label for="q" { "Find a repository, tag or digest" }
            div {
                input #q type="search" name="q" value=(search.words) maxlength=(SEARCH_LIMIT)
                    autocomplete="off" spellcheck="false" placeholder="part of a name, name:tag or sha256:…";
                button { "Search" }
            }
        }
        p.summary role="status" { (summary(search, entries.len(), next.is_some())) }
        ul.cards {
            @for entry in entries { (card(entry)) }
        }
        @if let Some(next) = next {
            p.more { a href=(search.address(next)) rel="next" { "More repositories" } }
        }
        @if !found.hits.is_empty() || found.is_cut { (finds(found)) }
    }
}

/// The images that were found by tag or digest.
fn finds(found: &Found) -> Markup {
    let images = words::count(found.hits.len(), "image", "images");
    let more = if found.is_cut {
        "; not everything was looked at or is shown, more of the name narrows it"
    } else {
        ""
    };
    html! {
        h2 { "Tags and digests" }
        p.summary { (images) (more) }
        ul.tags aria-label="Images that were found" {
            @for hit in &found.hits {
                @let mark = if hit.reference.contains(':') { "@" } else { ":" };
                li { a href=(super::image_address(&hit.name, &hit.reference)) { (hit.name) (mark) (hit.reference) } }
            }
        }
    }
}

fn summary(search: &Search, count: usize, has_more: bool) -> Markup {
    let more = if has_more || search.after.is_some() { " on this page" } else { "" };
    let repositories = words::count(count, "repository", "repositories");
    html! {
        @if search.words.is_empty() {
            @if count == 0 { "Nothing has been pushed yet." } @else { (repositories) (more) }
        } @else {
            (repositories) (more) " with “" (search.words) "” · " a href="/" { "show all" }
        }
    }
}

fn card(entry: &Entry) -> Markup {
    let address = super::repository_address(&entry.name);
    html! {
        li.card {
            h2 { a href=(address) { (entry.name) } }
            @if entry.tags.is_empty() {
                p.quiet { "No tags" }
            } @else {
                ul.tags aria-label={ "Tags of " (entry.name) } {
                    @for tag in &entry.tags {
                        li { a href=(super::image_address(&entry.name, &tag.to_string())) { (tag) } }
                    }
                    @if entry.has_more { li.quiet { a href=(address) { "more" } } }
                }
            }
        }
    }
}
