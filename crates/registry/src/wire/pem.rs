//! Certificates and keys as files have them (PEM, RFC 7468), for who connects and who is connected to.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, InconsistentKeys};

/// Why a file of certificates, or a key, cannot be used. Nothing of its content is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// No certificate.
    #[error("it has no certificate in PEM form")]
    NoCertificate,
    /// Something that is no certificate where one should be.
    #[error("a certificate in it is malformed")]
    Malformed,
    /// A certificate of a time when they did not say what they are for.
    #[error("its certificate is of X.509 version 1; only version 3 can be used")]
    Version,
    /// No key.
    #[error("it has no private key in PEM form")]
    NoKey,
    /// A key that needs a passphrase.
    #[error("its key is encrypted; one without a passphrase is wanted")]
    Encrypted,
    /// A key of another kind than RSA, ECDSA and Ed25519.
    #[error("its key is malformed, or of a kind that TLS does not use")]
    KeyKind,
    /// A key of something else.
    #[error("its key does not belong to the certificate")]
    Mismatch,
}

impl PemError {
    /// Tells whether the key is at fault, and not the certificate.
    #[must_use]
    pub fn is_about_key(self) -> bool {
        matches!(self, Self::NoKey | Self::Encrypted | Self::KeyKind | Self::Mismatch)
    }
}

/// Returns what all connections compute with.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Reads a certificate with those between it and its authority, and the key that must belong to it.
///
/// # Errors
/// What is wrong, and by [`PemError::is_about_key`] with which of them.
pub fn certified(
    provider: &CryptoProvider,
    certificates: &[u8],
    key: &str,
) -> Result<CertifiedKey, PemError> {
    let chain = read_certificates(certificates)?;
    let key = read_key(key)?;
    let key = provider.key_provider.load_private_key(key).map_err(|_| PemError::KeyKind)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // What cannot be compared may fit.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(PemError::Mismatch),
        Err(rustls::Error::InvalidCertificate(error)) if is_old(&error) => Err(PemError::Version),
        Err(_) => Err(PemError::Malformed),
    }
}

/// The type of this error cannot be named, so its word has to do; a test of the client holds it.
fn is_old(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if other.to_string() == "UnsupportedCertVersion")
}

/// Reads every certificate of a file.
///
/// # Errors
/// When there is none, or one is malformed.
pub fn read_certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let certificates = CertificateDer::pem_slice_iter(file).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|_| PemError::Malformed)?;
    if certificates.is_empty() { Err(PemError::NoCertificate) } else { Ok(certificates) }
}

/// The cause of a failure is not kept: it may have a piece of the key in it.
fn read_key(key: &str) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| {
        let is_encrypted = key.contains("ENCRYPTED");
        if is_encrypted { PemError::Encrypted } else { PemError::NoKey }
    })
}
