//! The certificates that a registry shows: read, not trusted. What checks them is the verifier that every connection
//! has; this one stands before it and remembers what came by.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::status::plain;
use crate::wire::pem;

/// More certificates than any chain has.
const CHAIN_LIMIT: usize = 10;
/// The longest name that is told, in characters.
const NAME_LIMIT: usize = 120;

/// One certificate that a registry shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// Whose it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The names that it is for.
    pub names: Vec<String>,
    /// From when on it is valid.
    pub begins: SystemTime,
    /// Until when.
    pub ends: SystemTime,
}

/// Remembers what the real verifier is shown.
#[derive(Debug)]
struct Recorder {
    inner: Arc<WebPkiServerVerifier>,
    shown: Mutex<Vec<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let all = std::iter::once(end_entity).chain(intermediates).take(CHAIN_LIMIT);
        let all = all.map(|it| it.clone().into_owned()).collect();
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = all;
        self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Begins a connection by TLS, and reads what the other side shows.
pub(super) async fn presented(
    roots: RootCertStore,
    host: &str,
    address: SocketAddr,
) -> std::io::Result<Vec<Presented>> {
    let other = |error: &dyn std::fmt::Display| std::io::Error::other(error.to_string());
    let provider = pem::provider();
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let inner = inner.build().map_err(|error| other(&error))?;
    let recorder = Arc::new(Recorder { inner, shown: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| other(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recorder) as _)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| other(&error))?;
    let stream = TcpStream::connect(address).await?;
    let ended = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let shown = std::mem::take(&mut *recorder.shown.lock().unwrap_or_else(PoisonError::into_inner));
    match ended {
        Err(error) if shown.is_empty() => Err(error),
        _ => Ok(shown.iter().filter_map(|it| read(it)).collect()),
    }
}

fn read(certificate: &CertificateDer<'_>) -> Option<Presented> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok().flatten();
    let names =
        names.iter().flat_map(|it| &it.value.general_names).map(|it| plain(&it.to_string(), NAME_LIMIT));
    let validity = certificate.validity();
    Some(Presented {
        subject: plain(&certificate.subject().to_string(), NAME_LIMIT),
        issuer: plain(&certificate.issuer().to_string(), NAME_LIMIT),
        names: names.collect(),
        begins: time(validity.not_before.timestamp()),
        ends: time(validity.not_after.timestamp()),
    })
}

/// A time before 1970 is none that a certificate has.
fn time(seconds: i64) -> SystemTime {
    let seconds = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    SystemTime::UNIX_EPOCH.checked_add(seconds).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_read_and_what_is_none_is_left_out() {
        let rcgen::CertifiedKey { cert, .. } =
            rcgen::generate_simple_self_signed(["ship.lan".to_owned()]).unwrap();
        let presented = read(cert.der()).unwrap();
        assert_eq!(presented.issuer, presented.subject);
        assert!(presented.names.iter().any(|name| name.contains("ship.lan")), "{presented:?}");
        assert!(presented.begins < presented.ends);
        assert_eq!(read(&CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])), None);
    }
}
