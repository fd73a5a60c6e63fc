//! A registry that lets in who shows a certificate, with everything about it in Docker's directory.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedKey, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS12;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::site::{KNOWN, Run, Site, sealift};

/// The site's target behind a door that wants a certificate.
struct Gate {
    site: Site,
    address: String,
    home: TempDir,
    authority: String,
    client: CertifiedKey<KeyPair>,
}

struct Authority {
    pem: String,
    roots: RootCertStore,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "the harbour");
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        Self { pem: certificate.pem(), roots, issuer: Issuer::new(parameters, key) }
    }

    fn sign(&self, name: &str) -> CertifiedKey<KeyPair> {
        let parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let signing_key = KeyPair::generate().unwrap();
        CertifiedKey { cert: parameters.signed_by(&signing_key, &self.issuer).unwrap(), signing_key }
    }

    /// By TLS 1.2, where a server says what it thinks of the client before anything else is sent.
    fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server = self.sign("127.0.0.1");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server.signing_key.serialize_der()));
        let roots = Arc::new(self.roots.clone());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS12])
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![server.cert.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

async fn forward(stream: TcpStream, acceptor: TlsAcceptor, upstream: String) -> Option<()> {
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut upstream = TcpStream::connect(upstream).await.ok()?;
    tokio::io::copy_bidirectional(&mut stream, &mut upstream).await.ok().map(drop)
}

impl Gate {
    async fn new() -> Self {
        let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
        let authority = Authority::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (acceptor, upstream) = (authority.acceptor(), site.target.address.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(stream, acceptor.clone(), upstream.clone()));
            }
        });
        let client = authority.sign("captain");
        Self { site, address, home: tempfile::tempdir().unwrap(), authority: authority.pem, client }
    }

    fn file(&self, name: &str) -> PathBuf {
        let kept = self.home.path().join(".config/containers/certs.d").join(&self.address);
        std::fs::create_dir_all(&kept).unwrap();
        kept.join(name)
    }

    fn write(&self, name: &str, content: &str) -> String {
        let file = self.file(name);
        std::fs::write(&file, content).unwrap();
        file.to_str().unwrap().to_owned()
    }

    async fn mirror(&self, more: &[&str]) -> Run {
        let args = [
            &["mirror", "--source-registry", &self.site.source.address, "--target-registry", &self.address],
            &["--target-repository", "site/arcdata", "--tag", KNOWN, "--image", "arc-dns"][..],
            more,
        ];
        sealift(&args.concat(), &[("HOME", self.home.path().to_str().unwrap())], None).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_for_a_registry_is_trusted_and_shown() {
    let gate = Gate::new().await;
    let run = gate.mirror(&[]).await.expect(1);
    assert!(run.stderr.contains("name the authority's own with --ca-file"), "{}", run.stderr);
    gate.write("ca.crt", &gate.authority);
    let run = gate.mirror(&[]).await.expect(4);
    assert!(run.stderr.contains(&format!("/etc/docker/certs.d/{}", gate.address)), "{}", run.stderr);
    assert!(gate.site.tagged("arc-dns", KNOWN).await.is_none());
    gate.write("client.cert", &gate.client.cert.pem());
    gate.write("client.key", &gate.client.signing_key.serialize_pem());
    gate.mirror(&[]).await.expect(0);
    assert!(gate.site.tagged("arc-dns", KNOWN).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_is_trusted_and_shown() {
    let gate = Gate::new().await;
    let authority = gate.write("authority.pem", &gate.authority);
    let certificate = gate.write("captain.pem", &gate.client.cert.pem());
    let key = gate.write("captain.pk8", &gate.client.signing_key.serialize_pem());
    let named = ["--ca-file", &authority, "--client-cert", &certificate, "--client-key", &key];
    gate.mirror(&named[..2]).await.expect(4);
    // It is not the user who is refused.
    let login =
        ["login", &gate.address, "--username", "captain", "--password-stdin", "--ca-file", &authority];
    let run = sealift(&login, &[], Some("hunter2\n")).await.expect(4);
    assert!(
        run.stderr.contains("Hint: Name the certificate and its key with --client-cert"),
        "{}",
        run.stderr
    );
    gate.mirror(&named).await.expect(0);
    assert!(gate.site.tagged("arc-dns", KNOWN).await.is_some());
    let other = gate.write("other.pk8", &KeyPair::generate().unwrap().serialize_pem());
    let run = gate.mirror(&[&named[..5], &[&other]].concat()).await.expect(2);
    let words =
        format!("error: --client-key {other}: its key does not belong to the certificate {certificate}");
    assert!(run.stderr.starts_with(&words), "{}", run.stderr);
}
