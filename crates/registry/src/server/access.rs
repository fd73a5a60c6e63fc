//! The record of a request, which reaches the log when the last byte of the answer is gone.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::{Frame, SizeHint};

use super::AccessLog;
use super::answer::Body;

/// What became of a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Access {
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
    log: Option<AccessLog>,
}

impl Record {
    pub(super) fn begin(method: &Method, path: &str, log: Option<AccessLog>) -> Self {
        let access = Access {
            method: method.clone(),
            path: path.to_owned(),
            status: None,
            bytes_out: 0,
            elapsed: Duration::ZERO,
            error: None,
        };
        Self { access, begin: Instant::now(), log }
    }

    /// Puts the record on an answer, with which it ends.
    pub(super) fn attach(
        mut self,
        answer: http::Response<Body>,
        error: Option<String>,
    ) -> http::Response<Recorded> {
        self.access.status = Some(answer.status());
        self.access.error = error;
        answer.map(|body| Recorded { body, record: self })
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.access.elapsed = self.begin.elapsed();
        if let Some(log) = &self.log {
            log(&self.access);
        }
    }
}

/// A body that counts what passes.
pub(super) struct Recorded {
    body: Body,
    record: Record,
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
