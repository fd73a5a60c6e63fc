//! One upload on its way: the body goes out in the style that its registry takes ([`super::quirks`]), and the
//! end makes the blob visible ("Pushing a blob monolithically", "Pushing a blob in chunks").
//!
//! A body is a stream and cannot be sent twice. Where a registry refuses the style after bytes of it are
//! gone, appending fails with [`ErrorKind::Unavailable`], the registry's quirk is remembered, and whoever
//! copies begins again in another style. Where the style is a single PUT, which needs the digest, the body
//! waits unread for [`Upload::finish`], and its errors come out there.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use http::{Method, StatusCode, header};
use sealift_oci::Digest;
use sealift_store::{BlobBody, Error, ErrorKind, Operation, Result, Upload, UploadId};

use super::answer::Answer;
use super::endpoint::Located;
use super::fault::{Fault, Purpose};
use super::quirks::{UploadStyle, objection};
use super::repository::{Repository, found};
use super::request::Request;
use super::retry::Repeat;
use super::status::{THIS_SIZE, is_transient};
use super::upload_body::{Feed, Progress, UploadBody};
use crate::wire::{ChunkRange, Received};

/// How many stall timeouts an answer may take when all of a body was sent, and that to the end of an upload: a slow line
/// has deep buffers to drain, and registries on object storage copy the blob before they answer.
const ANSWER_PATIENCE: u32 = 5;

/// An upload at a registry.
pub(super) struct RemoteUpload {
    repository: Repository,
    id: UploadId,
    location: Located,
    /// What the registry has, as far as is known.
    offset: u64,
    style: UploadStyle,
    /// What waits for the digest.
    held: Option<BlobBody>,
    /// Whether a body broke off, so that the registry has to be asked how much it has.
    is_broken: bool,
}

impl RemoteUpload {
    /// Makes an upload at `location` of which the registry has nothing yet.
    pub(super) fn new(repository: &Repository, location: Located, purpose: &Purpose) -> Result<Self, Fault> {
        let id = upload_id(&location, purpose)?;
        let style = repository.connection.quirks().style;
        let repository = repository.clone();
        Ok(Self { repository, id, location, offset: 0, style, held: None, is_broken: false })
    }

    /// Takes over what the answer to a question about the upload says.
    pub(super) async fn resume(&mut self, answer: &Answer, purpose: &Purpose) -> Result<(), Fault> {
        self.moved(answer, purpose).await?;
        self.offset = received(answer).and_then(Received::length).unwrap_or_default();
        Ok(())
    }

    /// A request to the upload itself. Another host gets no credentials.
    pub(super) fn request(&self, method: Method, purpose: &Purpose) -> Request {
        let request = Request::new(method, self.location.url().clone(), purpose).sensitive();
        match self.location {
            Located::Own(_) => request.scopes(&self.repository.scopes),
            Located::Foreign(_) => request,
        }
    }

    /// Takes over the new address, where the answer gives one.
    async fn moved(&mut self, answer: &Answer, purpose: &Purpose) -> Result<(), Fault> {
        if let Some(location) = self.repository.upload_location(answer, purpose).await? {
            self.id = upload_id(&location, purpose)?;
            self.location = location;
        }
        Ok(())
    }

    /// Sends a body by PATCH: in one piece, or in chunks.
    async fn send(&mut self, body: BlobBody, progress: &Arc<Progress>) -> Result<(), Fault> {
        let length = body.length();
        let feed = Feed::new(body, progress);
        match (self.style, length) {
            (UploadStyle::Ranged { chunk, always }, Some(length)) if always || length > chunk => {
                self.send_chunks(&feed, chunk, progress).await
            }
            // Where a body ends that has no length is known when it has ended, so it says no range.
            _ => {
                let answer = self.patch(feed.next(u64::MAX), self.offset > 0, progress).await?;
                self.advance(&answer, progress.taken())
            }
        }
    }

    async fn send_chunks(&mut self, feed: &Feed, chunk: u64, progress: &Arc<Progress>) -> Result<(), Fault> {
        let mut told = None;
        loop {
            let body = feed.next(chunk);
            let Some(length @ 1..) = body.length() else { return Ok(()) };
            let answer = self.patch(body, true, progress).await?;
            // ECR says of every chunk what it said of the first one, and has them all.
            let held = received(&answer).and_then(Received::length);
            if held.is_some() && held == told {
                self.repository.connection.learn(|quirks| quirks.has_stuck_ranges = true);
                self.offset += length;
            } else {
                self.advance(&answer, length)?;
            }
            told = held;
        }
    }

    /// Sends one body. `Content-Range` is left out where it can be: ACR, ECR and GHCR each have their own
    /// opinion of it.
    async fn patch(
        &mut self,
        body: UploadBody,
        is_ranged: bool,
        progress: &Arc<Progress>,
    ) -> Result<Answer, Fault> {
        let purpose = self.repository.own_purpose(Operation::PushBlob);
        let length = body.length();
        let range = if is_ranged { self.range(length) } else { None };
        let request = with_body(self.request(Method::PATCH, &purpose), range).patience(ANSWER_PATIENCE);
        let before = progress.taken();
        let answer = self.repository.connection.stream(&request, body, progress).await?;
        let sent = progress.taken() - before;
        if !matches!(answer.status.as_u16(), 201 | 202 | 204) {
            return Err(self.refused(&request, &answer, length.unwrap_or(sent)));
        }
        if length.is_some_and(|length| sent < length) {
            let reason = "it answered before it had the whole body";
            return Err(purpose.fault(ErrorKind::Unavailable).because(reason));
        }
        self.moved(&answer, &purpose).await?;
        Ok(answer)
    }

    fn range(&self, length: Option<u64>) -> Option<ChunkRange> {
        let last = self.offset.checked_add(length?)?.checked_sub(1)?;
        Some(ChunkRange { first: self.offset, last })
    }

    /// Believes the registry where it has less than it was sent. Where it tells nothing, or what cannot be,
    /// the digest at the end decides.
    fn advance(&mut self, answer: &Answer, sent: u64) -> Result<(), Fault> {
        let expected = self.offset + sent;
        match received(answer).and_then(Received::length) {
            Some(held) if held < expected => {
                self.offset = held;
                let purpose = self.repository.own_purpose(Operation::PushBlob);
                let reason = format_args!("it kept {held} of {expected} bytes");
                Err(purpose.fault(ErrorKind::Unavailable).because(reason))
            }
            _ => {
                self.offset = expected;
                Ok(())
            }
        }
    }

    /// Makes the error of a body that was refused; where another style may do, that is remembered.
    fn refused(&self, request: &Request, answer: &Answer, sent: u64) -> Fault {
        let fault = self.refusal(request, answer, Some(sent));
        let objection = objection(self.style, answer, sent, self.offset == 0);
        let Some(objection) = objection.filter(|_| fault.kind != ErrorKind::NoSpace) else { return fault };
        if !self.repository.connection.learn(|quirks| quirks.adapt(self.style, objection)) {
            return fault;
        }
        fault.passing("; it is sent again in another way")
    }

    /// Makes the error of an answer, which names the size that was too large.
    fn refusal(&self, request: &Request, answer: &Answer, sent: Option<u64>) -> Fault {
        let fault = self.repository.connection.refusal(request, answer);
        match sent.filter(|_| answer.status == StatusCode::PAYLOAD_TOO_LARGE) {
            Some(sent) => fault.reworded(|reason| reason.replace(THIS_SIZE, &format!("of {sent} bytes"))),
            None => fault,
        }
    }

    async fn end(&mut self, digest: &Digest, progress: &Arc<Progress>) -> Result<(), Fault> {
        let purpose = self.repository.blob_purpose(Operation::PushBlob, digest);
        let mut request =
            self.request(Method::PUT, &purpose).repeat(Repeat::IfWithoutEffect).patience(ANSWER_PATIENCE);
        request.url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let length = self.held.as_ref().and_then(BlobBody::length);
        let answer = match self.held.take() {
            None => self.repository.connection.send(&request).await,
            Some(body) => {
                let body = Feed::new(body, progress).next(u64::MAX);
                let range = if self.offset > 0 { self.range(body.length()) } else { None };
                request = with_body(request, range);
                self.repository.connection.stream(&request, body, progress).await
            }
        };
        let fault = match answer {
            Ok(answer) if matches!(answer.status.as_u16(), 200 | 201 | 202 | 204) => {
                return check_told(&answer, digest, &purpose);
            }
            Ok(answer) if !is_transient(answer.status) => return Err(self.refusal(&request, &answer, length)),
            Ok(answer) => self.refusal(&request, &answer, length),
            Err(fault) => fault,
        };
        if fault.kind.is_transient() && !fault.without_effect {
            // The answer may be lost while the blob is not.
            if let Ok(Some(_)) = found(self.repository.blob_size(digest).await) {
                let silence = &self.repository.connection.transport.silence;
                silence.heeded(&request.method, &request.url, &purpose);
                return Ok(());
            }
        }
        Err(fault)
    }

    /// Keeps a body behind what is kept already, and counts it as if it was there.
    fn hold(&mut self, body: BlobBody) -> u64 {
        let body = match self.held.take() {
            None => body,
            Some(first) => {
                let length = first.length().zip(body.length()).and_then(|(a, b)| a.checked_add(b));
                BlobBody::from_stream(length, first.into_stream().chain(body.into_stream()).boxed())
            }
        };
        let held = body.length().unwrap_or_default();
        self.held = Some(body);
        self.offset.saturating_add(held)
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
        self.offset + self.held.as_ref().and_then(BlobBody::length).unwrap_or_default()
    }

    async fn append(&mut self, body: BlobBody) -> Result<u64> {
        if self.is_broken {
            let purpose = self.repository.own_purpose(Operation::PushBlob);
            let reason = "the upload broke off; it has to be resumed";
            return Err(self.named(purpose.fault(ErrorKind::Invalid).because(reason)));
        }
        // An empty PATCH is refused by some registries, and says nothing.
        if body.length() == Some(0) {
            return Ok(self.offset());
        }
        if self.style == UploadStyle::Single {
            return Ok(self.hold(body));
        }
        let progress = Arc::default();
        // Also where this future is dropped half way.
        self.is_broken = true;
        let outcome = self.send(body, &progress).await;
        if let Some(error) = progress.failure() {
            return Err(error);
        }
        outcome.map_err(|fault| self.named(fault))?;
        self.is_broken = false;
        Ok(self.offset)
    }

    async fn finish(mut self: Box<Self>, digest: &Digest) -> Result<()> {
        let progress = Arc::default();
        let outcome = self.end(digest, &progress).await;
        if let Some(error) = progress.failure() {
            return Err(error);
        }
        outcome.map_err(|fault| self.named(fault))
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

fn with_body(request: Request, range: Option<ChunkRange>) -> Request {
    let request = request.header(header::CONTENT_TYPE, "application/octet-stream");
    match range {
        Some(range) => request.header(header::CONTENT_RANGE, &range.to_string()),
        None => request,
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

fn check_told(answer: &Answer, digest: &Digest, purpose: &Purpose) -> Result<(), Fault> {
    match answer.digest() {
        Some(told) if told.algorithm() == digest.algorithm() && told != *digest => {
            let reason = format_args!("it stored {told}, not {digest}");
            Err(purpose.fault(ErrorKind::Mismatch).because(reason))
        }
        _ => Ok(()),
    }
}
