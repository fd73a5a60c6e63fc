//! What is trusted and what is shown when a connection is made safe.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use sealift_store::{Error, ErrorKind, Operation, Result};

use super::Secret;
use crate::wire::pem;
pub use crate::wire::pem::PemError;

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

impl Identity {
    /// Checks the certificate, the key, and that one belongs to the other.
    ///
    /// # Errors
    /// What is wrong, and by [`PemError::is_about_key`] with which of them.
    pub fn check(&self) -> std::result::Result<(), PemError> {
        self.certified(&pem::provider()).map(drop)
    }

    fn certified(&self, provider: &CryptoProvider) -> std::result::Result<CertifiedKey, PemError> {
        pem::certified(provider, &self.certificates, self.key.expose())
    }
}

/// Checks a file of authorities to trust.
///
/// # Errors
/// What is wrong with it.
pub fn check_authorities(file: &[u8]) -> std::result::Result<(), PemError> {
    add_authorities(&mut RootCertStore::empty(), file)
}

/// The settings for connections to the registry, and for those to anyone else.
pub(super) struct TlsSettings {
    pub(super) own: ClientConfig,
    pub(super) foreign: ClientConfig,
    pub(super) roots: RootCertStore,
}

impl TlsSettings {
    pub(super) fn new(ca_files: &[Vec<u8>], identity: Option<&Identity>) -> Result<Self> {
        let provider = pem::provider();
        let roots = roots(ca_files)?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots.clone());
        let foreign = builder.clone().with_no_client_auth();
        let own = match identity {
            None => foreign.clone(),
            Some(identity) => {
                let certified = identity.certified(&provider).map_err(|error| {
                    let file = if error.is_about_key() { "key" } else { "file" };
                    invalid(format_args!("the {file} of the client certificate cannot be used: {error}"))
                })?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
        };
        Ok(Self { own, foreign, roots })
    }
}

/// The system's roots. Where it has none, as in an empty container image, Mozilla's take their place. They are
/// some hundred files, so they are read once, however many registries a run speaks to.
static SYSTEM_ROOTS: LazyLock<RootCertStore> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    }
    roots
});

/// The system's roots and the given ones.
fn roots(ca_files: &[Vec<u8>]) -> Result<RootCertStore> {
    let mut roots = SYSTEM_ROOTS.clone();
    for file in ca_files {
        add_authorities(&mut roots, file)
            .map_err(|error| invalid(format_args!("a file of authorities cannot be used: {error}")))?;
    }
    Ok(roots)
}

fn add_authorities(roots: &mut RootCertStore, file: &[u8]) -> std::result::Result<(), PemError> {
    for certificate in pem::read_certificates(file)? {
        roots.add(certificate).map_err(|_| PemError::Malformed)?;
    }
    Ok(())
}

/// Says that the settings are wrong.
pub(super) fn unusable(error: impl StdError + Send + Sync + 'static) -> Error {
    invalid("the settings for TLS or HTTP cannot be used").caused_by(error)
}

fn invalid(reason: impl fmt::Display) -> Error {
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

    /// What `openssl x509 -req` makes without extensions.
    const VERSION_1: &str = "-----BEGIN CERTIFICATE-----
MIIBGDCBvwIUHGW27TeDfdL0snxP4YWynR5CwjswCgYIKoZIzj0EAwIwDjEMMAoG
A1UEAwwDb2xkMCAXDTI2MTEyMTE0MTUzNloYDzIxMDAxMDI0MTQxNTM2WjAOMQww
CgYDVQQDDANvbGQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS00kaHPX59UNVC
/bxtYHTJtZjvEnmrYLPQXN7wN56n6V5qeETfWveuWZky3BDPSn6PJysDshwsRKII
L107/OjIMAoGCCqGSM49BAMCA0gAMEUCIQCWJn/mnc2Zh8HgIDDqgbyIlNZIwJOs
E2gZ4x9+KOToRAIgGfeBWaurYZAuNiAEK8HTQvC4mNY35UHUpffwexP/fUk=
-----END CERTIFICATE-----
";
    /// Two bytes that are no certificate.
    const NO_DER: &str = "-----BEGIN CERTIFICATE-----\nAAA=\n-----END CERTIFICATE-----\n";
    const NO_BASE64: &str = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";

    #[test]
    fn files_of_authorities_are_checked() {
        let (good, key) = pair();
        let two = [&good[..], VERSION_1.as_bytes()].concat();
        let cases = [
            (&good[..], Ok(())),
            (&two, Ok(())),
            (VERSION_1.as_bytes(), Ok(())),
            (b"", Err(PemError::NoCertificate)),
            (b"text", Err(PemError::NoCertificate)),
            (key.as_bytes(), Err(PemError::NoCertificate)),
            (NO_BASE64.as_bytes(), Err(PemError::Malformed)),
            (NO_DER.as_bytes(), Err(PemError::Malformed)),
        ];
        for (file, expected) in cases {
            let text = String::from_utf8_lossy(file);
            assert_eq!(check_authorities(file), expected, "{text}");
            let outcome = TlsSettings::new(&[file.to_vec()], None).map(drop);
            assert_eq!(
                outcome.map_err(|error| error.kind()),
                expected.map_err(|_| ErrorKind::Invalid),
                "{text}"
            );
        }
    }

    #[test]
    fn a_client_certificate_needs_its_own_key() {
        let ((good, key), (_, other)) = (pair(), pair());
        let good = String::from_utf8(good).unwrap();
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let no_key = "-----BEGIN PRIVATE KEY-----\nAAA=\n-----END PRIVATE KEY-----\n";
        let cases = [
            (good.as_str(), key.as_str(), Ok(())),
            (&good, &other, Err(PemError::Mismatch)),
            (&good, &encrypted, Err(PemError::Encrypted)),
            (&good, "hunter2", Err(PemError::NoKey)),
            (&good, &good, Err(PemError::NoKey)),
            (&good, no_key, Err(PemError::KeyKind)),
            (&key, &key, Err(PemError::NoCertificate)),
            (NO_BASE64, &key, Err(PemError::Malformed)),
            (NO_DER, &key, Err(PemError::Malformed)),
            (VERSION_1, &key, Err(PemError::Version)),
        ];
        for (certificates, key, expected) in cases {
            let identity = Identity { certificates: certificates.into(), key: Secret::new(key) };
            assert_eq!(identity.check(), expected);
            let outcome = TlsSettings::new(&[], Some(&identity)).map(drop);
            let text = outcome.err().map(|error| format!("{error:?} {error}")).unwrap_or_default();
            let reason = expected.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(text.contains(&reason) && text.is_empty() == reason.is_empty(), "{text}");
            assert!(!text.contains("hunter2"));
            assert_eq!(format!("{identity:?}"), "Identity(…)");
        }
    }
}
