//! The repositories of the registry: `_catalog`, as Docker's registry has it.

use http::StatusCode;
use sealift_oci::RepositoryName;
use sealift_store::Operation;
use serde::Serialize;

use super::answer::Answer;
use super::error::{WireError, during};
use super::request::Call;
use super::{auth, paging};
use crate::wire::{PageQuery, Route};

#[derive(Serialize)]
struct Catalog<'a> {
    repositories: &'a [RepositoryName],
}

pub(super) async fn list(call: &Call, query: PageQuery) -> Result<Answer, WireError> {
    paging::check_method(call)?;
    let request = paging::request(&query);
    let admin = call.store.admin();
    let page = auth::repositories(admin.as_ref(), &call.caller, &request, |_| true).await;
    let mut page = page.map_err(during(Operation::ListRepositories))?;
    paging::cut(&query, &mut page);
    let answer = Answer::new(StatusCode::OK).json(&Catalog { repositories: &page.items })?;
    paging::link(answer, request.limit, page.next, |page| Route::Catalog { page })
}
