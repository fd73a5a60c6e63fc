//! An answer: its status, its headers, and a body that is read within bounds.

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, StatusCode, header};
use sealift_oci::Digest;
use sealift_store::{ByteStream, ErrorKind};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

use super::auth::Veil;
use super::failure::failure;
use super::fault::{Fault, Purpose};
use super::silence::{Listening, Silence};
use super::transport::silence;
use crate::wire::header::DOCKER_CONTENT_DIGEST;

/// The head of an answer, with its body read or still to come.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Where it came from in the end.
    pub(super) url: Url,
    /// Whether that is another host than the one that was asked.
    pub(super) is_foreign: bool,
    pub(super) body: Body,
}

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Body {
    /// All of it, or as much as was wanted of it.
    Whole(Bytes),
    /// Still on its way.
    Open(reqwest::Response),
}

impl Answer {
    /// Returns a header as text.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns the length that the header says, also of an answer to HEAD.
    pub(super) fn content_length(&self) -> Option<u64> {
        self.header(&header::CONTENT_LENGTH).and_then(|text| text.trim().parse().ok())
    }

    /// Returns the digest that the header says; `None` also where it cannot be read.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.header(&DOCKER_CONTENT_DIGEST).and_then(|text| text.trim().parse().ok())
    }

    /// Returns the body that was read.
    pub(super) fn bytes(&self) -> Bytes {
        match &self.body {
            Body::Whole(bytes) => bytes.clone(),
            Body::Open(_) => Bytes::new(),
        }
    }
}

/// Follows the body of one answer, to know whether the host is alive that sends it.
#[derive(Debug)]
pub(super) struct Ear {
    silence: Arc<Silence>,
    /// None when it is known how the body ended.
    listening: Option<Listening>,
}

impl Ear {
    /// Begins to listen, unless that would be waiting in vain.
    pub(super) fn new(silence: &Arc<Silence>, url: &Url, purpose: &Purpose) -> Result<Self, Fault> {
        let listening = Some(silence.listen_on(url, purpose)?);
        Ok(Self { silence: Arc::clone(silence), listening })
    }

    fn note(&mut self, read: &Result<Option<Bytes>, Fault>) {
        let Some(mut listening) = self.listening.take() else { return };
        match read {
            Ok(Some(piece)) => {
                self.silence.heard(&mut listening, piece.len());
                self.listening = Some(listening);
            }
            Ok(None) => self.silence.answered(&listening),
            Err(fault) => self.silence.fell_silent(listening, fault.reason()),
        }
    }
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn collect(
    response: &mut reqwest::Response,
    limit: usize,
    stall_timeout: Duration,
    purpose: &Purpose,
    mut ear: Ear,
) -> Result<Bytes, Fault> {
    let mut all = BytesMut::new();
    loop {
        let read = next(response, stall_timeout, purpose).await;
        ear.note(&read);
        let Some(piece) = read? else { break };
        if all.len() + piece.len() > limit {
            let reason = format_args!("the answer has more than {limit} bytes");
            return Err(purpose.fault(ErrorKind::Invalid).because(reason));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}

/// Reads the body of an error: the beginning of it is better than nothing, and how it ends tells nothing. The
/// words of an error are passed on, so secrets that it repeats are taken out of it here, before anything else
/// is done with it.
pub(super) async fn collect_error(
    response: &mut reqwest::Response,
    limit: usize,
    stall_timeout: Duration,
    purpose: &Purpose,
    veil: &Veil,
) -> Bytes {
    let mut all = BytesMut::new();
    while let Ok(Some(piece)) = next(response, stall_timeout, purpose).await {
        let room = limit - all.len();
        all.extend_from_slice(&piece[..piece.len().min(room)]);
        if piece.len() >= room {
            break;
        }
    }
    Bytes::from(veil.cover(&String::from_utf8_lossy(&all)))
}

/// How much of a body is passed on at once, in bytes. The connection reads up to 400 KiB into memory that it can
/// use again only when nobody holds a part of it, and an upload holds as much while it is being written. So
/// what is passed on is a copy: half the memory for each transfer, and none that is new with each read.
const PIECE: usize = 64 * 1024;

/// Passes a body on piece by piece. `place` stands in the errors.
pub(super) fn stream(
    response: reqwest::Response,
    stall_timeout: Duration,
    purpose: Purpose,
    place: String,
    ear: Ear,
) -> ByteStream {
    let reading = Passing { response, left: Bytes::new(), stall_timeout, purpose, ear };
    stream::try_unfold((reading, place), |(mut reading, place)| async move {
        match reading.piece().await {
            Ok(piece) => Ok(piece.map(|piece| (piece, (reading, place)))),
            Err(fault) => Err(fault.at(&place)),
        }
    })
    .boxed()
}

/// A body that is being passed on.
struct Passing {
    response: reqwest::Response,
    /// What was read and is not passed on yet.
    left: Bytes,
    stall_timeout: Duration,
    purpose: Purpose,
    ear: Ear,
}

impl Passing {
    async fn piece(&mut self) -> Result<Option<Bytes>, Fault> {
        if self.left.is_empty() {
            // What is empty still keeps the memory.
            self.left = Bytes::new();
            let read = next(&mut self.response, self.stall_timeout, &self.purpose).await;
            self.ear.note(&read);
            match read? {
                Some(piece) => self.left = piece,
                None => return Ok(None),
            }
        }
        let piece = self.left.split_to(self.left.len().min(PIECE));
        Ok(Some(Bytes::copy_from_slice(&piece)))
    }
}

async fn next(
    response: &mut reqwest::Response,
    stall_timeout: Duration,
    purpose: &Purpose,
) -> Result<Option<Bytes>, Fault> {
    match tokio::time::timeout(stall_timeout, response.chunk()).await {
        Ok(piece) => piece.map_err(|error| failure(error, purpose)),
        Err(_) => Err(silence(stall_timeout, purpose)),
    }
}
