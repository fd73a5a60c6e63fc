//! The HTTP client below everything: connections, TLS roots, proxies. It knows nothing of registries, and
//! it is the one module that makes [`reqwest`] clients, so that another client touches one file.
//!
//! HTTP/1.1 only: over HTTP/2 all blobs of a host would share one connection and cost twice the processor
//! time. Redirects, retries and time limits are ours: reqwest forwards custom headers across hosts, and its
//! limits either count the whole body or not the upload.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sealift_store::{Error, ErrorKind, Operation, Result};
use url::{Host, Url};

use super::ClientConfig;
use super::fault::{Fault, Purpose};

/// The clients of one registry: their TLS settings are its own.
#[derive(Debug)]
pub(super) struct Transport {
    /// Goes through the proxies that the system names.
    ordinary: reqwest::Client,
    /// Goes through none; a proxy's loopback is another machine.
    direct: reqwest::Client,
    stall_timeout: Duration,
}

impl Transport {
    pub(super) fn new(config: &ClientConfig) -> Result<Self> {
        let tls = tls_config(&config.ca_files)?;
        let builder = || {
            reqwest::Client::builder()
                .http1_only()
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .user_agent(&config.user_agent)
                .connect_timeout(config.connect_timeout)
                .tls_backend_preconfigured(tls.clone())
        };
        Ok(Self {
            ordinary: builder().build().map_err(unusable)?,
            direct: builder().no_proxy().build().map_err(unusable)?,
            stall_timeout: config.stall_timeout,
        })
    }

    /// Returns how long a peer may keep silent.
    pub(super) fn stall_timeout(&self) -> Duration {
        self.stall_timeout
    }

    /// Sends one request and waits for the head of its answer, without a time limit.
    pub(super) async fn execute(
        &self,
        request: reqwest::Request,
        purpose: &Purpose,
    ) -> Result<reqwest::Response, Fault> {
        let client = if is_loopback(request.url()) { &self.direct } else { &self.ordinary };
        client.execute(request).await.map_err(|error| failure(error, purpose))
    }

    /// Sends one request and waits for the head of its answer, `patience` times the stall timeout.
    pub(super) async fn execute_in_time(
        &self,
        request: reqwest::Request,
        patience: u32,
        purpose: &Purpose,
    ) -> Result<reqwest::Response, Fault> {
        let limit = self.stall_timeout.saturating_mul(patience);
        let answer = tokio::time::timeout(limit, self.execute(request, purpose)).await;
        answer.unwrap_or_else(|_| Err(silence(limit, purpose)))
    }
}

/// Says that the peer kept silent for too long.
pub(super) fn silence(limit: Duration, purpose: &Purpose) -> Fault {
    purpose
        .fault(ErrorKind::Unavailable)
        .because(format_args!("nothing came for {} seconds", limit.as_secs_f64().round()))
}

/// Tells whether a URL names this very machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The system's roots and the given ones. Where the system has none, as in an empty container image,
/// Mozilla's take their place.
fn tls_config(ca_files: &[Vec<u8>]) -> Result<rustls::ClientConfig> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    }
    for file in ca_files {
        for certificate in read_certificates(file)? {
            roots.add(certificate).map_err(unusable)?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn read_certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(file).collect::<Result<_, _>>().map_err(|error| {
            Error::new(ErrorKind::Invalid, Operation::Connect)
                .because("a file of certificates is malformed")
                .caused_by(error)
        })?;
    if certificates.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, Operation::Connect)
            .because("a file of certificates has no certificate in it (PEM is wanted)"));
    }
    Ok(certificates)
}

fn unusable(error: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Invalid, Operation::Connect)
        .because("the settings for TLS or HTTP cannot be used")
        .caused_by(error)
}

/// Turns what the HTTP client says into a fault. The URL is taken out: it may carry signed state.
pub(super) fn failure(error: reqwest::Error, purpose: &Purpose) -> Fault {
    let error = error.without_url();
    let (kind, reason) = match tls_error(&error) {
        Some(rustls::Error::InvalidCertificate(_)) => (ErrorKind::Invalid, "its certificate is not trusted"),
        Some(_) => (ErrorKind::Invalid, "it cannot be spoken to by TLS"),
        None if error.is_builder() => (ErrorKind::Invalid, "the request cannot be made"),
        None if error.is_dns() => (ErrorKind::Unavailable, "its name cannot be resolved"),
        None if error.is_connect() => (ErrorKind::Unavailable, "it cannot be reached"),
        None => (ErrorKind::Unavailable, "the connection broke"),
    };
    let is_unsent = error.is_connect();
    purpose.fault(kind).because(reason).without_effect(is_unsent).caused_by(error)
}

/// Tells whether connecting failed because the peer speaks no TLS at all: what it sent is no TLS record, or
/// it hung up during the handshake. A certificate error, or any error of a peer that speaks TLS, is not that.
pub(super) fn speaks_no_tls(fault: &Fault) -> bool {
    let Some(error) = fault.cause() else { return false };
    match tls_error(error) {
        Some(rustls::Error::InvalidMessage(_)) => true,
        Some(_) => false,
        None => io_errors(error).any(|error| {
            use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
            fault.without_effect
                && matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
        }),
    }
}

fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    chain(error).find_map(|it| it.downcast_ref())
}

fn io_errors<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a std::io::Error> {
    chain(error).filter_map(|it| it.downcast_ref())
}

/// Every error in the chain. An I/O error shows the source of what it wraps and not that itself, so it is
/// opened.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| inner(*error))
}

fn inner<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref()) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn loopback_is_this_machine_only() {
        for (url, expected) in [
            ("http://localhost:5000/v2/", true),
            ("http://127.9.9.9/", true),
            ("https://[::1]/", true),
            ("https://localhost.example.org/", false),
            ("https://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn files_without_certificates_are_refused() {
        for file in [&b""[..], b"text", b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"] {
            let config = ClientConfig { ca_files: vec![file.to_vec()], ..ClientConfig::default() };
            assert_eq!(Transport::new(&config).unwrap_err().kind(), ErrorKind::Invalid);
        }
    }

    #[test]
    fn what_speaks_no_tls_is_told_by_types() {
        let tls = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let cases = [
            (tls(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)), true),
            (tls(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)), false),
            (tls(rustls::Error::AlertReceived(rustls::AlertDescription::HandshakeFailure)), false),
            (io::Error::from(io::ErrorKind::UnexpectedEof), true),
            (io::Error::from(io::ErrorKind::ConnectionReset), true),
            (io::Error::from(io::ErrorKind::ConnectionRefused), false),
            (io::Error::from(io::ErrorKind::TimedOut), false),
        ];
        for (error, expected) in cases {
            let text = error.to_string();
            let outer = io::Error::other(error);
            let fault = Purpose::of(Operation::Connect).fault(ErrorKind::Unavailable);
            let fault = fault.without_effect(true).caused_by(outer);
            assert_eq!(speaks_no_tls(&fault), expected, "{text}");
        }
    }
}
