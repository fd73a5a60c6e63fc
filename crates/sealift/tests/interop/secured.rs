//! The target behind TLS with a private CA, and a password.

use sealift_testbed::docker_registry::{DockerRegistry, RegistryOptions};
use sealift_testbed::htpasswd::write_htpasswd;
use sealift_testbed::images::Size;
use sealift_testbed::peers::interop_wanted;
use sealift_testbed::tls::{Authority, Flaw};

use crate::site::{Site, sealift};

const PASSWORD: &str = "a p&ss%w^rd";

struct Secured {
    site: Site,
    ca: String,
    _files: tempfile::TempDir,
}

async fn secured() -> Secured {
    let files = tempfile::tempdir().unwrap();
    let authority = Authority::new(files.path()).unwrap();
    let server = authority.server(Flaw::None).unwrap();
    let htpasswd = write_htpasswd(files.path(), &[("captain", PASSWORD)]).unwrap();
    let options = RegistryOptions {
        tls: Some((server.certificate, server.key)),
        htpasswd: Some(htpasswd),
        ..RegistryOptions::default()
    };
    let ca = authority.certificate().display().to_string();
    Secured { site: Site::with_target(Size::Small, &options).await, ca, _files: files }
}

fn credentials(password: &str) -> [(&str, &str); 2] {
    [("TARGET_DOCKER_USERNAME", "captain"), ("TARGET_DOCKER_PASSWORD", password)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_ca_and_a_password_are_enough() {
    if !interop_wanted() {
        return;
    }
    let Secured { site, ca, _files } = secured().await;
    let (from, to) = (site.source.address().to_string(), site.target.address().to_string());
    let run = sealift("mirror", &from, &to, &["--ca-file", &ca], &credentials(PASSWORD)).await.expect(0);
    assert_eq!(site.tagged().len(), 15);
    assert!(!format!("{run:?}").contains("p&ss"), "the password is printed");
    sealift("verify", &from, &to, &["--deep", "--ca-file", &ca], &credentials(PASSWORD)).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_changes_nothing() {
    if !interop_wanted() {
        return;
    }
    let Secured { site, ca, _files } = secured().await;
    let (from, to) = (site.source.address().to_string(), site.target.address().to_string());
    let run = sealift("mirror", &from, &to, &["--ca-file", &ca], &credentials("wr0ng")).await.expect(4);
    assert!(run.stderr.contains(&to), "{}", run.stderr);
    assert!(!format!("{run:?}").contains("wr0ng"), "the password is printed");
    assert_eq!(site.tagged(), [""; 0]);
}

/// On loopback plain HTTP is tried where the peer speaks no TLS; a certificate that nobody vouches for is
/// something else, and no password goes out.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_ca_never_falls_back_to_plain_http() {
    if !interop_wanted() {
        return;
    }
    let Secured { site, ca: _, _files } = secured().await;
    let (from, to) = (site.source.address().to_string(), site.target.address().to_string());
    let run = sealift("mirror", &from, &to, &[], &credentials(PASSWORD)).await.expect(1);
    assert!(run.stderr.contains("--ca-file"), "{}", run.stderr);
    assert_eq!(site.tagged(), [""; 0]);
    let requests = DockerRegistry::requests(&site.target).unwrap();
    assert!(requests.is_empty(), "{requests:?}");
}
