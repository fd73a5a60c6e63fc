//! How registries are reached: proxies, addresses of hosts, certificates that are kept.

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
    let run = site.run_with("mirror", &WANTED, &variables).await.expect(1);
    assert!(run.stderr.contains("client.key cannot be used"), "{}", run.stderr);
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
