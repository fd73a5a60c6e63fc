//! Manifests: "Pulling manifests", "Pushing Manifests", "Deleting tags", "Deleting Manifests".

use http::header::{AGE, CONTENT_TYPE, ETAG, LOCATION};
use http::{Method, StatusCode};
use sealift_oci::{
    Algorithm, Descriptor, MANIFEST_LIMIT, Manifest, ManifestError, ManifestRef, RepositoryName, Tag,
    media_type,
};
use sealift_store::Operation;

use super::answer::Answer;
use super::condition::{entity_tag, not_modified};
use super::error::{WireError, during};
use super::request::Call;
use crate::wire::header::{DOCKER_CONTENT_DIGEST, OCI_SUBJECT, OCI_TAG};
use crate::wire::{ErrorCode, Route};

pub(super) async fn handle(
    call: Call,
    repository: RepositoryName,
    reference: ManifestRef,
    tags: Vec<Tag>,
) -> Result<Answer, WireError> {
    match call.method {
        Method::GET => get(&call, &repository, &reference).await,
        Method::HEAD => head(&call, &repository, &reference).await,
        Method::PUT => put(call, repository, reference, tags).await,
        Method::DELETE if call.deletes => delete(&call, &repository, &reference).await,
        _ if call.deletes => Err(WireError::method("GET, HEAD, PUT, DELETE")),
        _ if call.store.target(&repository).is_ok() => Err(WireError::method("GET, HEAD, PUT")),
        _ => Err(WireError::method("GET, HEAD")),
    }
}

async fn delete(
    call: &Call,
    repository: &RepositoryName,
    reference: &ManifestRef,
) -> Result<Answer, WireError> {
    let deleted = call.store.admin().delete_manifest(repository, reference).await;
    deleted.map_err(during(Operation::DeleteManifest))?;
    Ok(Answer::new(StatusCode::ACCEPTED))
}

async fn get(call: &Call, repository: &RepositoryName, reference: &ManifestRef) -> Result<Answer, WireError> {
    let found = call.source(repository).manifest(reference).await;
    let manifest = found.map_err(during(Operation::FetchManifest))?;
    let answer = match not_modified(call, &manifest.digest())? {
        Some(answer) => answer,
        None => describe(&manifest.descriptor)?.bytes(manifest.bytes),
    };
    aged(call, repository, reference, answer).await
}

async fn head(
    call: &Call,
    repository: &RepositoryName,
    reference: &ManifestRef,
) -> Result<Answer, WireError> {
    let found = call.source(repository).resolve(reference).await.map_err(during(Operation::Resolve))?;
    let answer = match not_modified(call, &found.digest)? {
        Some(answer) => answer,
        None => describe(&found)?,
    };
    aged(call, repository, reference, answer).await
}

/// Says how old it is what the answer rests on, where it was not found out just now (RFC 9111, section 5.1).
async fn aged(
    call: &Call,
    repository: &RepositoryName,
    reference: &ManifestRef,
    answer: Answer,
) -> Result<Answer, WireError> {
    let (ManifestRef::Tag(tag), Some(keeper)) = (reference, &call.keeper) else { return Ok(answer) };
    match keeper.age(repository, tag).await {
        Some(age) => answer.header(AGE, age.as_secs()),
        None => Ok(answer),
    }
}

fn describe(descriptor: &Descriptor) -> Result<Answer, WireError> {
    Answer::new(StatusCode::OK)
        .length(descriptor.size)
        .header(CONTENT_TYPE, &descriptor.media_type)?
        .header(ETAG, entity_tag(&descriptor.digest))?
        .header(DOCKER_CONTENT_DIGEST, descriptor.digest)
}

async fn put(
    call: Call,
    repository: RepositoryName,
    reference: ManifestRef,
    tags: Vec<Tag>,
) -> Result<Answer, WireError> {
    let target = call.target(Operation::PushManifest, &repository)?;
    let content_type = call.header(CONTENT_TYPE).map(str::to_owned);
    let bytes = call.body.collect(MANIFEST_LIMIT).await?;
    let manifest = read(content_type.as_deref(), bytes, &reference)?;
    let first = match &reference {
        ManifestRef::Tag(tag) => Some(tag),
        ManifestRef::Digest(_) => tags.first(),
    };
    target.put_manifest(&manifest, first).await.map_err(during(Operation::PushManifest))?;
    for tag in tags.iter().skip(1) {
        target.put_manifest(&manifest, Some(tag)).await.map_err(during(Operation::PushManifest))?;
    }
    tags.iter().try_fold(created(&manifest, repository)?, |answer, tag| answer.another(OCI_TAG, tag))
}

/// Reads a manifest that a client sent, and holds it against the digest that it is to have.
fn read(
    content_type: Option<&str>,
    bytes: bytes::Bytes,
    reference: &ManifestRef,
) -> Result<Manifest, WireError> {
    let (algorithm, expected) = match reference {
        ManifestRef::Tag(_) => (Algorithm::Sha256, None),
        ManifestRef::Digest(digest) => (digest.algorithm(), Some(*digest)),
    };
    let manifest = Manifest::parse_as(algorithm, content_type, bytes).map_err(unreadable)?;
    check_type(content_type, &manifest)?;
    let actual = manifest.digest();
    if expected.is_some_and(|expected| expected != actual) {
        let error = WireError::new(ErrorCode::DigestInvalid);
        return Err(error.because(format_args!("the manifest has the digest {actual}")));
    }
    // What cannot be a header value could be pushed but never pulled.
    if http::HeaderValue::from_str(&manifest.descriptor.media_type).is_err() {
        return Err(WireError::new(ErrorCode::ManifestInvalid).because("its media type is malformed"));
    }
    Ok(manifest)
}

/// Holds what the client calls it against what it is: who pulls it by another type would read something else in the
/// same bytes. Parameters mean nothing, and who names no type means the one that is written in it.
fn check_type(content_type: Option<&str>, manifest: &Manifest) -> Result<(), WireError> {
    let own = &manifest.descriptor.media_type;
    let told = content_type.map_or(own.as_str(), media_type::essence);
    let reason = if !told.eq_ignore_ascii_case(own) {
        format!("it is sent as {told}, and it is {own}")
    } else if media_type::kind(own).is_some_and(|kind| kind != manifest.kind) {
        format!("it is called {own}, and it is none")
    } else {
        return Ok(());
    };
    Err(WireError::new(ErrorCode::ManifestInvalid).because(reason))
}

fn unreadable(error: ManifestError) -> WireError {
    WireError::new(ErrorCode::ManifestInvalid).because(error)
}

/// `OCI-Subject` tells the client that this registry lists referrers itself ("Pushing Manifests with
/// Subject").
fn created(manifest: &Manifest, repository: RepositoryName) -> Result<Answer, WireError> {
    let digest = manifest.digest();
    let location = Route::Manifest { repository, reference: digest.into() };
    let answer =
        Answer::new(StatusCode::CREATED).header(LOCATION, location)?.header(DOCKER_CONTENT_DIGEST, digest)?;
    match &manifest.links.subject {
        Some(subject) => answer.header(OCI_SUBJECT, subject.digest),
        None => Ok(answer),
    }
}
