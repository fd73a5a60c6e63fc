//! Certificates for tests: an authority of its own, and server certificates of it, good and bad ones.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// What is wrong with a server certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing: it is valid for `localhost` and `127.0.0.1`.
    None,
    /// Its last day is over.
    Expired,
    /// Its first day is far away.
    NotYetValid,
    /// It is for another server.
    WrongName,
}

/// A private authority, whose files lie in a directory.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// A server's certificate and key, both PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCertificate {
    /// The file of the certificate.
    pub certificate: PathBuf,
    /// The file of the key.
    pub key: PathBuf,
}

impl Authority {
    /// Makes an authority and writes its certificate to `directory`. Its name has the directory in it: two
    /// authorities in one test must not share a name, or clients mistake one for the other.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn new(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let name = format!("Testbed authority in {}", directory.display());
        let mut parameters = parameters(&[], &name)?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = parameters.self_signed(&key).map_err(io::Error::other)?;
        let authority = Self { directory: directory.to_owned(), issuer: Issuer::new(parameters, key) };
        fs::write(authority.certificate(), certificate.pem())?;
        Ok(authority)
    }

    /// Returns the file that a client has to trust.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }

    /// Writes a server certificate and its key beside the authority's own.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn server(&self, flaw: Flaw) -> io::Result<ServerCertificate> {
        let (name, hosts) = match flaw {
            Flaw::None => ("server", &["localhost", "127.0.0.1"][..]),
            Flaw::Expired => ("expired", &["localhost", "127.0.0.1"][..]),
            Flaw::NotYetValid => ("not-yet-valid", &["localhost", "127.0.0.1"][..]),
            Flaw::WrongName => ("wrong-name", &["registry.invalid"][..]),
        };
        let mut parameters = parameters(hosts, name)?;
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.use_authority_key_identifier_extension = true;
        if flaw == Flaw::Expired {
            parameters.not_after = date_time_ymd(2020, 9, 23);
        }
        if flaw == Flaw::NotYetValid {
            parameters.not_before = date_time_ymd(2099, 1, 1);
        }
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = parameters.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        let path = |ending: &str| self.directory.join(format!("{name}.{ending}"));
        let files = ServerCertificate { certificate: path("crt"), key: path("key") };
        fs::write(&files.certificate, certificate.pem())?;
        fs::write(&files.key, key.serialize_pem())?;
        Ok(files)
    }
}

fn parameters(hosts: &[&str], name: &str) -> io::Result<CertificateParams> {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut parameters = CertificateParams::new(hosts).map_err(io::Error::other)?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    // Far on both sides, so that a machine whose clock is wrong can test too.
    parameters.not_before = date_time_ymd(2000, 1, 1);
    parameters.not_after = date_time_ymd(2100, 1, 1);
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker_registry::{DockerRegistry, RegistryOptions};
    use crate::images::tiny_set;
    use crate::peers;
    use crate::pushing::seed_docker_registry;

    #[tokio::test]
    async fn skopeo_trusts_the_good_certificate_only() {
        if !peers::interop_wanted() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let set = tiny_set(&directory.path().join("set")).unwrap();
        let storage = directory.path().join("storage");
        seed_docker_registry(&storage, "", &set).unwrap();
        let authority = Authority::new(&directory.path().join("ca")).unwrap();
        let trusted = directory.path().join("trusted");
        fs::create_dir(&trusted).unwrap();
        fs::copy(authority.certificate(), trusted.join("ca.crt")).unwrap();
        let trusted = format!("--cert-dir={}", trusted.display());
        for (flaw, complaint) in [
            (Flaw::None, ""),
            (Flaw::Expired, "certificate has expired"),
            (Flaw::WrongName, "doesn't contain any IP SANs"),
        ] {
            let ServerCertificate { certificate, key } = authority.server(flaw).unwrap();
            let (storage, tls) = (Some(storage.clone()), Some((certificate, key)));
            let options = RegistryOptions { storage, tls, ..RegistryOptions::default() };
            let registry = DockerRegistry::start(&options).await.unwrap();
            assert!(registry.url().starts_with("https://"));
            let image = format!("docker://{}/one:1", registry.address());
            let output = peers::run("skopeo", &["inspect", "--raw", &trusted, &image]).await.unwrap();
            assert_eq!(output.status.success(), flaw == Flaw::None, "{}", output.stderr);
            assert!(output.stderr.contains(complaint), "{}", output.stderr);
        }
    }
}
