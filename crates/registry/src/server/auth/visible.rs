//! The repositories that a caller may read.

use sealift_oci::RepositoryName;
use sealift_store::{Admin, PAGE_LIMIT, Page, PageRequest, Result};

use super::{Caller, Right};

/// Lists a page of the repositories that the caller may read and that are wanted. What is left out shows
/// nowhere, also not as the place where the next page begins.
pub(in crate::server) async fn repositories(
    admin: &dyn Admin,
    caller: &Caller,
    request: &PageRequest,
    is_wanted: impl Fn(&RepositoryName) -> bool,
) -> Result<Page<RepositoryName>> {
    let mut items: Vec<RepositoryName> = Vec::new();
    let mut after = request.after.clone();
    loop {
        let page = admin.repositories(&PageRequest { limit: PAGE_LIMIT, after: after.clone() }).await?;
        let visible = page.items.into_iter().filter(|it| caller.may(Right::Read, it) && is_wanted(it));
        items.extend(visible.take(request.limit.saturating_add(1).saturating_sub(items.len())));
        let has_more = items.len() > request.limit;
        // A list that does not go on would be read for ever.
        if has_more || page.next.is_none() || page.next == after {
            items.truncate(request.limit);
            let next = items.last().filter(|_| has_more).map(ToString::to_string);
            return Ok(Page { items, next });
        }
        after = page.next;
    }
}
