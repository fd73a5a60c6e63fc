//! Lists that come in pages: tags and repositories ("Listing Tags"; Docker's catalog).
//!
//! Where a page goes on is told by a `Link`, which must lead to the same registry. A [`PageRequest`] carries
//! it as its path and query; what does not begin with a slash is the last entry that the caller has.

use http::{Method, header};
use sealift_oci::{RepositoryName, Tag};
use sealift_store::{ErrorKind, Operation, Page, PageRequest};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::answer::Answer;
use super::auth::Scopes;
use super::connection::Connection;
use super::endpoint::Located;
use super::fault::{Fault, Purpose};
use super::repository::Repository;
use super::request::{Reading, Request};
use crate::wire::{PageQuery, Route, parse_next_link};

/// The largest page that is read, in bytes: MCR gives its whole catalog in one, and Docker's registry all
/// tags of a repository, so it has room for some hundred thousand names.
pub(super) const LIST_LIMIT: usize = 16 * 1024 * 1024;

/// Where every address of the protocol lies.
const API: &str = "/v2/";

#[derive(Deserialize)]
struct TagList {
    /// Registries written in Go say `null` for no tags. Nexus puts `null` between tags, Artifactory digests.
    #[serde(default)]
    tags: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Catalog {
    #[serde(default)]
    repositories: Option<Vec<Value>>,
}

impl Repository {
    pub(super) async fn list_tags(&self, page: &PageRequest) -> Result<Page<Tag>, Fault> {
        let purpose = self.own_purpose(Operation::ListTags);
        let route = Route::Tags { repository: self.name.clone(), page: page_query(page) };
        let url = self.connection.page_url(&route, page, &purpose).await?;
        let request = Request::new(Method::GET, url, &purpose).scopes(&self.scopes);
        let (list, next) = self.connection.read_page::<TagList>(request).await?;
        Ok(Page { items: names(list.tags), next })
    }
}

impl Connection {
    pub(super) async fn list_repositories(&self, page: &PageRequest) -> Result<Page<RepositoryName>, Fault> {
        let purpose = Purpose::of(Operation::ListRepositories);
        let url = self.page_url(&Route::Catalog { page: page_query(page) }, page, &purpose).await?;
        let request = Request::new(Method::GET, url, &purpose).scopes(&Scopes::catalog());
        let (list, next) = match self.read_page::<Catalog>(request).await {
            // The catalog is not in the specification, so a registry that has none has no such path.
            Err(mut fault) if fault.kind == ErrorKind::NotFound => {
                fault.kind = ErrorKind::Unsupported;
                return Err(fault);
            }
            other => other?,
        };
        Ok(Page { items: names(list.repositories), next })
    }

    /// Returns the address of a page: the one that the page before it linked to, or the route's.
    pub(super) async fn page_url(
        &self,
        route: &Route,
        page: &PageRequest,
        purpose: &Purpose,
    ) -> Result<Url, Fault> {
        let Some(link) = page.after.as_deref().filter(|after| after.starts_with('/')) else {
            return self.url(route, purpose).await;
        };
        let endpoint = self.endpoint().await?;
        let url = endpoint.locate(endpoint.base(), link);
        url.and_then(own_api).ok_or_else(|| astray(purpose))
    }

    /// Reads a page, and where the next one is.
    pub(super) async fn read_page<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<(T, Option<String>), Fault> {
        let request = request.accept("application/json").reading(Reading::Whole(LIST_LIMIT));
        let answer = self.expect(&request, &[200]).await?;
        let list = parse(&answer, &request.purpose)?;
        Ok((list, self.next_page(&answer, &request.purpose).await?))
    }

    /// Reads the `Link` to the next page.
    pub(super) async fn next_page(
        &self,
        answer: &Answer,
        purpose: &Purpose,
    ) -> Result<Option<String>, Fault> {
        let links = answer.headers.get_all(header::LINK).iter();
        let mut links = links.filter_map(|value| parse_next_link(value.to_str().ok()?));
        let Some(reference) = links.next() else { return Ok(None) };
        let located = self.endpoint().await?.locate(&answer.url, reference);
        let url = located.and_then(own_api).ok_or_else(|| astray(purpose))?;
        Ok(Some(url[url::Position::BeforePath..].to_owned()))
    }
}

/// Reads the JSON of a list.
pub(super) fn parse<T: DeserializeOwned>(answer: &Answer, purpose: &Purpose) -> Result<T, Fault> {
    serde_json::from_slice(&answer.bytes())
        .map_err(|error| purpose.fault(ErrorKind::Invalid).because("the list is malformed").caused_by(error))
}

/// Makes the query that asks for a page.
pub(super) fn page_query(page: &PageRequest) -> PageQuery {
    PageQuery { limit: Some(page.limit), last: page.after.clone() }
}

fn own_api(located: Located) -> Option<Url> {
    match located {
        Located::Own(url) if url.path().starts_with(API) => Some(url),
        _ => None,
    }
}

fn astray(purpose: &Purpose) -> Fault {
    purpose.fault(ErrorKind::Invalid).because("the link to the next page leads elsewhere")
}

/// Keeps the entries that are names; what else stands in a list is nothing that could be copied.
fn names<T: std::str::FromStr>(entries: Option<Vec<Value>>) -> Vec<T> {
    let entries = entries.unwrap_or_default().into_iter();
    entries.filter_map(|entry| entry.as_str()?.parse().ok()).collect()
}
