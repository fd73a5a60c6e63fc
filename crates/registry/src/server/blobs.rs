//! Blobs to read: "Pulling blobs", with a range where one is asked for; and "Deleting Blobs".

use http::header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, RANGE};
use http::{Method, StatusCode};
use sealift_oci::{Digest, RepositoryName};
use sealift_store::{Operation, Source};

use super::answer::Answer;
use super::condition::{entity_tag, is_beginning_known, not_modified};
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
        Method::GET | Method::HEAD => read(call, source.as_ref(), digest).await,
        Method::DELETE if call.deletes => delete(call, repository, digest).await,
        _ if call.deletes => Err(WireError::method("GET, HEAD, DELETE")),
        _ => Err(WireError::method("GET, HEAD")),
    }
}

async fn read(call: &Call, source: &dyn Source, digest: &Digest) -> Result<Answer, WireError> {
    if let Some(answer) = not_modified(call, digest)? {
        // What is not there is known to nobody.
        source.stat_blob(digest).await.map_err(during(Operation::CheckBlob))?;
        return Ok(answer);
    }
    match asked_range(call, digest) {
        _ if call.method == Method::HEAD => head(source, digest).await,
        Some(range) => part(source, digest, range).await,
        None => whole(source, digest).await,
    }
}

async fn delete(call: &Call, repository: &RepositoryName, digest: &Digest) -> Result<Answer, WireError> {
    let deleted = call.store.admin().delete_blob(repository, digest).await;
    deleted.map_err(during(Operation::DeleteBlob))?;
    Ok(Answer::new(StatusCode::ACCEPTED))
}

fn asked_range(call: &Call, digest: &Digest) -> Option<ByteRange> {
    let range = call.header(RANGE).filter(|_| is_beginning_known(call, digest));
    range.and_then(ByteRange::parse)
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
    // The last bytes of nothing are all of it. A first byte it has not, so `bytes=0-` is a 416 there as everywhere
    // (RFC 9110, section 14.1.2).
    if size == 0 && matches!(range, ByteRange::Suffix(1..)) {
        return whole(source, digest).await;
    }
    let Some((range, length)) = range.resolve(size).and_then(|range| Some((range, range.length()?))) else {
        return Err(unsatisfied(size));
    };
    let body = source.open_blob(digest, range.first).await.map_err(during(Operation::FetchBlob))?;
    let answer = describe(StatusCode::PARTIAL_CONTENT, digest)?.header(CONTENT_RANGE, range)?;
    Ok(answer.stream(body.take(length), length))
}

fn unsatisfied(size: u64) -> WireError {
    let error = WireError::new(ErrorCode::SizeInvalid).status(StatusCode::RANGE_NOT_SATISFIABLE);
    let error =
        error.because(format_args!("the blob has {size} bytes, and none of those that are asked for"));
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
