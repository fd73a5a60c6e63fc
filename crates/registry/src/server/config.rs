//! What a server is told from outside: its bounds, and who hears of requests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sealift_store::Store;

use super::{Access, Auth, Keeper, Tls};

/// Hears of every request when its answer has been sent, or has broken off.
pub type AccessLog = Arc<dyn Fn(&Access) + Send + Sync>;

/// The bounds of a server, and its log.
#[derive(Clone)]
pub struct ServerConfig {
    /// The most connections at once, over all listeners; further ones wait until one ends. Each may hold a file open beside
    /// its socket, and 1024 is what systems usually allow a process.
    pub connections: usize,
    /// How long a client may take to send the head of a request, and stay idle between two.
    pub header_timeout: Duration,
    /// The largest head of a request, in bytes. The longest path has the name of an upload, 4 KiB that are
    /// three times as long with every character escaped, and a token can be as long as that.
    pub header_limit: usize,
    /// How long a client may neither send what it announced nor take what it asked for.
    pub stall_timeout: Duration,
    /// The most uploads that are open at once; one caller may have a quarter of them.
    pub uploads: usize,
    /// After which time the store forgets an upload that nobody goes on with.
    pub upload_lifetime: Duration,
    /// The largest blob that is taken, in bytes.
    pub blob_limit: u64,
    /// Tags, manifests and blobs may be deleted by who may write.
    pub deletes: bool,
    /// Makes connections safe; without it they are plain.
    pub tls: Option<Arc<Tls>>,
    /// Who may do what; without it everybody may do everything.
    pub auth: Option<Arc<Auth>>,
    /// Knows the store from behind: how much it holds, and where that came from.
    pub keeper: Option<Arc<dyn Keeper>>,
    /// What pages for people show, where that is less than what can be pulled: to look at a list must not fetch
    /// anything from elsewhere.
    pub shown: Option<Arc<dyn Store>>,
    /// Hears of every request.
    pub access: Option<AccessLog>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            connections: 400,
            header_timeout: Duration::from_secs(30),
            header_limit: 64 * 1024,
            stall_timeout: Duration::from_secs(60),
            uploads: 10_000,
            upload_lifetime: sealift_store::sweep::LIFETIME,
            blob_limit: 256 * 1024 * 1024 * 1024,
            deletes: false,
            tls: None,
            auth: None,
            keeper: None,
            shown: None,
            access: None,
        }
    }
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("connections", &self.connections)
            .field("header_timeout", &self.header_timeout)
            .field("header_limit", &self.header_limit)
            .field("stall_timeout", &self.stall_timeout)
            .field("uploads", &self.uploads)
            .field("upload_lifetime", &self.upload_lifetime)
            .field("blob_limit", &self.blob_limit)
            .field("deletes", &self.deletes)
            .field("tls", &self.tls)
            .field("auth", &self.auth)
            .field("keeper", &self.keeper)
            .field("shown", &self.shown)
            .finish_non_exhaustive()
    }
}
