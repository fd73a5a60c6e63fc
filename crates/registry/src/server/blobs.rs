//! Blobs to read: "Pulling blobs", with a range where one is asked for; and "Deleting Blobs".

use http::header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, IF_RANGE, RANGE};
use http::{Method, StatusCode};
use sealift_oci::{Digest, RepositoryName};
use sealift_store::{Operation, Source};

use super::answer::Answer;
use super::error::{WireError, during};
use super::request::Call;
use crate::wire::header::DOCKER_CONTENT_DIGEST;
use crate::wire::{ByteRange, ContentRange, ErrorCode};

pub(super) async fn handle(
    call: &Call,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Answer, WireError> {
    let source = call.source(repository);
    match call.method {
        Method::GET => match asked_range(call, digest) {
            Some(range) => part(source.as_ref(), digest, range).await,
            None => whole(source.as_ref(), digest).await,
        },
        Method::HEAD => head(source.as_ref(), digest).await,
        Method::DELETE if call.deletes => delete(call, repository, digest).await,
        _ if call.deletes => Err(WireError::method("GET, HEAD, DELETE")),
        _ => Err(WireError::method("GET, HEAD")),
    }
}

async fn delete(call: &Call, repository: &RepositoryName, digest: &Digest) -> Result<Answer, WireError> {
    let deleted = call.store.admin().delete_blob(repository, digest).await;
    deleted.map_err(during(Operation::DeleteBlob))?;
    Ok(Answer::new(StatusCode::ACCEPTED))
}

/// A range holds only for the content that the client has the beginning of (RFC 9110, section 13.1.5).
fn asked_range(call: &Call, digest: &Digest) -> Option<ByteRange> {
    if call.header(IF_RANGE).is_some_and(|tag| tag != entity_tag(digest)) {
        return None;
    }
    call.header(RANGE).and_then(ByteRange::parse)
}

/// What is named by its digest never changes.
fn entity_tag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

async fn head(source: &dyn Source, digest: &Digest) -> Result<Answer, WireError> {
    let size = source.stat_blob(digest).await.map_err(during(Operation::CheckBlob))?;
    Ok(describe(StatusCode::OK, digest)?.length(size))
}

async fn whole(source: &dyn Source, digest: &Digest) -> Result<Answer, WireError> {
    let body = source.open_blob(digest, 0).await.map_err(during(Operation::FetchBlob))?;
    let length = match body.length() {
        Some(length) => length,
        None => source.stat_blob(digest).await.map_err(during(Operation::CheckBlob))?,
    };
    Ok(describe(StatusCode::OK, digest)?.stream(body, length))
}

async fn part(source: &dyn Source, digest: &Digest, range: ByteRange) -> Result<Answer, WireError> {
    let size = source.stat_blob(digest).await.map_err(during(Operation::CheckBlob))?;
    let Some((range, length)) = range.resolve(size).and_then(|range| Some((range, range.length()?))) else {
        return Err(unsatisfied(size));
    };
    let body = source.open_blob(digest, range.first).await.map_err(during(Operation::FetchBlob))?;
    let answer = describe(StatusCode::PARTIAL_CONTENT, digest)?.header(CONTENT_RANGE, range)?;
    Ok(answer.stream(body.take(length), length))
}

fn unsatisfied(size: u64) -> WireError {
    let error = WireError::new(ErrorCode::RangeInvalid);
    match HeaderValue::try_from(ContentRange::unsatisfied(size)) {
        Ok(value) => error.header(CONTENT_RANGE, value),
        Err(_) => error,
    }
}

fn describe(status: StatusCode, digest: &Digest) -> Result<Answer, WireError> {
    Answer::new(status)
        .header(CONTENT_TYPE, "application/octet-stream")?
        .header(ACCEPT_RANGES, "bytes")?
        .header(ETAG, entity_tag(digest))?
        .header(DOCKER_CONTENT_DIGEST, digest)
}
