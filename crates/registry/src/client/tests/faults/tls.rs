//! Certificates that are not to be trusted: the run ends before anybody is shown a password, in an error
//! that says so.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sealift_mirror::Outcome;
use sealift_store::ErrorKind;
use sealift_testbed::tls::{Authority, Flaw};
use tokio_rustls::TlsAcceptor;

use super::fault::{Body, Case, Fault, Step};
use super::registry::{Registry, secrets};
use super::{client, images, mirror, sound, tell};
use crate::client::ClientConfig;

fn acceptor(authority: &Authority, flaw: Flaw) -> TlsAcceptor {
    let files = authority.server(flaw).unwrap();
    let certificates = CertificateDer::pem_file_iter(&files.certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates.collect::<Result<_, _>>().unwrap(), key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A fault that is none: the first question is answered as it should be.
fn no_fault(is_source: bool) -> Case {
    Case { is_source, step: Step::Ping, fault: Fault::Status(200, Body::Page), always: false }
}

fn trust(directory: &Path) -> ClientConfig {
    let authority = std::fs::read(directory.join("ca.crt")).unwrap();
    ClientConfig { ca_files: vec![authority], ..ClientConfig::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_are_not_to_be_trusted_end_the_run() {
    let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [authority, _] = [&directory, &other].map(|it| Authority::new(it.path()).unwrap());
    let cases = [
        (Flaw::None, directory.path(), true),
        (Flaw::None, other.path(), false),
        (Flaw::Expired, directory.path(), false),
        (Flaw::WrongName, directory.path(), false),
    ];
    for (flaw, trusted, is_fine) in cases {
        for is_source in [true, false] {
            let case = no_fault(is_source);
            let registry = Registry::start(&case, Some(acceptor(&authority, flaw))).await;
            for (name, image) in images() {
                registry.publish(&format!("src/{name}"), &image);
            }
            let (place, sound) = (client(&registry.address, trust(trusted)), sound(!is_source).await);
            let report = if is_source { mirror(place, sound).await } else { mirror(sound, place).await };
            assert_eq!(registry.check(), is_fine, "{flaw:?} {is_source}");
            for image in &report.images {
                match &image.outcome {
                    Outcome::Arrived if is_fine => {}
                    Outcome::Failed(error) if !is_fine => {
                        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
                        assert!(error.to_string().contains("its certificate "), "{error}");
                        let told = tell(error);
                        assert!(secrets().iter().all(|secret| !told.contains(secret)), "{told}");
                    }
                    other => panic!("{flaw:?} {is_source}: {other:?}"),
                }
            }
        }
    }
}
