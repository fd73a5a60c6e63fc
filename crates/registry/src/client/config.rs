//! What a client is told: for whom it speaks, whom it trusts, how patient it is.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use sealift_store::Pace;

use super::{Credentials, Identity, ProxyConfig, RetryPolicy};

/// How long a connection may take to stand, TLS included. Registries answer within a second or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a peer may keep silent before it is given up. Large blobs are hashed by some registries before
/// they answer, at several hundred megabytes a second.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// The settings of a [`super::RegistryClient`].
#[derive(Clone)]
pub struct ClientConfig {
    /// Who asks.
    pub credentials: Credentials,
    /// PEM files, each with one or more certificates, that are trusted beside the system's.
    pub ca_files: Vec<Vec<u8>>,
    /// The certificate that the registry sees, where it asks for one.
    pub identity: Option<Identity>,
    /// The proxies to go through. Without any, no environment variable brings one in.
    pub proxies: ProxyConfig,
    /// Addresses of hosts, in lower case, that are used in place of what names resolve to.
    pub resolve: Vec<(String, IpAddr)>,
    /// Whether the registry is spoken to in plain HTTP. On loopback that is found out without it.
    pub plain_http: bool,
    /// The name under which the client introduces itself.
    pub user_agent: String,
    /// How often requests are repeated.
    pub retry: RetryPolicy,
    /// How long a connection may take to stand.
    pub connect_timeout: Duration,
    /// How long the peer may keep silent: before an answer, between two pieces of a body, while an upload
    /// takes nothing.
    pub stall_timeout: Duration,
    /// How many requests a second the registry gets at most; clients may share it.
    pub pace: Option<Arc<Pace>>,
    /// Counts each request that is answered, also one that is repeated or led elsewhere; clients may share it.
    pub requests: Arc<AtomicU64>,
    /// Is called each time that a request is to be repeated, since it was put off or not answered: it may be
    /// that less is to be asked at a time. It must return at once.
    pub pushback: Option<Arc<dyn Fn() + Send + Sync>>,
    /// The wall clock, by which dates from servers are read.
    pub now: fn() -> SystemTime,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            credentials: Credentials::Anonymous,
            ca_files: Vec::new(),
            identity: None,
            proxies: ProxyConfig::default(),
            resolve: Vec::new(),
            plain_http: false,
            user_agent: concat!("sealift/", env!("CARGO_PKG_VERSION")).to_owned(),
            retry: RetryPolicy::default(),
            connect_timeout: CONNECT_TIMEOUT,
            stall_timeout: STALL_TIMEOUT,
            pace: None,
            requests: Arc::default(),
            pushback: None,
            now: SystemTime::now,
        }
    }
}

/// Certificates are long, so they are counted.
impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("credentials", &self.credentials)
            .field("ca_files", &self.ca_files.len())
            .field("identity", &self.identity)
            .field("proxies", &self.proxies)
            .field("resolve", &self.resolve)
            .field("plain_http", &self.plain_http)
            .field("user_agent", &self.user_agent)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}
