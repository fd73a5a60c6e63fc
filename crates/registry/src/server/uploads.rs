//! Blobs to write: "Pushing blobs". An upload lives in the store alone, and each request resumes it there.

use std::sync::Arc;

use http::header::{CONTENT_RANGE, HeaderValue, LOCATION, RANGE};
use http::{Method, StatusCode};
use sealift_oci::{Digest, RepositoryName};
use sealift_store::{ErrorKind, LinkOutcome, Operation, PageRequest, Target, Upload, UploadId};

use super::answer::Answer;
use super::auth;
use super::error::{WireError, during};
use super::ledger::Ledger;
use super::request::Call;
use crate::wire::header::{DOCKER_CONTENT_DIGEST, DOCKER_UPLOAD_UUID, OCI_CHUNK_MIN_LENGTH};
use crate::wire::{ChunkRange, ErrorCode, Received, Route, UploadStart};

/// Each chunk is a request, opens a file and saves the state of a hash: below this size that costs more than
/// the bytes.
const CHUNK_MIN_LENGTH: u64 = 64 * 1024;

/// In how many pages of repositories a blob is looked for that is to come from anywhere.
const MOUNT_PAGES: usize = 10;

/// POST: link a blob, write one whole, or begin an upload.
pub(super) async fn start(
    call: Call,
    repository: RepositoryName,
    start: UploadStart,
) -> Result<Answer, WireError> {
    if call.method != Method::POST {
        return Err(WireError::method("POST"));
    }
    let target = call.target(Operation::PushBlob, &repository)?;
    if let Some(digest) = start.mount {
        return match &start.from {
            Some(from) => mount(&call, target.as_ref(), digest, from).await,
            None => mount_from_anywhere(&call, target.as_ref(), digest).await,
        };
    }
    match start.digest {
        Some(digest) => write_whole(call, target.as_ref(), repository, digest).await,
        None => begin(&call, target.as_ref()).await,
    }
}

/// Opens an upload, where the caller may have one more.
async fn begin(call: &Call, target: &dyn Target) -> Result<Answer, WireError> {
    call.shared.uploads.check(&call.owner)?;
    let upload = target.begin_upload(None).await.map_err(during(Operation::PushBlob))?;
    begun(call, upload.as_ref(), target.repository().clone())
}

/// Without `from`, the blob is looked for here first, and then in every repository that this caller may read.
async fn mount_from_anywhere(call: &Call, target: &dyn Target, digest: Digest) -> Result<Answer, WireError> {
    let own = target.repository();
    let (admin, mut request) = (call.store.admin(), PageRequest::first());
    let mut places = vec![own.clone()];
    for _ in 0..MOUNT_PAGES {
        for from in &places {
            if let Ok(LinkOutcome::Linked) = target.link_blob(&digest, from).await {
                return created(own.clone(), digest);
            }
        }
        let page = auth::repositories(admin.as_ref(), &call.caller, &request, |it| it != own).await;
        // Where there is no list, nobody need say so: the client uploads the blob.
        let Ok(page) = page else { break };
        places = page.items;
        if places.is_empty() {
            break;
        }
        // What comes behind the last page is empty.
        request.after = page.next.or_else(|| places.last().map(ToString::to_string));
    }
    begin(call, target).await
}

/// "Mounting a blob from another repository": where it does not work, an upload is opened instead.
async fn mount(
    call: &Call,
    target: &dyn Target,
    digest: Digest,
    from: &RepositoryName,
) -> Result<Answer, WireError> {
    match target.link_blob(&digest, from).await {
        Ok(LinkOutcome::Linked) => created(target.repository().clone(), digest),
        Ok(LinkOutcome::Upload(upload)) => begun(call, upload.as_ref(), target.repository().clone()),
        Ok(LinkOutcome::Refused) => begin(call, target).await,
        Err(error) if is_refusal(error.kind()) => begin(call, target).await,
        Err(error) => Err(WireError::from_store(Operation::MountBlob, &error)),
    }
}

fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::Unsupported)
}

/// "Single POST": the client never learns of the upload, so nobody could go on with one that broke off.
async fn write_whole(
    call: Call,
    target: &dyn Target,
    repository: RepositoryName,
    digest: Digest,
) -> Result<Answer, WireError> {
    let limit = call.shared.config.blob_limit;
    check_room(call.body.length(), 0, limit)?;
    let mut upload = target.begin_upload(None).await.map_err(during(Operation::PushBlob))?;
    if let Err(error) = upload.append(call.body.into_blob().at_most(limit)).await {
        // The first error tells more than one of the cleaning up.
        let _ = upload.cancel().await;
        return Err(match error.kind() {
            ErrorKind::Mismatch => too_large(limit),
            _ => WireError::from_store(Operation::PushBlob, &error),
        });
    }
    upload.finish(&digest).await.map_err(during(Operation::PushBlob))?;
    created(repository, digest)
}

/// The requests to an upload's location.
pub(super) async fn handle(
    call: Call,
    repository: RepositoryName,
    id: UploadId,
    digest: Option<Digest>,
) -> Result<Answer, WireError> {
    if ![Method::GET, Method::PATCH, Method::PUT, Method::DELETE].contains(&call.method) {
        return Err(WireError::method("GET, PATCH, PUT, DELETE"));
    }
    let target = call.target(Operation::PushBlob, &repository)?;
    let shared = Arc::clone(&call.shared);
    let upload = match target.resume_upload(&id).await {
        Ok(upload) => upload,
        Err(error) => {
            if error.kind() == ErrorKind::NotFound {
                shared.uploads.forget(&id);
            }
            return Err(WireError::from_store(Operation::PushBlob, &error));
        }
    };
    shared.uploads.note(&id, &call.owner);
    match call.method {
        Method::GET => status(upload.as_ref(), repository),
        Method::PATCH => append(call, upload, repository).await,
        Method::PUT => finish(call, upload, repository, digest).await,
        _ => cancel(&shared.uploads, upload).await,
    }
}

fn status(upload: &dyn Upload, repository: RepositoryName) -> Result<Answer, WireError> {
    describe(StatusCode::NO_CONTENT, upload, repository)
}

async fn cancel(open: &Ledger, upload: Box<dyn Upload>) -> Result<Answer, WireError> {
    let id = upload.id().clone();
    upload.cancel().await.map_err(during(Operation::PushBlob))?;
    open.forget(&id);
    Ok(Answer::new(StatusCode::NO_CONTENT))
}

async fn append(
    call: Call,
    mut upload: Box<dyn Upload>,
    repository: RepositoryName,
) -> Result<Answer, WireError> {
    append_body(call, upload.as_mut(), &repository).await?;
    accepted(upload.as_ref(), repository)
}

/// PUT: the last chunk, or nothing, and then the digest of the whole.
async fn finish(
    call: Call,
    mut upload: Box<dyn Upload>,
    repository: RepositoryName,
    digest: Option<Digest>,
) -> Result<Answer, WireError> {
    let missing = || WireError::new(ErrorCode::DigestInvalid).because("the digest of the blob is missing");
    let digest = digest.ok_or_else(missing)?;
    let (shared, id) = (Arc::clone(&call.shared), upload.id().clone());
    append_body(call, upload.as_mut(), &repository).await?;
    let finished = upload.finish(&digest).await;
    if finished.as_ref().map_or_else(|error| error.kind() == ErrorKind::Mismatch, |()| true) {
        shared.uploads.forget(&id);
    }
    finished.map_err(during(Operation::PushBlob))?;
    created(repository, digest)
}

/// Appends the body, which with a `Content-Range` must begin where the upload ends.
async fn append_body(
    call: Call,
    upload: &mut dyn Upload,
    repository: &RepositoryName,
) -> Result<(), WireError> {
    let chunk = call.parse_header(CONTENT_RANGE, ChunkRange::parse)?;
    if let Some(chunk) = chunk {
        check_chunk(chunk, call.body.length(), upload, repository)?;
    }
    let limit = call.shared.config.blob_limit;
    let told = call.body.length().or(chunk.and_then(|chunk| chunk.length()));
    check_room(told, upload.offset(), limit)?;
    if call.body.length() == Some(0) {
        return Ok(());
    }
    let is_measured = call.body.length().is_some();
    let body = call.body.into_blob().at_most(limit.saturating_sub(upload.offset()));
    // A body that does not say how long it is may lie; then nothing of it stays.
    let body = match chunk.and_then(|chunk| chunk.length()).filter(|_| !is_measured) {
        Some(length) => body.exactly(length),
        None => body,
    };
    match (upload.append(body).await, chunk) {
        (Err(error), chunk) if error.kind() == ErrorKind::Mismatch => {
            let error = chunk.map_or_else(|| too_large(limit), wrong_size);
            Err(tell_offset(error, upload, repository))
        }
        (appended, _) => appended.map(drop).map_err(during(Operation::PushBlob)),
    }
}

/// Refuses a body that is announced, and would make the blob larger than it may be.
fn check_room(length: Option<u64>, offset: u64, limit: u64) -> Result<(), WireError> {
    let end = offset.saturating_add(length.unwrap_or_default());
    if end > limit { Err(too_large(limit)) } else { Ok(()) }
}

fn too_large(limit: u64) -> WireError {
    let error = WireError::new(ErrorCode::BlobUploadInvalid).status(StatusCode::PAYLOAD_TOO_LARGE);
    error.because(format_args!("the blob has more than {limit} bytes, and larger ones are not taken here"))
}

/// "Pushing a blob in chunks": a chunk out of order is 416, and where to go on is said beside it.
fn check_chunk(
    chunk: ChunkRange,
    length: Option<u64>,
    upload: &dyn Upload,
    repository: &RepositoryName,
) -> Result<(), WireError> {
    if chunk.first != upload.offset() {
        let reason = format!("the chunk begins at {} and the upload is at {}", chunk.first, upload.offset());
        let error = WireError::new(ErrorCode::BlobUploadInvalid).status(StatusCode::RANGE_NOT_SATISFIABLE);
        return Err(tell_offset(error.because(reason), upload, repository));
    }
    let is_possible = match (chunk.length(), length) {
        (Some(told), Some(length)) => told == length,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if is_possible { Ok(()) } else { Err(tell_offset(wrong_size(chunk), upload, repository)) }
}

fn wrong_size(chunk: ChunkRange) -> WireError {
    let reason = format!("the body has another length than the range {chunk}");
    WireError::new(ErrorCode::SizeInvalid).because(reason)
}

fn tell_offset(mut error: WireError, upload: &dyn Upload, repository: &RepositoryName) -> WireError {
    let location = location(upload, repository.clone()).path_and_query();
    let range = Received::new(upload.offset()).to_string();
    for (name, value) in [(LOCATION, location), (RANGE, range)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            error = error.header(name, value);
        }
    }
    error
}

fn location(upload: &dyn Upload, repository: RepositoryName) -> Route {
    Route::Upload { repository, id: upload.id().clone(), digest: None }
}

fn describe(
    status: StatusCode,
    upload: &dyn Upload,
    repository: RepositoryName,
) -> Result<Answer, WireError> {
    Answer::new(status)
        .header(LOCATION, location(upload, repository))?
        .header(RANGE, Received::new(upload.offset()))?
        .header(DOCKER_UPLOAD_UUID, upload.id().as_str())
}

/// The answer to POST also says how small chunks should not be; smaller ones are taken all the same.
fn begun(call: &Call, upload: &dyn Upload, repository: RepositoryName) -> Result<Answer, WireError> {
    call.shared.uploads.note(upload.id(), &call.owner);
    accepted(upload, repository)?.header(OCI_CHUNK_MIN_LENGTH, CHUNK_MIN_LENGTH)
}

fn accepted(upload: &dyn Upload, repository: RepositoryName) -> Result<Answer, WireError> {
    describe(StatusCode::ACCEPTED, upload, repository)
}

fn created(repository: RepositoryName, digest: Digest) -> Result<Answer, WireError> {
    Answer::new(StatusCode::CREATED)
        .header(LOCATION, Route::Blob { repository, digest })?
        .header(DOCKER_CONTENT_DIGEST, digest)
}
