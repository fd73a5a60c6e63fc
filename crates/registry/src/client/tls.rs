//! What is trusted and what is shown when a connection is made safe.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sealift_store::{Error, ErrorKind, Operation, Result};

use super::Secret;

/// A client certificate, by which a registry knows who asks before anything is said. It is shown to the
/// registry alone, not to token services, storage or publishers at other addresses.
#[derive(Clone)]
pub struct Identity {
    /// The certificate and those between it and its authority, as PEM.
    pub certificates: Vec<u8>,
    /// The key that belongs to it, as PEM, not encrypted.
    pub key: Secret,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// The settings for connections to the registry, and for those to anyone else.
pub(super) struct TlsSettings {
    pub(super) own: ClientConfig,
    pub(super) foreign: ClientConfig,
}

impl TlsSettings {
    pub(super) fn new(ca_files: &[Vec<u8>], identity: Option<&Identity>) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots(ca_files)?);
        let foreign = builder.clone().with_no_client_auth();
        let own = match identity {
            None => foreign.clone(),
            Some(identity) => {
                let chain = read_certificates(&identity.certificates)?;
                builder.with_client_auth_cert(chain, read_key(&identity.key)?).map_err(|error| {
                    invalid("the client certificate and its key cannot be used").caused_by(error)
                })?
            }
        };
        Ok(Self { own, foreign })
    }
}

/// The system's roots and the given ones. Where the system has none, as in an empty container image,
/// Mozilla's take their place.
fn roots(ca_files: &[Vec<u8>]) -> Result<RootCertStore> {
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
    Ok(roots)
}

fn read_certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(file)
        .collect::<Result<_, _>>()
        .map_err(|error| invalid("a file of certificates is malformed").caused_by(error))?;
    if certificates.is_empty() {
        return Err(invalid("a file of certificates has no certificate in it (PEM is wanted)"));
    }
    Ok(certificates)
}

/// The cause of a failure is not kept: it may have a piece of the key in it.
fn read_key(key: &Secret) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| {
        let is_encrypted = key.expose().contains("ENCRYPTED");
        invalid(match is_encrypted {
            true => "the key of the client certificate is encrypted; one without a passphrase is wanted",
            false => "the key of the client certificate is no private key in PEM form",
        })
    })
}

/// Says that the settings are wrong.
pub(super) fn unusable(error: impl StdError + Send + Sync + 'static) -> Error {
    invalid("the settings for TLS or HTTP cannot be used").caused_by(error)
}

fn invalid(reason: &str) -> Error {
    Error::new(ErrorKind::Invalid, Operation::Connect).because(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Vec<u8>, String) {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["me".to_owned()]).unwrap();
        (cert.pem().into_bytes(), signing_key.serialize_pem())
    }

    #[test]
    fn files_without_certificates_are_refused() {
        for file in [&b""[..], b"text", b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"] {
            let error = TlsSettings::new(&[file.to_vec()], None).map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
        }
    }

    #[test]
    fn a_client_certificate_needs_its_own_key() {
        let ((certificates, key), (_, other)) = (pair(), pair());
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        for (key, complaint) in [
            (key.as_str(), ""),
            (other.as_str(), "the client certificate and its key cannot be used"),
            (encrypted.as_str(), "is encrypted"),
            ("hunter2", "is no private key in PEM form"),
        ] {
            let identity = Identity { certificates: certificates.clone(), key: Secret::new(key) };
            let outcome = TlsSettings::new(&[], Some(&identity)).map(drop);
            let text = outcome.err().map(|error| format!("{error:?}")).unwrap_or_default();
            assert!(text.contains(complaint) && text.is_empty() == complaint.is_empty(), "{text}");
            assert!(!text.contains("hunter2"));
            assert_eq!(format!("{identity:?}"), "Identity(…)");
        }
    }
}
