//! Figures for who watches the server, in the text form of Prometheus (OpenMetrics 1.0).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use sealift_store::Usage;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::answer::Answer;
use super::error::WireError;
use super::keeper::Keeper;
use super::request::Call;
use super::{Access, Shared};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Latencies from a millisecond to four minutes, each four times the one before.
const SHORTEST: f64 = 0.001;
const FACTOR: f64 = 4.0;
const BUCKETS: u16 = 10;

/// How long what the store holds is not counted again: that looks at every file.
const COUNT_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// How long a scrape waits for the count; scrapers themselves wait for ten seconds.
const COUNT_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    resource: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResourceLabels {
    resource: &'static str,
}

type Histograms = Family<ResourceLabels, Histogram, fn() -> Histogram>;

/// The figures of a server.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Histograms,
    received: Counter,
    sent: Counter,
    connections: Gauge,
    store_bytes: Gauge<u64, AtomicU64>,
    store_repositories: Gauge<u64, AtomicU64>,
    uploads: Gauge<u64, AtomicU64>,
    counted: Mutex<Option<Instant>>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("sealift"),
            requests: Family::default(),
            durations: Family::new_with_constructor(histogram),
            received: Counter::default(),
            sent: Counter::default(),
            connections: Gauge::default(),
            store_bytes: Gauge::default(),
            store_repositories: Gauge::default(),
            uploads: Gauge::default(),
            counted: Mutex::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests that were answered or broke off", self.requests.clone());
        let durations = self.durations.clone();
        let help = "From a request's head to the end of its answer";
        registry.register_with_unit("request_duration", help, Unit::Seconds, durations);
        let help = "Bytes of the bodies of requests";
        registry.register_with_unit("received", help, Unit::Bytes, self.received.clone());
        let help = "Bytes of the bodies of answers";
        registry.register_with_unit("sent", help, Unit::Bytes, self.sent.clone());
        registry.register("connections", "Connections that are open", self.connections.clone());
    }

    /// Registers what only a place that is known from behind can tell.
    pub(super) fn watch_store(&mut self) {
        let registry = &mut self.registry;
        let help = "Blobs and manifests, each file once; counted every five minutes";
        registry.register_with_unit("store", help, Unit::Bytes, self.store_bytes.clone());
        registry.register("store_repositories", "Repositories", self.store_repositories.clone());
        registry.register("uploads_open", "Uploads that are not finished", self.uploads.clone());
    }

    pub(super) fn connected(&self) {
        self.connections.inc();
    }

    pub(super) fn disconnected(&self) {
        self.connections.dec();
    }

    /// Counts a request that has ended.
    pub(super) fn observe(&self, access: &Access) {
        let labels = RequestLabels {
            method: method(&access.method),
            resource: access.resource,
            // What nobody waited for has no status; this is the one that proxies log then.
            status: access.status.map_or(499, |status| status.as_u16()),
        };
        self.requests.get_or_create(&labels).inc();
        let resource = ResourceLabels { resource: access.resource };
        self.durations.get_or_create(&resource).observe(access.elapsed.as_secs_f64());
        self.received.inc_by(access.bytes_in);
        self.sent.inc_by(access.bytes_out);
    }

    /// Counts what the store holds, where that was long ago.
    async fn count(&self, keeper: &dyn Keeper) {
        let mut counted = self.counted.lock().await;
        if counted.is_some_and(|last| last.elapsed() < COUNT_INTERVAL) {
            return;
        }
        if let Ok(Usage { repositories, bytes, uploads }) = keeper.usage().await {
            self.store_repositories.set(repositories);
            self.store_bytes.set(bytes);
            self.uploads.set(uploads);
        }
        *counted = Some(Instant::now());
    }

    fn to_text(&self) -> Result<String, WireError> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).map_err(WireError::internal)?;
        Ok(text)
    }
}

fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(SHORTEST, FACTOR, BUCKETS))
}

/// Clients could fill the memory with methods of their own.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// Answers a scrape. Where there are users, one of them is asked for: figures tell who pulls how much.
pub(super) async fn handle(shared: &Arc<Shared>, call: &Call) -> Result<Answer, WireError> {
    call.caller.check_user()?;
    if ![Method::GET, Method::HEAD].contains(&call.method) {
        return Err(WireError::method("GET, HEAD"));
    }
    if shared.config.keeper.is_some() {
        let counted = Arc::clone(shared);
        // It goes on where the scrape cannot wait, for the next one.
        let counting = tokio::spawn(async move {
            if let Some(keeper) = &counted.config.keeper {
                counted.metrics.count(keeper.as_ref()).await;
            }
        });
        let _ = tokio::time::timeout(COUNT_PATIENCE, counting).await;
    }
    let text = shared.metrics.to_text()?;
    Ok(Answer::new(StatusCode::OK).header(CONTENT_TYPE, OPEN_METRICS)?.bytes(text.into()))
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
