//! A request on its way through the handlers, and its body.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::header::{CONNECTION, EXPECT, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use sealift_oci::{Registry, RepositoryName};
use sealift_store::{BlobBody, Error, ErrorKind, Operation, Result, Source, Store, Target};

use super::auth::Caller;
use super::connection::Connection;
use super::error::{WireError, during};
use super::ledger::Owner;
use super::{Keeper, Shared};
use crate::wire::ErrorCode;

/// How much of a body that nobody wants is read nevertheless, in bytes, and for how long. A connection that
/// is closed with bytes unread is reset, and the reset can overtake the answer that says why.
const DRAIN_LIMIT: usize = 8 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(3);

/// How much must arrive in the time in which a sender may be silent, in bytes. Who sends a byte now and then
/// only keeps a connection and an upload occupied.
const PROGRESS: usize = 1024;

/// The most lines in the head of a request.
pub(super) const HEADER_LINES: usize = 100;
/// What a line has beside its name and value: a colon, a space and its end.
const LINE_EXTRA: usize = 4;

/// What a handler gets of a request, beside its route.
pub(super) struct Call {
    pub(super) store: Arc<dyn Store>,
    pub(super) keeper: Option<Arc<dyn Keeper>>,
    pub(super) caller: Caller,
    /// What is known of this server beside the store.
    pub(super) shared: Arc<Shared>,
    /// Whose uploads these are.
    pub(super) owner: Owner,
    /// Whether anything may be deleted at all.
    pub(super) deletes: bool,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: RequestBody,
}

impl Call {
    pub(super) fn new(
        request: http::Request<Incoming>,
        connection: &Connection,
        caller: Caller,
        received: Arc<AtomicU64>,
    ) -> Self {
        let (parts, body) = request.into_parts();
        let (store, config) = (Arc::clone(&connection.shared.store), &connection.shared.config);
        let (keeper, patience, deletes) = (config.keeper.clone(), config.stall_timeout, config.deletes);
        let body = RequestBody::new(body, &parts.headers, patience, received);
        let owner = match caller.user() {
            Some(user) => Owner::User(user.to_owned()),
            None => Owner::Address(connection.address()),
        };
        let (shared, method, headers) = (Arc::clone(&connection.shared), parts.method, parts.headers);
        Self { store, keeper, caller, shared, owner, deletes, method, headers, body }
    }

    /// Asks the place that pages show.
    pub(super) fn showing(self, shown: Option<&Arc<dyn Store>>) -> Self {
        let store = shown.map_or(self.store, Arc::clone);
        Self { store, ..self }
    }

    pub(super) fn source(&self, repository: &RepositoryName) -> Arc<dyn Source> {
        self.store.source(repository)
    }

    pub(super) fn target(
        &self,
        operation: Operation,
        repository: &RepositoryName,
    ) -> Result<Arc<dyn Target>, WireError> {
        self.store.target(repository).map_err(during(operation))
    }

    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Reads a header that must be well-formed where it is there.
    pub(super) fn parse_header<T>(
        &self,
        name: HeaderName,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, WireError> {
        let Some(value) = self.headers.get(&name) else { return Ok(None) };
        let parsed = value.to_str().ok().and_then(parse);
        let error =
            || WireError::new(ErrorCode::BlobUploadInvalid).because(format_args!("{name} is malformed"));
        parsed.map(Some).ok_or_else(error)
    }
}

/// Returns what the client calls this server, where it says so.
pub(super) fn asked_registry<B>(request: &http::Request<B>) -> Option<Registry> {
    let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let named = request.uri().authority().map(http::uri::Authority::as_str).or(named);
    named.and_then(|name| name.parse().ok())
}

/// Refuses a request that does not say once for which server it is: RFC 9112, section 3.2. Over HTTP/2 its address does.
pub(super) fn check_host<B>(request: &http::Request<B>) -> Result<(), WireError> {
    let count = request.headers().get_all(HOST).iter().count();
    if request.version() != Version::HTTP_11 || count == 1 {
        return Ok(());
    }
    let error = WireError::new(ErrorCode::Unsupported).status(StatusCode::BAD_REQUEST);
    Err(error.because(format_args!("HTTP/1.1 wants one Host header, and {count} came")))
}

/// Refuses a request whose head is longer than heads are here.
pub(super) fn check_head<B>(request: &http::Request<B>, limit: usize) -> Result<(), WireError> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let lines = request.headers();
    let length =
        lines.iter().map(|(name, value)| name.as_str().len() + value.len() + LINE_EXTRA).sum::<usize>();
    let reason = if target + length > limit {
        format!("the head of the request has more than {limit} bytes")
    } else if lines.len() > HEADER_LINES {
        format!("the head of the request has more than {HEADER_LINES} lines")
    } else {
        return Ok(());
    };
    let error = WireError::new(ErrorCode::Unsupported).status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let error = error.because(reason);
    // Who sends such heads sends more of them. HTTP/2 has no such header.
    let is_plain = request.version() < Version::HTTP_2;
    Err(if is_plain { error.header(CONNECTION, HeaderValue::from_static("close")) } else { error })
}

/// Lets go of a request that is refused before anybody looks at its body.
pub(super) fn discard(request: http::Request<Incoming>, connection: &Connection) {
    let (parts, body) = request.into_parts();
    let patience = connection.shared.config.stall_timeout;
    drop(RequestBody::new(body, &parts.headers, patience, Arc::default()));
}

/// The body of a request.
pub(super) struct RequestBody {
    /// Taken when it has come to its end.
    incoming: Option<Incoming>,
    /// How long its sender may take for the next [`PROGRESS`] bytes, and how much of both there was already.
    patience: Duration,
    waited: Duration,
    progress: usize,
    /// How many bytes were announced, and how many came.
    length: Option<u64>,
    seen: u64,
    /// Where they are counted for the record of the request.
    received: Arc<AtomicU64>,
    /// The client sends only when it is asked to.
    is_held_back: bool,
}

impl RequestBody {
    fn new(incoming: Incoming, headers: &HeaderMap, patience: Duration, received: Arc<AtomicU64>) -> Self {
        let length = incoming.size_hint().exact();
        let is_held_back = headers.contains_key(EXPECT);
        let (waited, progress) = (Duration::ZERO, 0);
        Self { incoming: Some(incoming), patience, waited, progress, length, seen: 0, received, is_held_back }
    }

    /// Returns the announced length; chunked bodies have none.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(incoming) = &mut self.incoming else { return Ok(None) };
        self.is_held_back = false;
        let begin = Instant::now();
        let left = self.patience.saturating_sub(self.waited);
        let arrived = tokio::time::timeout(left, incoming.frame()).await;
        // How long the store takes for what has arrived is not the sender's fault.
        self.waited += begin.elapsed();
        match arrived {
            // Trailers mean nothing here.
            Ok(Some(Ok(frame))) => {
                let data = frame.into_data().unwrap_or_default();
                self.seen += data.len() as u64;
                self.progress += data.len();
                if self.progress >= PROGRESS {
                    (self.waited, self.progress) = (Duration::ZERO, 0);
                }
                self.received.fetch_add(data.len() as u64, Ordering::Relaxed);
                Ok(Some(data))
            }
            Ok(Some(Err(error))) => Err(self.broken().caused_by(error)),
            Ok(None) if self.length.is_some_and(|length| length != self.seen) => Err(self.broken()),
            Ok(None) => {
                self.incoming = None;
                Ok(None)
            }
            Err(_) => Err(self.broken().because("the client sends next to nothing any more")),
        }
    }

    /// It is the client that breaks the protocol here; the store did nothing wrong.
    fn broken(&mut self) -> Error {
        self.incoming = None;
        Error::new(ErrorKind::Invalid, Operation::PushBlob).because("the request broke off")
    }

    /// Makes it a body for a store, piece by piece as it arrives.
    pub(super) fn into_blob(self) -> BlobBody {
        let length = self.length;
        let stream =
            stream::try_unfold(
                self,
                |mut body| async move { Ok(body.next().await?.map(|piece| (piece, body))) },
            );
        BlobBody::from_stream(length, stream.boxed())
    }

    /// Reads it into memory; what is longer than `limit` is refused, before it is sent where it says so.
    pub(super) async fn collect(mut self, limit: usize) -> Result<Bytes, WireError> {
        let too_large = || WireError::new(ErrorCode::ManifestInvalid).status(StatusCode::PAYLOAD_TOO_LARGE);
        if self.length.is_some_and(|length| length > limit as u64) {
            return Err(too_large().because(format_args!("it has more than {limit} bytes")));
        }
        let mut all = BytesMut::new();
        while let Some(piece) = self.next().await.map_err(during(Operation::PushManifest))? {
            if all.len() + piece.len() > limit {
                return Err(too_large().because(format_args!("it has more than {limit} bytes")));
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }
}

impl Drop for RequestBody {
    /// Reads on beside the answer, for a while; a client that waits to be asked is not asked.
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        if self.is_held_back || incoming.is_end_stream() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(DRAIN_TIME, drain(incoming)));
        }
    }
}

async fn drain(mut incoming: Incoming) {
    let mut seen = 0;
    while let Some(Ok(frame)) = incoming.frame().await {
        seen += frame.data_ref().map_or(0, Bytes::len);
        if seen > DRAIN_LIMIT {
            return;
        }
    }
}
