//! A reverse proxy that sees each request, counts it, and answers or breaks those that a rule chooses.
//!
//! It speaks HTTP/1.1 without TLS on both sides and streams bodies both ways. All it rewrites is an absolute
//! `Location` that points to the upstream, which then points to the proxy, so that no request goes past it.
//! Each request gets an upstream connection of its own: a fault hits the one request that it is meant for.
//! Faults are placed by counts of bytes and of requests, never by time.

mod body;
mod forward;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// What the proxy does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Passes it on, and the answer back.
    Pass,
    /// Answers it; the upstream never hears of it.
    Respond {
        /// The status.
        status: u16,
        /// The header fields.
        headers: Vec<(String, String)>,
        /// The body.
        body: Bytes,
    },
    /// Closes the connection without an answer; the upstream never hears of the request.
    Close,
    /// Resets the connection without an answer; the upstream never hears of the request.
    Reset,
    /// Passes it on, and closes the connection when the upstream has answered: what was done is never told.
    LoseAnswer,
    /// Never answers; the upstream never hears of the request.
    Stall,
    /// Closes the connection when that many bytes of the answer's body have been sent. At or behind the end
    /// of the body it changes nothing.
    CutBodyAfter(u64),
    /// Resets the connection when that many bytes of the answer's body have been sent. The system throws away
    /// what it has not delivered yet, so the client may get fewer.
    ResetBodyAfter(u64),
    /// Sends no more when that many bytes of the answer's body have been sent, and keeps the connection.
    StallBodyAfter(u64),
    /// Flips the lowest bit of the byte at that offset of the answer's body.
    FlipBit(u64),
    /// Closes both connections when that many bytes of the request's body have reached the upstream.
    CutRequestAfter(u64),
    /// Passes no more when that many bytes of the request's body have reached the upstream, and keeps both
    /// connections.
    StallRequestAfter(u64),
    /// Flips the lowest bit of the byte at that offset of the request's body.
    FlipRequestBit(u64),
}

impl Action {
    /// Answers with a status and no body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Respond { status, headers: Vec::new(), body: Bytes::new() }
    }
}

/// What a rule sees of a request.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The path without the query.
    pub path: String,
    /// The query, without its question mark.
    pub query: Option<String>,
    /// The header fields.
    pub headers: HeaderMap,
    /// How many requests of the same method and path came before this one: 0 for the first.
    pub earlier: usize,
}

/// What is known of one request.
#[derive(Clone, Debug)]
pub struct Record {
    /// The request as the rule saw it.
    pub head: RequestHead,
    /// The status of the answer; none where there was no answer, or is none yet.
    pub status: Option<u16>,
    /// The bytes of the request's body that were passed on.
    pub request_bytes: u64,
    /// The bytes of the answer's body that were passed on.
    pub response_bytes: u64,
}

type Rule = dyn Fn(&RequestHead) -> Action + Send + Sync;

/// A reverse proxy, until the value is dropped; then its connections break.
pub struct HttpProxy {
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    address: SocketAddr,
    upstream: SocketAddr,
    rule: Mutex<Arc<Rule>>,
    entries: Mutex<Vec<Arc<Entry>>>,
}

/// A record that is still being written.
struct Entry {
    head: RequestHead,
    /// Zero stands for none.
    status: AtomicU16,
    request_bytes: Arc<AtomicU64>,
    response_bytes: Arc<AtomicU64>,
}

impl HttpProxy {
    /// Starts a proxy in front of `upstream` that passes everything.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let rule: Arc<Rule> = Arc::new(|_: &RequestHead| Action::Pass);
        let (rule, entries) = (Mutex::new(rule), Mutex::default());
        let shared = Arc::new(Shared { address: listener.local_addr()?, upstream, rule, entries });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, accepting })
    }

    /// Returns where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Returns the URL without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// Decides by `rule` from now on.
    pub fn set_rule(&self, rule: impl Fn(&RequestHead) -> Action + Send + Sync + 'static) {
        *lock(&self.shared.rule) = Arc::new(rule);
    }

    /// Returns all requests in the order of their arrival. A request is there, and its bytes are counted,
    /// before its client sees any of the answer.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        lock(&self.shared.entries).iter().map(|entry| entry.record()).collect()
    }

    /// Counts the requests for which `wanted` holds.
    #[must_use]
    pub fn count(&self, wanted: impl Fn(&Record) -> bool) -> usize {
        self.records().iter().filter(|record| wanted(record)).count()
    }

    /// Forgets the requests so far; [`RequestHead::earlier`] begins again at 0.
    pub fn clear(&self) {
        lock(&self.shared.entries).clear();
    }
}

impl Drop for HttpProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for HttpProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpProxy({} -> {})", self.shared.address, self.shared.upstream)
    }
}

impl Shared {
    /// Notes a request, and decides what becomes of it.
    fn arrived(&self, mut head: RequestHead) -> (Arc<Entry>, Action) {
        let entry = {
            let mut entries = lock(&self.entries);
            let same = |other: &&Arc<Entry>| other.head.method == head.method && other.head.path == head.path;
            head.earlier = entries.iter().filter(same).count();
            let entry = Arc::new(Entry::new(head));
            entries.push(Arc::clone(&entry));
            entry
        };
        let rule = Arc::clone(&lock(&self.rule));
        let action = rule(&entry.head);
        (entry, action)
    }
}

impl Entry {
    fn new(head: RequestHead) -> Self {
        Self {
            head,
            status: AtomicU16::default(),
            request_bytes: Arc::default(),
            response_bytes: Arc::default(),
        }
    }

    fn record(&self) -> Record {
        let status = self.status.load(Ordering::SeqCst);
        Record {
            head: self.head.clone(),
            status: (status > 0).then_some(status),
            request_bytes: self.request_bytes.load(Ordering::SeqCst),
            response_bytes: self.response_bytes.load(Ordering::SeqCst),
        }
    }
}

/// A test that panicked elsewhere is no reason to fail here.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, and the connections with it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(forward::serve(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

#[cfg(test)]
mod tests;
