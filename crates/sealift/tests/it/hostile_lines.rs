//! What stands between here and a registry and should not be trusted, or does not trust: certificates with a
//! flaw, and a proxy that wants a password. Through the whole binary: the exit code and the next step.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sealift_testbed::http_proxy::{Action, HttpProxy};
use sealift_testbed::tls::{Authority, Flaw};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::site::{KNOWN, Run, Site, sealift};

const PASSWORD: &str = "tr0ub4dor&3";

/// A door before a registry that shows a certificate of an authority of its own.
pub(crate) struct Door {
    pub(crate) address: String,
    pub(crate) authority: String,
    _directory: TempDir,
}

impl Door {
    pub(crate) async fn before(upstream: &str, flaw: Flaw) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new(directory.path()).unwrap();
        let (acceptor, upstream) = (acceptor(&authority, flaw), upstream.to_owned());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(stream, acceptor.clone(), upstream.clone()));
            }
        });
        let authority = authority.certificate().to_str().unwrap().to_owned();
        Self { address, authority, _directory: directory }
    }
}

fn acceptor(authority: &Authority, flaw: Flaw) -> TlsAcceptor {
    let files = authority.server(flaw).unwrap();
    let certificates = CertificateDer::pem_file_iter(&files.certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates.collect::<Result<_, _>>().unwrap(), key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn forward(stream: TcpStream, acceptor: TlsAcceptor, upstream: String) -> Option<()> {
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut upstream = TcpStream::connect(upstream).await.ok()?;
    tokio::io::copy_bidirectional(&mut stream, &mut upstream).await.ok().map(drop)
}

async fn mirror(source: &str, target: &str, more: &[&str], variables: &[(&str, &str)]) -> Run {
    let given = [
        &["mirror", "--source-registry", source, "--target-registry", target, "--tag", KNOWN][..],
        &["--target-repository", "site/arcdata", "--image", "arc-dns"],
        more,
    ];
    let user = [("TARGET_DOCKER_USERNAME", "user"), ("TARGET_DOCKER_PASSWORD", PASSWORD)];
    let run = sealift(&given.concat(), &[variables, &user].concat(), None).await;
    assert!(!format!("{run:?}").contains(PASSWORD));
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_with_a_flaw_ends_the_run_with_what_to_do() {
    let cases = [
        (Flaw::None, true, 0, "", ""),
        (Flaw::None, false, 1, "is not trusted: no authority that is known here", "--ca-file FILE"),
        (Flaw::Expired, true, 1, "has expired", "Set this machine's clock right"),
        (Flaw::WrongName, true, 1, "is for another name", "--resolve HOST:IP"),
    ];
    for (flaw, is_known, code, words, hint) in cases {
        for is_source in [true, false] {
            let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
            let behind = if is_source { &site.source.address } else { &site.target.address };
            let door = Door::before(behind, flaw).await;
            let (source, target) = match is_source {
                true => (&door.address, &site.target.address),
                false => (&site.source.address, &door.address),
            };
            let trust: &[&str] = if is_known { &["--ca-file", &door.authority] } else { &[] };
            let run = mirror(source, target, trust, &[]).await.expect(code);
            let name = format!("{flaw:?} source: {is_source}: {}", run.stderr);
            assert_eq!(site.tagged("arc-dns", KNOWN).await.is_some(), code == 0, "{name}");
            assert!(run.stderr.contains(words) && run.stderr.contains(hint), "{name}");
            assert!(code == 0 || run.stderr.contains(&format!("error: {}: cannot ", door.address)), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_wants_a_password_is_told_from_the_registry() {
    let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
    let proxy = HttpProxy::start(site.source.address.parse().unwrap()).await.unwrap();
    proxy.set_rule(|_| Action::status(407));
    let url = proxy.url();
    for (variable, more) in [("HTTPS_PROXY", &[][..]), ("HTTP_PROXY", &["--plain-http", "ship.example"])] {
        let run = mirror(&site.source.address, "ship.example", more, &[(variable, &url)]).await.expect(4);
        assert!(run.stderr.contains("the proxy "), "{variable}: {}", run.stderr);
        let hint = "Name the proxy's user and password in the variable that names the proxy";
        assert!(run.stderr.contains(hint), "{variable}: {}", run.stderr);
    }
}
