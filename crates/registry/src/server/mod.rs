//! The serving end: a registry in front of any [`Store`], as a value that runs inside a process.
//!
//! A request walks one line: `listen` accepts the connection and bounds it, `router` turns path and query
//! into a [`Route`](crate::wire::Route), `auth` decides whether the caller may, the file of the resource asks
//! the store and returns an `Answer` or a `WireError`, and `router` makes the response and its log record of
//! either.
//!
//! It keeps nothing of its own between requests but who has failed or succeeded to say who they are, and how many uploads
//! are open: an upload is resumed from the store at each, so uploads survive a restart where the store keeps them. It never prints;
//! [`ServerConfig::access`] hears of every request.

mod access;
mod access_line;
mod answer;
mod auth;
mod blobs;
mod catalog;
mod condition;
mod config;
mod connection;
mod error;
mod health;
mod keeper;
mod ledger;
mod listen;
mod manifests;
mod metrics;
mod page;
mod paging;
mod referrers;
mod reload;
mod request;
mod resource;
mod router;
mod stall;
mod tags;
#[cfg(test)]
mod tests;
mod tls;
mod tokens;
mod uploads;

use std::sync::Arc;

use sealift_store::Store;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use ledger::Ledger;
use metrics::Metrics;

pub use access::Access;
pub use auth::{Auth, Prefix, Right, Rights, Rule, RuleError};
pub use config::{AccessLog, ServerConfig};
pub use keeper::{Keeper, Origin};
pub use listen::RunningServer;
pub use page::artifact_name;
pub use reload::{FileError, Notices};
pub use tls::{SelfSigned, SelfSignedError, Tls};

/// A registry that serves a store.
#[derive(Clone, Debug)]
pub struct Server {
    shared: Arc<Shared>,
}

/// What every request needs.
#[derive(Debug)]
struct Shared {
    store: Arc<dyn Store>,
    config: ServerConfig,
    metrics: Metrics,
    /// The uploads that are open.
    uploads: Ledger,
    /// The connections that there may be, over all listeners.
    slots: Arc<Semaphore>,
    /// What is answered over HTTP/2 at once: as many requests as there may be connections, so that a client that reads
    /// slowly on many streams costs no more than one with many connections.
    streams: Arc<Semaphore>,
}

impl Server {
    /// Makes a server; nothing runs yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, config: ServerConfig) -> Self {
        let mut metrics = Metrics::new();
        if config.keeper.is_some() {
            metrics.watch_store();
        }
        let [slots, streams] = [(); 2].map(|()| Arc::new(Semaphore::new(config.connections)));
        let uploads = Ledger::new(config.uploads, config.upload_lifetime);
        Self { shared: Arc::new(Shared { store, config, metrics, uploads, slots, streams }) }
    }

    /// Serves a listener until the handle is dropped. It must be called within a Tokio
    /// runtime, and one server may serve several listeners.
    ///
    /// # Errors
    /// When the listener does not know its address.
    pub fn serve(&self, listener: TcpListener) -> std::io::Result<RunningServer> {
        RunningServer::start(Arc::clone(&self.shared), listener)
    }
}
