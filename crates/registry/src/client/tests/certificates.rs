//! Certificates of both sides: what is wrong with a server's, and what a client shows of itself.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedKey, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use sealift_store::ErrorKind;

use super::peer::{Peer, reply};
use super::{blob, digest, source};
use crate::client::{ClientConfig, Identity, Secret};

/// An authority that signs for servers and for clients.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    roots: Arc<RootCertStore>,
}

impl Authority {
    /// Authorities that share a name would be mistaken for each other.
    fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        Self { pem: certificate.pem(), issuer: Issuer::new(parameters, key), roots: Arc::new(roots) }
    }

    fn sign(&self, name: &str, years: (i32, i32)) -> CertifiedKey<KeyPair> {
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(years.0, 1, 1);
        parameters.not_after = date_time_ymd(years.1, 1, 1);
        let signing_key = KeyPair::generate().unwrap();
        CertifiedKey { cert: parameters.signed_by(&signing_key, &self.issuer).unwrap(), signing_key }
    }

    /// Starts a server; it wants a client certificate where a version of TLS is given.
    async fn serve(
        &self,
        certificate: &CertifiedKey<KeyPair>,
        asks_by: Option<&'static SupportedProtocolVersion>,
    ) -> Peer {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der()));
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(&[asks_by.unwrap_or(&TLS13)]).unwrap();
        let builder = match asks_by {
            None => builder.with_no_client_auth(),
            Some(_) => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), provider)
                    .build()
                    .unwrap(),
            ),
        };
        let config = builder.with_single_cert(vec![certificate.cert.der().clone()], key).unwrap();
        Peer::tls_with(config, self.pem.clone().into_bytes()).await
    }

    fn identity(&self) -> Identity {
        let CertifiedKey { cert, signing_key } = self.sign("captain", (2000, 2100));
        Identity { certificates: cert.pem().into_bytes(), key: Secret::new(signing_key.serialize_pem()) }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told() {
    let authority = Authority::new("one");
    let cases = [
        ("127.0.0.1", (2000, 2020), "its certificate has expired on Wed, 01 Jan 2020"),
        ("127.0.0.1", (2090, 2100), "its certificate is not valid before Sun, 01 Jan 2090"),
        ("registry.example", (2000, 2100), "its certificate is for another name"),
    ];
    for (name, years, reason) in cases {
        let peer = authority.serve(&authority.sign(name, years), None).await;
        let error = peer.client().connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(&format!("cannot connect: {reason}")), "{error}");
    }
    let peer = authority.serve(&authority.sign("127.0.0.1", (2000, 2100)), None).await;
    let config = ClientConfig { ca_files: Vec::new(), ..peer.config() };
    let error = peer.client_with(config).connect().await.unwrap_err();
    assert!(error.to_string().ends_with("no authority that is known here has signed it"), "{error}");
    peer.on("GET /v2/", reply(200));
    peer.client().connect().await.unwrap();
    peer.finish();
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_asks() {
    let authority = Authority::new("one");
    for version in [&TLS12, &TLS13] {
        let peer = authority.serve(&authority.sign("127.0.0.1", (2000, 2100)), Some(version)).await;
        peer.on("GET /v2/", reply(200));
        let config = ClientConfig { identity: Some(authority.identity()), ..peer.config() };
        peer.client_with(config).connect().await.unwrap();
        peer.finish();
    }
}

/// By TLS 1.2, where a server says so before anything else is sent.
#[tokio::test]
async fn a_client_without_a_certificate_or_with_another_one_is_unauthenticated() {
    let authority = Authority::new("one");
    let peer = authority.serve(&authority.sign("127.0.0.1", (2000, 2100)), Some(&TLS12)).await;
    for identity in [None, Some(Authority::new("another").identity())] {
        let config = ClientConfig { identity, ..peer.config() };
        let error = peer.client_with(config).connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error:?}");
        assert!(error.to_string().contains("a client certificate"), "{error}");
    }
    assert!(peer.finish().is_empty());
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_the_registry_alone() {
    let authority = Authority::new("one");
    let certificate = authority.sign("127.0.0.1", (2000, 2100));
    let peer = authority.serve(&certificate, Some(&TLS12)).await;
    let elsewhere = authority.serve(&certificate, Some(&TLS12)).await;
    peer.on("GET /v2/", reply(200));
    peer.on(&blob("GET"), reply(307).header("location", format!("{}/x", elsewhere.url())));
    let config = ClientConfig { identity: Some(authority.identity()), ..peer.config() };
    let error = source(&peer.client_with(config)).open_blob(&digest(), 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error:?}");
    peer.finish();
    assert!(elsewhere.finish().is_empty());
}
