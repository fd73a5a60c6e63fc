//! HTTPS or plain HTTP, and redirects: where credentials go and where they do not.

use std::time::Duration;

use sealift_store::{ErrorKind, Store};

use super::peer::{BASIC, PASSWORD, Peer, reply};
use super::{CONTENT, blob, digest, source};
use crate::client::{ClientConfig, Credentials, RegistryClient, RetryPolicy, Secret};

fn with_user(config: ClientConfig) -> ClientConfig {
    let credentials = Credentials::Basic { username: "user".to_owned(), password: Secret::new(PASSWORD) };
    ClientConfig { credentials, ..config }
}

#[tokio::test]
async fn plain_http_is_found_out_on_loopback() {
    for peer in [Peer::plain().await, Peer::hanging_up().await] {
        peer.on("GET /v2/", reply(401).header("www-authenticate", "Basic realm=x"));
        peer.on(&blob("HEAD"), reply(200).body(CONTENT));
        let client = peer.client_with(with_user(peer.config()));
        source(&client).stat_blob(&digest()).await.unwrap();
        let seen = peer.finish();
        assert_eq!([seen[0].authorization(), seen[1].authorization()], ["", BASIC]);
    }
}

#[tokio::test]
async fn what_answers_plain_http_must_be_a_registry() {
    // A TLS server that does not understand the client's TLS answers plain HTTP like this.
    for status in [400, 404, 502] {
        let peer = Peer::plain().await;
        peer.on("GET /v2/", reply(status));
        let client = peer.client_with(with_user(peer.config()));
        let error = source(&client).stat_blob(&digest()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains("TLS"), "{error}");
        assert!(peer.finish()[0].authorization().is_empty());
    }
}

#[tokio::test]
async fn an_untrusted_certificate_never_leads_to_plain_http() {
    let peer = Peer::tls().await;
    let client = peer.client_with(with_user(ClientConfig { ca_files: Vec::new(), ..peer.config() }));
    let error = source(&client).stat_blob(&digest()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("its certificate is not trusted"), "{error}");
    assert_eq!(peer.plain_connections(), 0);
    assert!(peer.finish().is_empty());
}

#[tokio::test]
async fn a_trusted_certificate_is_enough() {
    let peer = Peer::tls().await;
    peer.on("GET /v2/", reply(200));
    peer.client().connect().await.unwrap();
    peer.finish();
    assert_eq!(peer.plain_connections(), 0);
}

#[tokio::test]
async fn elsewhere_plain_http_has_to_be_allowed() {
    let peer = Peer::plain().await;
    // This address leads to this machine, and is no loopback address.
    let registry: sealift_oci::Registry = format!("0.0.0.0:{}", peer.address.port()).parse().unwrap();
    let client = RegistryClient::new(registry.clone(), peer.config()).unwrap();
    let error = client.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(peer.finish().is_empty());

    peer.on("GET /v2/", reply(200));
    let config = ClientConfig { plain_http: true, ..peer.config() };
    RegistryClient::new(registry, config).unwrap().connect().await.unwrap();
    peer.finish();
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let peer = Peer::plain().await;
    let client = RegistryClient::new(address.to_string().parse().unwrap(), peer.config()).unwrap();
    let error = client.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        format!("{}: cannot connect: it cannot be reached: the connection is refused", client.place())
    );
    assert!(std::error::Error::source(&error).is_some());
}

/// It takes the connection, and never says a word of TLS.
#[tokio::test]
async fn a_connection_that_does_not_come_to_stand_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = Peer::plain().await;
    let config = ClientConfig { connect_timeout: Duration::from_millis(50), ..peer.config() };
    let registry = silent.local_addr().unwrap().to_string().parse().unwrap();
    let client = RegistryClient::new(registry, config).unwrap();
    let error = client.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().ends_with("cannot connect: it cannot be reached in time"), "{error}");
}

/// Prepares a registry that wants a password and redirects its blob.
fn redirecting(peer: &Peer, location: &str) {
    peer.on("GET /v2/", reply(401).header("www-authenticate", "Basic realm=x"));
    peer.on(&blob("GET"), reply(307).header("location", location));
}

fn part() -> super::peer::Reply {
    reply(206).header("content-range", "bytes 4-9/10").body(&CONTENT[4..])
}

#[tokio::test]
async fn another_host_gets_the_range_and_no_credentials() {
    let (peer, storage) = (Peer::plain().await, Peer::plain().await);
    redirecting(&peer, &format!("{}/signed?sig=1", storage.url()));
    storage.on("GET /signed?sig=1", part());
    let body = source(&peer.user()).open_blob(&digest(), 4).await.unwrap();
    assert_eq!(body.collect(10).await.unwrap(), CONTENT[4..]);
    assert_eq!(peer.finish()[1].authorization(), BASIC);
    let seen = storage.finish().remove(0);
    assert_eq!((seen.header("range"), seen.header("accept-encoding")), ("bytes=4-", "identity"));
    assert!(seen.authorization().is_empty());
}

#[tokio::test]
async fn credentials_that_were_lost_stay_lost() {
    let (peer, storage) = (Peer::plain().await, Peer::plain().await);
    redirecting(&peer, "/same?x=y");
    peer.on("GET /same?x=y", reply(302).header("location", format!("{}/out", storage.url())));
    storage.on("GET /out", reply(302).header("location", format!("{}/back", peer.url())));
    peer.on("GET /back", reply(200).body(CONTENT));
    source(&peer.user()).open_blob(&digest(), 0).await.unwrap();
    let authorizations: Vec<_> = peer.finish().iter().map(|it| it.authorization().to_owned()).collect();
    assert_eq!(authorizations, ["", BASIC, BASIC, ""]);
    assert!(storage.finish()[0].authorization().is_empty());
}

#[tokio::test]
async fn https_is_not_redirected_to_plain_http() {
    let (peer, storage) = (Peer::tls().await, Peer::plain().await);
    redirecting(&peer, &format!("{}/x", storage.url()));
    let error = source(&peer.user()).open_blob(&digest(), 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().ends_with("it redirects from HTTPS to plain HTTP"), "{error}");
    peer.finish();
    storage.finish();
}

#[tokio::test]
async fn circles_end() {
    let peer = Peer::plain().await;
    redirecting(&peer, "/circle");
    for _ in 0..5 {
        peer.on("GET /circle", reply(308).header("location", "/circle"));
    }
    let error = source(&peer.client()).open_blob(&digest(), 0).await.unwrap_err();
    assert!(error.to_string().ends_with("it redirects more than 5 times"), "{error}");
    peer.finish();
}

#[tokio::test]
async fn what_another_host_refuses_is_its_own_matter() {
    let (peer, storage) = (Peer::plain().await, Peer::plain().await);
    redirecting(&peer, &format!("{}/signed?sig=secret", storage.url()));
    storage.on("GET /signed?sig=secret", reply(401).error("X", "bad ?sig=secret"));
    let error = source(&peer.user()).open_blob(&digest(), 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    let text = error.to_string();
    let words = format!("{}, to which it leads: it answers 401 X", storage.address);
    assert!(text.contains(&words) && !text.contains("secret"), "{text}");
    peer.finish();
    storage.finish();
}

/// Where the host of another one fails that the registry leads to, that one is named, and not what is signed.
#[tokio::test]
async fn what_fails_at_another_host_is_told_of_that_host() {
    let closed = Peer::plain().await.address.port().to_string();
    let untrusted = Peer::tls().await;
    let cases = [
        ("http://storage.invalid/x?sig=secret".to_owned(), "its name cannot be resolved"),
        (format!("https://{}/x?sig=secret", untrusted.address), "its certificate is not trusted"),
        (format!("http://[::1]:{closed}/x?sig=secret"), "it cannot be reached"),
    ];
    for (location, words) in cases {
        let peer = Peer::plain().await;
        redirecting(&peer, &location);
        let client = peer.client_with(ClientConfig { retry: once(), plain_http: true, ..peer.config() });
        let error = source(&client).open_blob(&digest(), 0).await.unwrap_err();
        let host = location.split('/').nth(2).unwrap();
        assert_eq!(error.host(), Some(host), "{error}");
        let told = error.to_string();
        assert!(told.contains(&format!(": {host}, to which it leads: {words}")), "{told}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        peer.finish();
    }
}

/// A body that breaks off came from where the registry leads, too.
#[tokio::test]
async fn a_body_that_breaks_at_another_host_is_told_of_that_host() {
    let (peer, storage) = (Peer::plain().await, Peer::plain().await);
    redirecting(&peer, &format!("{}/x?sig=secret", storage.url()));
    storage.on("GET /x?sig=secret", reply(200).header("content-length", "10").body("01234").cut());
    let body = source(&peer.client()).open_blob(&digest(), 0).await.unwrap();
    let error = body.collect(10).await.unwrap_err();
    assert_eq!(error.host(), Some(storage.address.to_string().as_str()), "{error}");
    peer.finish();
    storage.finish();
}

#[tokio::test]
async fn a_realm_that_fails_is_told_of_its_host() {
    let peer = Peer::plain().await;
    let realm = r#"Bearer realm="https://tokens.invalid/token",service="s""#;
    peer.on("GET /v2/", reply(401).header("www-authenticate", realm));
    let client = peer.client_with(ClientConfig { retry: once(), plain_http: true, ..peer.config() });
    let error = source(&client).stat_blob(&digest()).await.unwrap_err();
    assert_eq!(error.host(), Some("tokens.invalid"), "{error}");
    peer.finish();
}

/// What is wrong with a registry of this machine that speaks plain HTTP is not that it does so.
#[tokio::test]
async fn a_realm_by_plain_http_elsewhere_is_told_on_loopback_as_well() {
    let peer = Peer::hanging_up().await;
    let realm = r#"Bearer realm="http://tokens.example/token",service="s""#;
    peer.on("GET /v2/", reply(401).header("www-authenticate", realm));
    let error = peer.client_with(peer.config()).connect().await.unwrap_err();
    let words = "it sends its clients to tokens.example for tokens, by plain HTTP";
    assert!(error.to_string().ends_with(words), "{error}");
    peer.finish();
}

#[tokio::test]
async fn who_answers_plain_http_with_400_is_not_connected_to() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(400).body("Client sent an HTTP request to an HTTPS server."));
    let error = peer.client().connect().await.unwrap_err();
    assert!(error.to_string().ends_with("cannot connect: it answers 400"), "{error}");
    peer.finish();
}

/// Who asks to be left alone for longer than anybody waits says for how long.
#[tokio::test]
async fn a_long_wait_is_told() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    peer.on(&blob("GET"), reply(429).header("retry-after", "7200").error("TOOMANYREQUESTS", "slow down"));
    let error = source(&peer.client()).open_blob(&digest(), 0).await.unwrap_err();
    let words = "it answers 429 TOOMANYREQUESTS: slow down; it asks to come back in 2 hours";
    assert!(error.to_string().ends_with(words), "{error}");
    peer.finish();
}

fn once() -> RetryPolicy {
    RetryPolicy { attempts: 1, ..RetryPolicy::default() }
}
