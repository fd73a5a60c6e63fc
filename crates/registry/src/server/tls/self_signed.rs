//! An authority of the server's own, for a site that has none: nodes are handed one certificate and then
//! trust every certificate that this server makes for itself.
//!
//! The authority's key and certificate are made once and kept; the server's own certificate is made anew at
//! each start, so it never runs out in a server that is restarted every other year, and its names can change.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _,
};
use sealift_oci::Digest;
use sealift_store::atomic::Stage;
use zeroize::Zeroizing;

use crate::server::reload;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A clock at the site that is late by less than this does no harm.
const BACKDATED: Duration = DAY;
/// Nodes are handed the authority by hand, so it lasts.
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(3650);
/// What some clients take at most.
const SERVER_LIFE: Duration = DAY.saturating_mul(825);

/// Where the files of the server's own authority are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfSigned {
    directory: PathBuf,
}

/// Why the authority or its certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct SelfSignedError {
    path: PathBuf,
    reason: String,
    #[source]
    cause: Option<io::Error>,
}

impl SelfSigned {
    /// Makes an authority in `directory`, or takes the one that is there, and a certificate of it for `names`:
    /// host names and addresses.
    ///
    /// # Errors
    /// When a file cannot be read or written, or a name cannot be in a certificate.
    pub fn prepare(directory: &Path, names: &[String], now: SystemTime) -> Result<Self, SelfSignedError> {
        let files = Self { directory: directory.to_owned() };
        fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
        let key = files.authority_key()?;
        let parameters = authority_parameters(&key, now);
        if !files.authority().exists() {
            let certificate =
                parameters.self_signed(&key).map_err(|error| refused(&files.authority(), error))?;
            publish(&files.authority(), certificate.pem().as_bytes(), false)?;
        }
        files.issue(&Issuer::new(parameters, key), names, now)?;
        Ok(files)
    }

    /// Returns the file that clients have to trust.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }

    /// Returns the server's certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("server.crt")
    }

    /// Returns the key of the server's certificate.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.directory.join("server.key")
    }

    fn authority_key(&self) -> Result<KeyPair, SelfSignedError> {
        let path = self.directory.join("ca.key");
        if path.exists() {
            let text = reload::read_text(&path).map_err(|error| refused(&path, error))?;
            return KeyPair::from_pem(&text).map_err(|error| refused(&path, error));
        }
        let key = KeyPair::generate().map_err(|error| refused(&path, error))?;
        publish(&path, Zeroizing::new(key.serialize_pem()).as_bytes(), true)?;
        Ok(key)
    }

    fn issue(
        &self,
        issuer: &Issuer<'_, KeyPair>,
        names: &[String],
        now: SystemTime,
    ) -> Result<(), SelfSignedError> {
        let path = self.certificate();
        let mut parameters = CertificateParams::new(names).map_err(|error| refused(&path, error))?;
        parameters.distinguished_name.push(DnType::CommonName, "sealift serve");
        parameters.not_before = (now - BACKDATED).into();
        parameters.not_after = (now + SERVER_LIFE).into();
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(|error| refused(&path, error))?;
        let certificate = parameters.signed_by(&key, issuer).map_err(|error| refused(&path, error))?;
        publish(&self.key(), Zeroizing::new(key.serialize_pem()).as_bytes(), true)?;
        publish(&path, certificate.pem().as_bytes(), false)
    }
}

/// The name follows from the key, so that it is the same at each start, and two authorities never share one.
fn authority_parameters(key: &KeyPair, now: SystemTime) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    let fingerprint = Digest::sha256(&key.subject_public_key_info());
    let name = format!("sealift authority {}", fingerprint.hex().get(..12).unwrap_or_default());
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.not_before = (now - BACKDATED).into();
    parameters.not_after = (now + AUTHORITY_LIFE).into();
    parameters
}

fn publish(path: &Path, content: &[u8], is_private: bool) -> Result<(), SelfSignedError> {
    let stage = if is_private { Stage::private_beside(path) } else { Stage::beside(path) };
    let published = stage.and_then(|mut stage| {
        stage.file().write_all(content)?;
        stage.publish(path)
    });
    published.map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: io::Error) -> SelfSignedError {
    SelfSignedError { path: path.to_owned(), reason: "it cannot be written".to_owned(), cause: Some(error) }
}

fn refused(path: &Path, reason: impl std::fmt::Display) -> SelfSignedError {
    SelfSignedError { path: path.to_owned(), reason: reason.to_string(), cause: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Tls;
    use std::sync::Arc;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[tokio::test]
    async fn the_authority_stays_and_the_certificate_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let first = SelfSigned::prepare(directory.path(), &names(&["localhost", "127.0.0.1"]), now).unwrap();
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        let (authority, certificate) = (read(first.authority()), read(first.certificate()));
        let again = SelfSigned::prepare(directory.path(), &names(&["registry.ship.lan"]), now).unwrap();
        assert_eq!(read(again.authority()), authority);
        assert_ne!(read(again.certificate()), certificate);
        Tls::open(&again.certificate(), &again.key(), Arc::new(|_: &str| {})).unwrap();
        let error = SelfSigned::prepare(directory.path(), &names(&["é"]), now).unwrap_err();
        assert!(error.to_string().contains("server.crt: "), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn keys_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let files = SelfSigned::prepare(directory.path(), &names(&["localhost"]), SystemTime::now()).unwrap();
        for path in [files.key(), directory.path().join("ca.key")] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o077, 0);
        }
    }
}
