//! What is attached to a manifest: "Listing Referrers".

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use sealift_oci::{Descriptor, Digest, MANIFEST_LIMIT, RepositoryName, media_type};
use sealift_store::{Operation, Page, PageRequest};
use serde::Serialize;

use super::answer::Answer;
use super::error::{WireError, during};
use super::paging;
use super::request::Call;
use crate::wire::header::{FILTER_ARTIFACT_TYPE, OCI_FILTERS_APPLIED};
use crate::wire::{PageQuery, Route};

/// Whose referrers are wanted, and which.
pub(super) struct Wanted {
    pub(super) repository: RepositoryName,
    pub(super) subject: Digest,
    pub(super) artifact_type: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u8,
    media_type: &'static str,
    manifests: &'a [Descriptor],
}

pub(super) async fn list(call: &Call, wanted: Wanted, query: PageQuery) -> Result<Answer, WireError> {
    paging::check_method(call)?;
    let mut request = paging::request(&query);
    let (index, mut page) = read(call, &wanted, &mut request).await?;
    paging::cut(&query, &mut page);
    let index = if page.items.is_empty() { to_index(&[])? } else { index };
    let mut answer = Answer::new(StatusCode::OK).header(CONTENT_TYPE, media_type::OCI_INDEX)?.bytes(index);
    if wanted.artifact_type.is_some() {
        answer = answer.header(OCI_FILTERS_APPLIED, FILTER_ARTIFACT_TYPE)?;
    }
    let Wanted { repository, subject, artifact_type } = wanted;
    paging::link(answer, request.limit, page.next, |page| Route::Referrers {
        repository,
        subject,
        artifact_type,
        page,
    })
}

/// Reads a page that fits the bound of a manifest, which clients have for this index too: annotations can
/// be long, and then fewer entries are given at once.
async fn read(
    call: &Call,
    wanted: &Wanted,
    request: &mut PageRequest,
) -> Result<(Bytes, Page<Descriptor>), WireError> {
    let source = call.source(&wanted.repository);
    loop {
        let page = source.referrers(&wanted.subject, wanted.artifact_type.as_deref(), request).await;
        let page = page.map_err(during(Operation::ListReferrers))?;
        let index = to_index(&page.items)?;
        if index.len() <= MANIFEST_LIMIT || request.limit == 1 {
            return Ok((index, page));
        }
        request.limit = page.items.len().min(request.limit).div_ceil(2).max(1);
    }
}

fn to_index(manifests: &[Descriptor]) -> Result<Bytes, WireError> {
    let index = Index { schema_version: 2, media_type: media_type::OCI_INDEX, manifests };
    serde_json::to_vec(&index).map(Bytes::from).map_err(WireError::internal)
}
