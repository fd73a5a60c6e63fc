//! Lists in pages: what a client may ask for, and the link to what follows.

use http::Method;
use http::header::LINK;
use sealift_store::{PAGE_LIMIT, PageRequest};

use super::answer::Answer;
use super::error::WireError;
use super::request::Call;
use crate::wire::{PageQuery, Route, next_link};

/// Lists are only read.
pub(super) fn check_method(call: &Call) -> Result<(), WireError> {
    if [Method::GET, Method::HEAD].contains(&call.method) {
        Ok(())
    } else {
        Err(WireError::method("GET, HEAD"))
    }
}

/// Makes the store's request. A client that asks for nothing (`n=0`) still learns whether there is a list,
/// so one entry is read for it.
pub(super) fn request(query: &PageQuery) -> PageRequest {
    let limit = query.limit.unwrap_or(PAGE_LIMIT).clamp(1, PAGE_LIMIT);
    PageRequest { limit, after: query.last.clone() }
}

/// Cuts what `n=0` asked for; there is no link then ("Listing Tags").
pub(super) fn cut<T>(query: &PageQuery, page: &mut sealift_store::Page<T>) {
    if query.limit == Some(0) {
        page.items.clear();
        page.next = None;
    }
}

/// Adds the link to the next page, where there is one.
pub(super) fn link(
    answer: Answer,
    limit: usize,
    next: Option<String>,
    route: impl FnOnce(PageQuery) -> Route,
) -> Result<Answer, WireError> {
    let Some(last) = next else { return Ok(answer) };
    answer.header(LINK, next_link(&route(PageQuery { limit: Some(limit), last: Some(last) })))
}
