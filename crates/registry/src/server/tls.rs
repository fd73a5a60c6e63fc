//! TLS for the serving end: a certificate and its key, which may be renewed while the server runs.

mod self_signed;

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::sign::SingleCertAndKey;
use tokio::time::Instant;

use super::reload::{self, FileError, Notices, Reloaded};
use crate::wire::pem;

pub use self_signed::{SelfSigned, SelfSignedError};

/// HTTP/2 as it is named when a connection is made (RFC 7301, RFC 9113 section 3.2).
pub(super) const ALPN_H2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// What the server shows, and makes connections safe with.
#[derive(Debug)]
pub struct Tls {
    pair: Reloaded<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads a certificate, with those between it and its authority behind it, and its key, unencrypted; both
    /// PEM files. They are read again when they change; a pair that does not fit is reported and not used.
    ///
    /// # Errors
    /// The file that cannot be used, and why.
    pub fn open(certificate: &Path, key: &Path, notices: Notices) -> Result<Self, FileError> {
        let paths = vec![certificate.to_owned(), key.to_owned()];
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let pair = Reloaded::open(paths, notices, move || load(&certificate, &key))?;
        Ok(Self { pair })
    }

    pub(super) fn config(&self, now: Instant) -> Arc<ServerConfig> {
        Arc::clone(&self.pair.get(now))
    }
}

fn load(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, FileError> {
    let provider = pem::provider();
    let (chain, secret) = (reload::read(certificate)?, reload::read_text(key)?);
    let certified = pem::certified(&provider, &chain, &secret)
        .map_err(|error| FileError::new(if error.is_about_key() { key } else { certificate }, error))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| FileError::new(certificate, error))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()];
    Ok(Arc::new(config))
}
