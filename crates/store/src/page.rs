//! Lists that come in pages, because no list from outside may be unbounded.

use std::future::Future;

use crate::{Error, ErrorKind, Operation, Result};

/// The most entries that are asked for in one page. ECR refuses more than 1000.
pub const PAGE_LIMIT: usize = 1000;

/// The most pages that are read of one list; a server that links in a circle ends here.
const PAGES_LIMIT: usize = 1000;

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// The most entries to return; a place may return fewer.
    pub limit: usize,
    /// Where to go on: what [`Page::next`] said, or the last entry that the caller has.
    pub after: Option<String>,
}

impl PageRequest {
    /// Asks for the first page.
    #[must_use]
    pub fn first() -> Self {
        Self { limit: PAGE_LIMIT, after: None }
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries, in the order of the place.
    pub items: Vec<T>,
    /// What to ask for next; `None` at the end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Cuts one page out of a sorted list; `name` gives an entry's place in the order.
    #[must_use]
    pub fn of_sorted(
        all: impl Iterator<Item = T>,
        request: &PageRequest,
        name: impl Fn(&T) -> String,
    ) -> Self {
        let is_wanted = |item: &T| request.after.as_ref().is_none_or(|after| name(item) > *after);
        let mut items: Vec<T> = all.filter(is_wanted).take(request.limit.saturating_add(1)).collect();
        let more = items.len() > request.limit;
        items.truncate(request.limit);
        let next = items.last().filter(|_| more).map(name);
        Self { items, next }
    }
}

/// Reads a whole list, page by page.
///
/// # Errors
/// The first error of a page; or [`ErrorKind::Invalid`] when the pages do not come to an end.
pub async fn collect_pages<T, F>(
    operation: Operation,
    mut fetch: impl FnMut(PageRequest) -> F,
) -> Result<Vec<T>>
where
    F: Future<Output = Result<Page<T>>>,
{
    let mut all = Vec::new();
    let mut request = PageRequest::first();
    for _ in 0..PAGES_LIMIT {
        let page = fetch(request.clone()).await?;
        all.extend(page.items);
        match page.next {
            Some(next) if request.after.as_ref() != Some(&next) => request.after = Some(next),
            Some(_) => break,
            None => return Ok(all),
        }
    }
    Err(Error::new(ErrorKind::Invalid, operation).because("the list of pages does not come to an end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(after: Option<&str>, limit: usize) -> Page<String> {
        let all = ["a", "b", "c"].into_iter().map(str::to_owned);
        let request = PageRequest { limit, after: after.map(str::to_owned) };
        Page::of_sorted(all, &request, Clone::clone)
    }

    #[test]
    fn pages_are_cut_from_a_sorted_list() {
        let cases = [
            (None, 2, vec!["a", "b"], Some("b")),
            (Some("b"), 2, vec!["c"], None),
            (None, 3, vec!["a", "b", "c"], None),
            (Some("aa"), 1, vec!["b"], Some("b")),
            (Some("c"), 5, vec![], None),
        ];
        for (after, limit, items, next) in cases {
            assert_eq!(page(after, limit).items, items, "{after:?} {limit}");
            assert_eq!(page(after, limit).next.as_deref(), next, "{after:?} {limit}");
        }
    }

    #[tokio::test]
    async fn a_circle_of_pages_is_an_error() {
        let circle = |_| async { Ok(Page { items: vec![0], next: Some("x".to_owned()) }) };
        let error = collect_pages(Operation::ListTags, circle).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}
