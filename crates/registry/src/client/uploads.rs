//! Uploads ("Pushing blobs"): a POST opens one, one PATCH carries the whole body, an empty PUT ends it. It is
//! Docker's own way and the one that every registry takes: several chunks lose data at ECR and are refused
//! by GAR, and some proxies limit the size of a PUT.
//!
//! The address of an upload is the registry's word. It may be relative or absolute, it carries signed
//! state, and each answer may change it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use http::{Method, StatusCode, header};
use sealift_oci::{Digest, RepositoryName};
use sealift_store::{BlobBody, Error, ErrorKind, LinkOutcome, Operation, Result, Upload, UploadId};
use url::Url;

use super::answer::{Answer, Body, collect_error};
use super::auth::{Authorization, Scopes};
use super::endpoint::Located;
use super::fault::{Fault, Purpose};
use super::redirect::is_web;
use super::repository::{Repository, found};
use super::request::Request;
use super::retry::Repeat;
use super::status::is_transient;
use super::upload_body::{Progress, UploadBody};
use crate::wire::{ChunkRange, ERROR_BODY_LIMIT, ErrorBody, ErrorCode, Received, Route, UploadStart};

/// How many stall timeouts the end of an upload may take: registries on object storage copy the blob before
/// they answer.
const FINISH_PATIENCE: u32 = 5;

/// An upload at a registry.
pub(super) struct RemoteUpload {
    repository: Repository,
    id: UploadId,
    location: Located,
    offset: u64,
    /// Whether a body broke off, so that the registry has to be asked how much it has.
    is_broken: bool,
}

impl Repository {
    /// Asks for a blob to be linked from another repository, or to be found in this one ("Mounting a blob
    /// from another repository"). Whatever else a registry answers means: upload it.
    pub(super) async fn mount(&self, digest: &Digest, from: &RepositoryName) -> Result<LinkOutcome, Fault> {
        let purpose = self.blob_purpose(Operation::MountBlob, digest);
        let start = UploadStart { mount: Some(*digest), from: Some(from.clone()), digest: None };
        // A failure is no reason to wait for a better answer: there is another way.
        let request = self.start_request(start, &purpose).await?.repeat(Repeat::IfWithoutEffect);
        let answer = self.send_mount(&request, from).await?;
        match answer.status {
            StatusCode::CREATED if answer.digest().is_none_or(|told| told == *digest) => {
                Ok(LinkOutcome::Linked)
            }
            StatusCode::ACCEPTED => {
                let upload = self.opened(&answer, &self.own_purpose(Operation::PushBlob)).await;
                Ok(upload.map_or(LinkOutcome::Refused, |upload| LinkOutcome::Upload(upload)))
            }
            StatusCode::TOO_MANY_REQUESTS => Err(self.connection.refusal(&request, &answer)),
            _ => Ok(LinkOutcome::Refused),
        }
    }

    /// Some registries want a token that allows reading the other repository, and some token services give
    /// none at all where that is not allowed (buildkit issue 2454): then it goes without.
    async fn send_mount(&self, request: &Request, from: &RepositoryName) -> Result<Answer, Fault> {
        if *from != self.name {
            let both = self.scopes.clone().and(&Scopes::pull(from));
            match self.connection.send(&request.clone().scopes(&both)).await {
                Err(fault) if matches!(fault.kind, ErrorKind::Unauthenticated | ErrorKind::Denied) => {}
                other => return other,
            }
        }
        self.connection.send(request).await
    }

    /// Opens an upload. Sent twice it opens two, of which one is forgotten.
    pub(super) async fn start_upload(&self) -> Result<Box<dyn Upload>, Fault> {
        let purpose = self.own_purpose(Operation::PushBlob);
        let request = self.start_request(UploadStart::default(), &purpose).await?;
        let answer = self.connection.expect(&request, &[202]).await?;
        self.opened(&answer, &purpose).await.map(|upload| upload as Box<dyn Upload>)
    }

    async fn start_request(&self, start: UploadStart, purpose: &Purpose) -> Result<Request, Fault> {
        let route = Route::Uploads { repository: self.name.clone(), start };
        let url = self.connection.url(&route, purpose).await?;
        Ok(Request::new(Method::POST, url, purpose).scopes(&self.scopes))
    }

    async fn opened(&self, answer: &Answer, purpose: &Purpose) -> Result<Box<RemoteUpload>, Fault> {
        let silent = || purpose.fault(ErrorKind::Invalid).because("it does not tell where to upload to");
        let location = self.location(answer, purpose).await?.ok_or_else(silent)?;
        let id = upload_id(&location, purpose)?;
        let repository = self.clone();
        Ok(Box::new(RemoteUpload { repository, id, location, offset: 0, is_broken: false }))
    }

    /// Reads the address that an answer gives the upload from now on.
    async fn location(&self, answer: &Answer, purpose: &Purpose) -> Result<Option<Located>, Fault> {
        let Some(reference) = answer.header(&header::LOCATION) else { return Ok(None) };
        let endpoint = self.connection.endpoint().await?;
        let wrong = || purpose.fault(ErrorKind::Invalid).because("it names no usable address to upload to");
        endpoint.locate(&answer.url, reference).map(Some).ok_or_else(wrong)
    }

    /// Goes on with an upload.
    pub(super) async fn find_upload(&self, id: &UploadId) -> Result<Box<dyn Upload>, Fault> {
        let purpose = self.own_purpose(Operation::PushBlob);
        let unknown =
            || purpose.fault(ErrorKind::NotFound).because("no upload of this repository has that name");
        let location = self.locate_upload(id).await?.ok_or_else(unknown)?;
        let mut upload =
            RemoteUpload { repository: self.clone(), id: id.clone(), location, offset: 0, is_broken: false };
        let request = upload.request(Method::GET, &purpose);
        let answer = self.connection.send(&request).await?;
        match answer.status.as_u16() {
            200 | 202 | 204 => {}
            // Docker's registry gives up an upload whose state does not fit what it has.
            400 | 416 if is_given_up(&answer) => return Err(unknown()),
            _ => return Err(self.connection.refusal(&request, &answer)),
        }
        upload.moved(&answer, &purpose).await?;
        upload.offset = received(&answer).and_then(Received::length).unwrap_or_default();
        Ok(Box::new(upload))
    }

    /// An upload's name is its address: path and query at the registry, the whole of it elsewhere.
    async fn locate_upload(&self, id: &UploadId) -> Result<Option<Located>, Fault> {
        let endpoint = self.connection.endpoint().await?;
        let text = id.as_str();
        if !text.starts_with('/') {
            let url = Url::parse(text).ok().filter(is_web);
            return Ok(url.and_then(|url| endpoint.locate(endpoint.base(), url.as_str())));
        }
        let located = endpoint.locate(endpoint.base(), text);
        Ok(located.filter(|it| !self.is_elsewhere(it.url())))
    }

    /// Tells whether an address has the protocol's form and names another repository.
    fn is_elsewhere(&self, url: &Url) -> bool {
        let other = Route::parse(url.path(), None).ok().and_then(|route| route.repository().cloned());
        other.is_some_and(|other| other != self.name)
    }
}

impl RemoteUpload {
    /// A request to the upload itself. Another host gets no credentials.
    fn request(&self, method: Method, purpose: &Purpose) -> Request {
        let request = Request::new(method, self.location.url().clone(), purpose).sensitive();
        match self.location {
            Located::Own(_) => request.scopes(&self.repository.scopes),
            Located::Foreign(_) => request,
        }
    }

    /// Takes over the new address, where the answer gives one.
    async fn moved(&mut self, answer: &Answer, purpose: &Purpose) -> Result<(), Fault> {
        if let Some(location) = self.repository.location(answer, purpose).await? {
            self.id = upload_id(&location, purpose)?;
            self.location = location;
        }
        Ok(())
    }

    /// Sends the body. `Content-Range` is left out of the first one: ACR, ECR and GHCR each have their own
    /// opinion of it, and none needs it.
    async fn patch(&mut self, body: BlobBody, progress: &Arc<Progress>) -> Result<(), Fault> {
        let purpose = self.repository.own_purpose(Operation::PushBlob);
        let mut request =
            self.request(Method::PATCH, &purpose).header(header::CONTENT_TYPE, "application/octet-stream");
        if let (1.., Some(length @ 1..)) = (self.offset, body.length()) {
            let range = ChunkRange { first: self.offset, last: self.offset.saturating_add(length - 1) };
            request = request.header(header::CONTENT_RANGE, &range.to_string());
        }
        let answer = self.stream(&request, body, progress).await?;
        if !matches!(answer.status.as_u16(), 201 | 202 | 204) {
            return Err(self.repository.connection.refusal(&request, &answer));
        }
        self.moved(&answer, &purpose).await?;
        self.advance(&answer, progress.taken(), &purpose)
    }

    /// Believes the registry where it has less than it was sent. Where it tells nothing, or what cannot be,
    /// the digest at the end decides.
    fn advance(&mut self, answer: &Answer, sent: u64, purpose: &Purpose) -> Result<(), Fault> {
        let expected = self.offset + sent;
        match received(answer).and_then(Received::length) {
            Some(held) if held < expected => {
                self.offset = held;
                let reason = format_args!("it kept {held} of {expected} bytes");
                Err(purpose.fault(ErrorKind::Unavailable).because(reason))
            }
            _ => {
                self.offset = expected;
                Ok(())
            }
        }
    }

    /// Sends a body that streams by: once, without a time limit, as long as it moves.
    async fn stream(
        &self,
        request: &Request,
        body: BlobBody,
        progress: &Arc<Progress>,
    ) -> Result<Answer, Fault> {
        let connection = &self.repository.connection;
        let authorization = connection.authorize(request.scopes.as_ref()).await?;
        let mut built = request.build(&request.url, authorization.header(), false);
        *built.body_mut() = Some(reqwest::Body::wrap(UploadBody::new(body, progress)));
        let limit = connection.transport.stall_timeout();
        let mut response = tokio::select! {
            response = connection.transport.execute(built, &request.purpose) => response?,
            () = progress.stalled(limit) => {
                return Err(super::transport::silence(limit, &request.purpose));
            }
        };
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let body = collect_error(&mut response, ERROR_BODY_LIMIT, limit, &request.purpose).await;
        let url = request.url.clone();
        let is_foreign = request.scopes.is_none();
        let answer = Answer { status, headers, url, is_foreign, body: Body::Whole(body) };
        self.settle(request, &authorization, answer).await
    }

    /// A token may end while a body streams by, which then is lost with it: the next attempt has a new one.
    /// The second token in a row that is refused was not too old.
    async fn settle(&self, request: &Request, sent: &Authorization, answer: Answer) -> Result<Answer, Fault> {
        let Some(scopes) = &request.scopes else { return Ok(answer) };
        let connection = &self.repository.connection;
        let slot = connection.slot(scopes);
        if answer.status != StatusCode::UNAUTHORIZED {
            slot.accepted();
            return Ok(answer);
        }
        connection.forget(scopes, sent, &answer.headers).await?;
        if matches!(sent, Authorization::Basic(_)) || !slot.refused(sent.generation()) {
            return Ok(answer);
        }
        let reason = "the credentials expired on the way; new ones will be asked for";
        Err(request.purpose.fault(ErrorKind::Unavailable).because(reason))
    }

    async fn end(&self, digest: &Digest) -> Result<(), Fault> {
        let purpose = self.repository.blob_purpose(Operation::PushBlob, digest);
        let mut request =
            self.request(Method::PUT, &purpose).repeat(Repeat::IfWithoutEffect).patience(FINISH_PATIENCE);
        request.url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let connection = &self.repository.connection;
        let fault = match connection.send(&request).await {
            Ok(answer) if matches!(answer.status.as_u16(), 200 | 201 | 204) => {
                return check_told(&answer, digest, &purpose);
            }
            Ok(answer) if !is_transient(answer.status) => return Err(connection.refusal(&request, &answer)),
            Ok(answer) => connection.refusal(&request, &answer),
            Err(fault) => fault,
        };
        if fault.kind.is_transient() && !fault.without_effect {
            // The answer may be lost while the blob is not.
            if let Ok(Some(_)) = found(self.repository.blob_size(digest).await) {
                return Ok(());
            }
        }
        Err(fault)
    }

    fn named(&self, fault: Fault) -> Error {
        fault.at(self.repository.connection.place())
    }
}

#[async_trait]
impl Upload for RemoteUpload {
    fn id(&self) -> &UploadId {
        &self.id
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    async fn append(&mut self, body: BlobBody) -> Result<u64> {
        if self.is_broken {
            let purpose = self.repository.own_purpose(Operation::PushBlob);
            let reason = "the upload broke off; it has to be resumed";
            return Err(self.named(purpose.fault(ErrorKind::Invalid).because(reason)));
        }
        // An empty PATCH is refused by some registries, and says nothing.
        if body.length() == Some(0) {
            return Ok(self.offset);
        }
        let progress = Arc::default();
        // Also where this future is dropped half way.
        self.is_broken = true;
        let outcome = self.patch(body, &progress).await;
        if let Some(error) = progress.failure() {
            return Err(error);
        }
        outcome.map_err(|fault| self.named(fault))?;
        self.is_broken = false;
        Ok(self.offset)
    }

    async fn finish(self: Box<Self>, digest: &Digest) -> Result<()> {
        self.end(digest).await.map_err(|fault| self.named(fault))
    }

    /// A registry that cannot cancel forgets the upload by itself, so nothing is made of a refusal.
    async fn cancel(self: Box<Self>) -> Result<()> {
        let purpose = self.repository.own_purpose(Operation::PushBlob);
        let request = self.request(Method::DELETE, &purpose).repeat(Repeat::Never);
        let answer = self.repository.connection.send(&request).await;
        answer.map(drop).map_err(|fault| self.named(fault))
    }
}

/// An address carries signed state, so it is not printed.
impl fmt::Debug for RemoteUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteUpload")
            .field("repository", &self.repository.name)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

fn upload_id(location: &Located, purpose: &Purpose) -> Result<UploadId, Fault> {
    let name = match location {
        Located::Own(url) => url[url::Position::BeforePath..].to_owned(),
        Located::Foreign(url) => url.to_string(),
    };
    name.parse().map_err(|error| {
        purpose.fault(ErrorKind::Invalid).because("the address to upload to is too long").caused_by(error)
    })
}

fn received(answer: &Answer) -> Option<Received> {
    answer.header(&header::RANGE).and_then(Received::parse)
}

fn is_given_up(answer: &Answer) -> bool {
    let body = ErrorBody::parse(&answer.bytes());
    let code = body.and_then(|body| body.errors.into_iter().next()).map(|error| error.code);
    matches!(code, Some(ErrorCode::BlobUploadInvalid | ErrorCode::RangeInvalid))
}

fn check_told(answer: &Answer, digest: &Digest, purpose: &Purpose) -> Result<(), Fault> {
    match answer.digest() {
        Some(told) if told.algorithm() == digest.algorithm() && told != *digest => {
            let reason = format_args!("it stored {told}, not {digest}");
            Err(purpose.fault(ErrorKind::Mismatch).because(reason))
        }
        _ => Ok(()),
    }
}
