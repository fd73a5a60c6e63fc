//! The record of a request, which reaches the log when the last byte of the answer is gone.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{HeaderName, REFERER, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode, Version};
use http_body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::answer::Body;
use super::connection::Connection;

/// How much of what a client says of itself is kept, in bytes.
const SELF_DESCRIPTION_LIMIT: usize = 256;

/// What stands in the place of a method and a path that could not be read.
const UNREADABLE: &str = "-";

/// What became of a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Access {
    /// When its head had arrived.
    pub at: SystemTime,
    /// Where it came from.
    pub peer: IpAddr,
    /// Who asked, where that is known.
    pub user: Option<String>,
    /// The version of HTTP.
    pub version: Version,
    /// Which kind of resource was asked for, in one word.
    pub resource: &'static str,
    /// The page that the client came from, as far as it says so.
    pub referer: Option<String>,
    /// What the client is, as far as it says so.
    pub user_agent: Option<String>,
    /// How many bytes of the request's body were read.
    pub bytes_in: u64,
    /// The method.
    pub method: Method,
    /// The path, without its query, as it was sent.
    pub path: String,
    /// The status of the answer; `None` where the client left before there was one.
    pub status: Option<StatusCode>,
    /// How many bytes of the answer's body were given to the connection.
    pub bytes_out: u64,
    /// The time from the request's head to the end of the answer.
    pub elapsed: Duration,
    /// Why it failed, with all causes, in the words of who keeps the server; clients see less.
    pub error: Option<String>,
}

/// A record that is being written; it is logged when it is dropped.
pub(super) struct Record {
    access: Access,
    begin: Instant,
    connection: Arc<Connection>,
    received: Arc<AtomicU64>,
}

impl Record {
    pub(super) fn begin<B>(connection: Arc<Connection>, request: &Request<B>) -> Self {
        connection.begin_request();
        let access = Access {
            at: SystemTime::now(),
            peer: connection.address(),
            user: None,
            version: request.version(),
            resource: "none",
            referer: described(request.headers(), &REFERER),
            user_agent: described(request.headers(), &USER_AGENT),
            bytes_in: 0,
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            status: None,
            bytes_out: 0,
            elapsed: Duration::ZERO,
            error: None,
        };
        Self { access, begin: Instant::now(), connection, received: Arc::default() }
    }

    /// Writes the record of what could not be read as a request; the protocol's own code has answered it already.
    pub(super) fn unreadable(connection: Arc<Connection>, error: &hyper::Error) {
        let status = match error {
            error if error.is_parse_too_large() => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            error if error.is_parse() && !error.is_parse_version_h2() => StatusCode::BAD_REQUEST,
            // Clients leave in many ways.
            _ => return,
        };
        let mut record = Self::begin(connection, &Request::new(()));
        record.access.method = UNREADABLE.parse().unwrap_or_default();
        record.access.path = UNREADABLE.to_owned();
        record.access.status = Some(status);
        record.access.error = Some(error.to_string());
        record.connection.begin_answer();
    }

    pub(super) fn set_resource(&mut self, resource: &'static str) {
        self.access.resource = resource;
    }

    pub(super) fn set_user(&mut self, user: Option<&str>) {
        self.access.user = user.map(str::to_owned);
    }

    /// Returns where the bytes of the request's body are counted.
    pub(super) fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    /// Puts the record on an answer, with which it ends.
    pub(super) fn attach(
        mut self,
        answer: http::Response<Body>,
        error: Option<String>,
    ) -> http::Response<Recorded> {
        self.connection.begin_answer();
        self.access.status = Some(answer.status());
        self.access.error = error;
        answer.map(|body| Recorded { body, record: self, _room: None })
    }
}

fn described(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    // A header that can be read as text is ASCII, so it can be cut anywhere.
    Some(text.get(..SELF_DESCRIPTION_LIMIT).unwrap_or(text).to_owned())
}

impl Drop for Record {
    fn drop(&mut self) {
        self.connection.end_request(self.access.status.is_some());
        self.access.elapsed = self.begin.elapsed();
        self.access.bytes_in = self.received.load(Ordering::Relaxed);
        let shared = &self.connection.shared;
        shared.metrics.observe(&self.access);
        if let Some(log) = &shared.config.access {
            log(&self.access);
        }
    }
}

/// A body that counts what passes.
pub(super) struct Recorded {
    body: Body,
    record: Record,
    /// What this answer takes of what may be answered at once, until the client has all of it or is gone.
    _room: Option<OwnedSemaphorePermit>,
}

impl Recorded {
    /// Holds room as long as it lasts.
    pub(super) fn holding(self, room: Option<OwnedSemaphorePermit>) -> Self {
        Self { _room: room, ..self }
    }
}

impl http_body::Body for Recorded {
    type Data = Bytes;
    type Error = sealift_store::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                self.record.connection.progress();
                self.record.access.bytes_out += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Some(Err(error)) => self.record.access.error = Some(super::error::with_causes(error)),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
