//! The registry that a cluster is to pull from.

use sealift_oci::Registry;

/// The registry that a cluster is to pull from, as its nodes reach it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The registry.
    pub registry: Registry,
    /// Whether it is spoken to without TLS.
    pub is_plain_http: bool,
    /// Where each node has the certificates of its authority, where that is none of the usual ones.
    pub ca: Option<String>,
}

impl Place {
    /// Returns the address that requests begin with.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.is_plain_http { "http" } else { "https" };
        format!("{scheme}://{}", self.registry)
    }
}
