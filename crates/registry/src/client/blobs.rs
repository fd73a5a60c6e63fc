//! Blobs: their size, and their bytes from any offset on ("Pulling blobs", "Checking if content exists").

use bytes::Bytes;
use futures_util::{StreamExt, future, stream};
use http::{Method, StatusCode, header};
use sealift_oci::Digest;
use sealift_store::{BlobBody, ByteStream, ErrorKind, Operation};

use super::answer::{Answer, Body, Ear, stream};
use super::connection::Connection;
use super::fault::{Fault, Purpose};
use super::repository::Repository;
use super::request::{Reading, Request};
use super::retry::Repeat;
use crate::wire::{ByteRange, ContentRange, Route};

/// Blobs are asked for as what they are; some proxies send a page of HTML to whoever does not say.
pub(super) const ANY: &str = "application/octet-stream, */*";

impl Repository {
    /// Returns the size of a blob, or "not found".
    pub(super) async fn blob_size(&self, digest: &Digest) -> Result<u64, Fault> {
        let purpose = self.blob_purpose(Operation::CheckBlob, digest);
        let request = self.blob_request(Method::HEAD, digest, &purpose).await?;
        let answer = self.connection.send(&request).await?;
        match (answer.status.as_u16(), answer.content_length()) {
            (200, Some(size)) => Ok(size),
            // The storage behind a redirect may take the signature of a GET only; and some servers know no
            // HEAD, or no length.
            (200 | 405 | 501, _) => self.blob_size_by_reading(digest, &purpose).await,
            (400..=499, _) if answer.is_foreign => self.blob_size_by_reading(digest, &purpose).await,
            _ => Err(self.connection.refusal(&request, &answer)),
        }
    }

    async fn blob_size_by_reading(&self, digest: &Digest, purpose: &Purpose) -> Result<u64, Fault> {
        let request = self.blob_request(Method::GET, digest, purpose).await?.reading(Reading::Stream);
        let answer = self.connection.expect(&request, &[200]).await?;
        let silent = || purpose.fault(ErrorKind::Invalid).because("it does not tell the size of the blob");
        answer.content_length().ok_or_else(silent)
    }

    /// Opens a blob from `offset` on, or fails at once: who reads it has to be ready to open it again where it
    /// breaks off, and that loop is enough.
    pub(super) async fn read_blob(&self, digest: &Digest, offset: u64) -> Result<BlobBody, Fault> {
        let purpose = self.blob_purpose(Operation::FetchBlob, digest);
        let request = self.blob_request(Method::GET, digest, &purpose).await?;
        let mut request = request.reading(Reading::Stream).repeat(Repeat::Never);
        if offset > 0 {
            let range = ByteRange::From { first: offset, last: None };
            request = request.header(header::RANGE, &range.to_string());
        }
        let answer = self.connection.send(&request).await?;
        match answer.status.as_u16() {
            200 => self.connection.blob_body(answer, offset, purpose),
            206 if offset > 0 => self.connection.blob_body(answer, offset, purpose),
            416 if offset > 0 => self.body_at_end(&answer, digest, offset, &purpose).await,
            _ => Err(self.connection.refusal(&request, &answer)),
        }
    }

    async fn blob_request(
        &self,
        method: Method,
        digest: &Digest,
        purpose: &Purpose,
    ) -> Result<Request, Fault> {
        let route = Route::Blob { repository: self.name.clone(), digest: *digest };
        let url = self.connection.url(&route, purpose).await?;
        Ok(Request::new(method, url, purpose).scopes(&self.scopes).accept(ANY))
    }

    /// No byte lies at the end of a blob, so "not satisfiable" is what asking for the rest of a whole blob is
    /// answered with.
    async fn body_at_end(
        &self,
        answer: &Answer,
        digest: &Digest,
        offset: u64,
        purpose: &Purpose,
    ) -> Result<BlobBody, Fault> {
        let told =
            answer.header(&header::CONTENT_RANGE).and_then(|text| text.trim().strip_prefix("bytes */"));
        let size = match told.and_then(|text| text.parse().ok()) {
            Some(size) => size,
            None => self.blob_size(digest).await?,
        };
        if size == offset { Ok(BlobBody::from(Bytes::new())) } else { Err(behind_the_end(offset, purpose)) }
    }
}

impl Connection {
    /// Takes the bytes of an answer from `offset` on, whether it has only those or all of them.
    pub(super) fn blob_body(&self, answer: Answer, offset: u64, purpose: Purpose) -> Result<BlobBody, Fault> {
        if is_encoded(&answer) {
            return Err(purpose.fault(ErrorKind::Invalid).because("it sends the blob in another encoding"));
        }
        match answer.status {
            StatusCode::PARTIAL_CONTENT => self.partial_body(answer, offset, purpose),
            _ => self.body_behind(answer, offset, purpose),
        }
    }

    /// The whole blob, of which the first `offset` bytes are thrown away: the server ignored the range, as
    /// RFC 9110 allows.
    fn body_behind(&self, answer: Answer, offset: u64, purpose: Purpose) -> Result<BlobBody, Fault> {
        let length = answer.content_length();
        if length.is_some_and(|length| length < offset) {
            return Err(behind_the_end(offset, &purpose));
        }
        Ok(BlobBody::from_stream(length, self.open(answer, purpose)?).skip(offset))
    }

    fn partial_body(&self, answer: Answer, offset: u64, purpose: Purpose) -> Result<BlobBody, Fault> {
        let wrong = |why: &str| purpose.fault(ErrorKind::Invalid).because(why);
        let range = answer.header(&header::CONTENT_RANGE).and_then(ContentRange::parse);
        let range = range.ok_or_else(|| wrong("it does not tell which part of the blob it sends"))?;
        if range.first != offset {
            return Err(wrong("it sends another part of the blob than was asked for"));
        }
        if range.size.is_some_and(|size| range.last + 1 != size) {
            return Err(wrong("it sends less of the blob than was asked for"));
        }
        let length = range.length();
        if answer.content_length().is_some_and(|told| Some(told) != length) {
            return Err(wrong("its range and its length do not agree"));
        }
        Ok(BlobBody::from_stream(length, self.open(answer, purpose)?))
    }

    fn open(&self, answer: Answer, purpose: Purpose) -> Result<ByteStream, Fault> {
        let (stall_timeout, place) = (self.transport.stall_timeout(), self.place().to_owned());
        let purpose = self.transport.purpose(&answer.url, &purpose);
        match answer.body {
            Body::Whole(bytes) => Ok(stream::once(future::ready(Ok(bytes))).boxed()),
            Body::Open(response) => {
                let ear = Ear::new(&self.transport.silence, &answer.url, &purpose)?;
                Ok(stream(response, stall_timeout, purpose, place, ear))
            }
        }
    }
}

fn behind_the_end(offset: u64, purpose: &Purpose) -> Fault {
    purpose.fault(ErrorKind::Invalid).because(format_args!("the offset {offset} lies behind its end"))
}

/// A blob in an encoding is not the bytes that the digest is of, and nobody asked for one.
fn is_encoded(answer: &Answer) -> bool {
    let encoding = answer.header(&header::CONTENT_ENCODING).unwrap_or_default().trim();
    !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity")
}
