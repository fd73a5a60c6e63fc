//! The tags of a repository: "Listing Tags".

use http::StatusCode;
use sealift_oci::{RepositoryName, Tag};
use sealift_store::Operation;
use serde::Serialize;

use super::answer::Answer;
use super::error::{WireError, during};
use super::paging;
use super::request::Call;
use crate::wire::{PageQuery, Route};

#[derive(Serialize)]
struct TagList<'a> {
    name: &'a RepositoryName,
    tags: &'a [Tag],
}

pub(super) async fn list(
    call: &Call,
    repository: RepositoryName,
    query: PageQuery,
) -> Result<Answer, WireError> {
    paging::check_method(call)?;
    let request = paging::request(&query);
    let page = call.source(&repository).tags(&request).await;
    let mut page = page.map_err(during(Operation::ListTags))?;
    paging::cut(&query, &mut page);
    let answer = Answer::new(StatusCode::OK).json(&TagList { name: &repository, tags: &page.items })?;
    paging::link(answer, request.limit, page.next, |page| Route::Tags { repository, page })
}
