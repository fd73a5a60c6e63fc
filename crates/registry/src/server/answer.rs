//! Answers that are being put together.

use std::fmt::Display;

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use sealift_store::BlobBody;
use serde::Serialize;

use super::error::WireError;

/// The body of an answer.
pub(super) type Body = UnsyncBoxBody<Bytes, sealift_store::Error>;

const JSON: &str = "application/json";

/// An answer: a status, then headers, then perhaps a body.
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

impl Answer {
    pub(super) fn new(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: whole(Bytes::new()) }
    }

    /// Adds a header. A value that no header can have comes from the store: media types are free text.
    pub(super) fn header(mut self, name: HeaderName, value: impl Display) -> Result<Self, WireError> {
        let value = HeaderValue::from_maybe_shared(Bytes::from(value.to_string()));
        let value =
            value.map_err(|_| WireError::internal(format_args!("the value of {name} is malformed")))?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Adds a header that an answer may have several times.
    pub(super) fn another(mut self, name: HeaderName, value: impl Display) -> Result<Self, WireError> {
        let value = HeaderValue::try_from(value.to_string()).map_err(WireError::internal)?;
        self.headers.append(name, value);
        Ok(self)
    }

    /// Sets a body that is here already.
    pub(super) fn bytes(mut self, bytes: Bytes) -> Self {
        self.body = whole(bytes);
        self
    }

    /// Sets a body of JSON, of the type that was set before, or else `application/json`.
    pub(super) fn json(mut self, value: &impl Serialize) -> Result<Self, WireError> {
        let json = serde_json::to_vec(value).map_err(WireError::internal)?;
        self.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(JSON));
        Ok(self.bytes(json.into()))
    }

    /// Sets a body that is streamed, of exactly `length` bytes: with fewer the connection breaks off.
    pub(super) fn stream(mut self, body: BlobBody, length: u64) -> Self {
        self = self.length(length);
        self.body = BodyExt::boxed_unsync(StreamBody::new(body.into_stream().map_ok(Frame::data)));
        self
    }

    /// Says how long the body is, or would be where a HEAD has none.
    pub(super) fn length(mut self, length: u64) -> Self {
        self.headers.insert(CONTENT_LENGTH, length.into());
        self
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}
