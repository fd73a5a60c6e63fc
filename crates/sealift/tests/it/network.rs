//! How registries are reached: proxies, addresses of hosts, certificates that are kept.

use std::sync::Arc;

use sealift_oci::Tag;
use sealift_registry::server::{Server, ServerConfig};
use sealift_store::{MemoryStore, Store};
use sealift_testbed::http_proxy::HttpProxy;
use tokio::net::TcpListener;

use crate::site::{KNOWN, Site, sealift};

const WANTED: [&str; 4] = ["--tag", KNOWN, "--image", "arc-dns"];

/// A registry under a name that no name server has.
fn renamed(address: &str) -> String {
    format!("ship.example:{}", address.rsplit(':').next().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_found_where_the_user_says() {
    let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
    let target = renamed(&site.target.address);
    let given = [
        &["mirror", "--source-registry", &site.source.address, "--target-registry", &target][..],
        &["--target-repository", "site/arcdata", "--plain-http", "ship.example"],
        &["--resolve", "ship.example:127.0.0.1", "--connect-timeout", "5", "--stall-timeout", "30"],
        &WANTED,
    ]
    .concat();
    // The hosts are named, so that no proxy is in the way.
    let variables = [("http_proxy", "http://127.0.0.1:9"), ("NO_PROXY", "ship.example")];
    sealift(&given, &variables, None).await.expect(0);
    assert!(site.tagged("arc-dns", KNOWN).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_not_there_is_named_without_its_password() {
    let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let proxy = format!("http://captain:hunter2@{address}");
    let given =
        [&["--target-registry", "ship.example", "--target-repository", "x", "-v"][..], &WANTED].concat();
    let given = [&["verify", "--source-registry", &site.source.address], &given[..]].concat();
    let run = sealift(&given, &[("HTTPS_PROXY", &proxy)], None).await.expect(1);
    assert!(run.stderr.contains(&format!("by way of the proxy http://{address}")), "{}", run.stderr);
    assert!(run.stderr.contains("Check the proxy that HTTPS_PROXY"), "{}", run.stderr);
    assert!(!format!("{run:?}").contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_kept_are_read() {
    let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
    let home = tempfile::tempdir().unwrap();
    let kept = home.path().join(".config/containers/certs.d").join(&site.target.address);
    std::fs::create_dir_all(&kept).unwrap();
    std::fs::write(kept.join("client.cert"), "no certificate").unwrap();
    let variables = [("HOME", home.path().to_str().unwrap())];
    let run = site.run_with("mirror", &WANTED, &variables).await.expect(2);
    assert!(run.stderr.contains("/client.key: it is not there\n"), "{}", run.stderr);
    assert!(run.stderr.contains("Hint: In a directory of certificates for TARGET"), "{}", run.stderr);
    std::fs::write(kept.join("client.key"), "hunter2").unwrap();
    let run = site.run_with("mirror", &WANTED, &variables).await.expect(2);
    assert!(run.stderr.contains("/client.cert: it has no certificate in PEM form\n"), "{}", run.stderr);
    assert!(!format!("{run:?}").contains("hunter2") && site.tagged("arc-dns", KNOWN).await.is_none());
}

/// A variable that names no proxy → words of the error. Its password is shown nowhere, and nobody is asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_proxy_is_told_before_anything_is_asked() {
    let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
    let source = HttpProxy::start(site.source.address.parse().unwrap()).await.unwrap();
    let address = source.address().to_string();
    let to = ["--target-registry", &site.target.address, "--target-repository", "x", "-v"];
    for (name, value, words) in [
        ("HTTPS_PROXY", "ftp://captain:hunter2@proxy.lan", "its scheme is none of http, https, socks5"),
        ("https_proxy", "http://captain:hunter2@", "it names no host"),
        ("HTTP_PROXY", "http://captain:x@hunter2@proxy.lan", "not encoded"),
        ("http_proxy", "http://captain:1/hunter2@proxy.lan", "not encoded"),
        ("ALL_PROXY", "socks5://captain:hunter2@proxy.lan:port", "its port is no number"),
    ] {
        let commands = [
            [&["mirror", "--source-registry", &address][..], &to, &WANTED].concat(),
            [&["verify", "--source-registry", &address][..], &to, &WANTED].concat(),
            vec!["releases", "--source-registry", &address],
            vec!["login", &address, "--username", "captain", "--password-stdin"],
        ];
        for command in commands {
            let run = sealift(&command, &[(name, value)], Some("hunter2\n")).await.expect(2);
            assert!(run.stderr.starts_with(&format!("error: {name} names no proxy: ")), "{}", run.stderr);
            assert!(run.stderr.contains(words), "{}", run.stderr);
            assert!(run.stderr.contains(&format!("Hint: Set {name}=http://HOST:PORT")), "{}", run.stderr);
            assert!(!format!("{run:?}").contains("hunter2"));
        }
    }
    assert_eq!(source.count(|_| true), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_alone_and_a_host_without_an_address_are_mistakes() {
    for (given, words) in [
        (&["--client-key", "x"][..], "--client-cert"),
        (&["--client-cert", "/nowhere.crt", "--client-key", "/nowhere.key"], "/nowhere.crt"),
        (&["--resolve", "ship.example"], "HOST:IP"),
    ] {
        let given = [&["releases", "--source-registry", "127.0.0.1:9"], given].concat();
        let run = sealift(&given, &[], None).await.expect(2);
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
}

/// A machine without IPv6 has nothing to test here.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_may_be_an_ipv6_address() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else { return };
    let port = listener.local_addr().unwrap().port();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new("target"));
    let _server = Server::new(Arc::clone(&store), ServerConfig::default()).serve(listener).unwrap();
    let site = Site::with(&[(KNOWN, &["arc-dns"])]).await;
    let named = (format!("[::1]:{port}"), &[][..]);
    let resolved = (
        format!("ship.example:{port}"),
        &["--plain-http", "ship.example", "--resolve", "ship.example:[::1]"][..],
    );
    for (number, (target, more)) in [named, resolved].into_iter().enumerate() {
        let repository = format!("site{number}");
        let to = ["--target-registry", &target, "--target-repository", &repository];
        let from = ["mirror", "--source-registry", &site.source.address];
        sealift(&[&from[..], &to, &WANTED, more].concat(), &[], None).await.expect(0);
        let tag: Tag = KNOWN.parse().unwrap();
        let there = store.source(&format!("{repository}/arc-dns").parse().unwrap());
        there.resolve(&tag.into()).await.unwrap();
    }
}
