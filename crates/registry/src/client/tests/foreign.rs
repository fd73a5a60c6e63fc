//! Layers that their publishers keep elsewhere.

use sealift_store::ErrorKind;

use super::CONTENT;
use super::peer::{PASSWORD, Peer, reply};
use crate::client::RegistryClient;

async fn fetch(client: &RegistryClient, url: &str, offset: u64) -> sealift_store::Result<bytes::Bytes> {
    client.fetch_url(url, offset).await?.collect(10).await
}

#[tokio::test]
async fn a_layer_is_fetched_from_any_offset_and_without_credentials() {
    let (peer, publisher) = (Peer::plain().await, Peer::plain().await);
    peer.on("GET /v2/", reply(401).header("www-authenticate", "Basic realm=x"));
    let part = reply(206).header("content-range", "bytes 4-9/10").body(&CONTENT[4..]);
    publisher.on("GET /layer?sig=1", reply(200).body(CONTENT));
    publisher.on("GET /layer?sig=1", part);
    publisher.on("GET /layer?sig=1", reply(302).header("location", "/other"));
    publisher.on("GET /other", reply(200).body(CONTENT));
    let (client, url) = (peer.user(), format!("{}/layer?sig=1", publisher.url()));
    assert_eq!(fetch(&client, &url, 0).await.unwrap(), CONTENT);
    assert_eq!(fetch(&client, &url, 4).await.unwrap(), CONTENT[4..]);
    assert_eq!(fetch(&client, &url, 4).await.unwrap(), CONTENT[4..]);
    peer.finish();
    let seen = publisher.finish();
    assert!(seen.iter().all(|it| it.authorization().is_empty()));
    assert_eq!(seen[1].header("range"), "bytes=4-");
}

#[tokio::test]
async fn refusals_name_the_publisher_and_not_the_query() {
    for (status, kind) in [
        (401, ErrorKind::Denied),
        (403, ErrorKind::Denied),
        (404, ErrorKind::NotFound),
        (206, ErrorKind::Invalid),
    ] {
        let (peer, publisher) = (Peer::plain().await, Peer::plain().await);
        peer.on("GET /v2/", reply(200));
        publisher.on("GET /layer?sig=secret", reply(status).error("X", "no ?sig=secret"));
        let url = format!("{}/layer?sig=secret", publisher.url());
        let error = fetch(&peer.client(), &url, 0).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let place = format!("{}: cannot fetch blob /layer: its publisher refuses", publisher.address);
        assert!(error.to_string().starts_with(&place) && !format!("{error:?}").contains("secret"), "{error}");
        peer.finish();
        publisher.finish();
    }
}

#[tokio::test]
async fn some_addresses_are_not_followed() {
    let peer = Peer::plain().await;
    let client = peer.user();
    for url in
        ["http://publisher.example/x", "ftp://publisher.example/x", "https://u:p@x/", "/x", "", "https://"]
    {
        let error = fetch(&client, url, 0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
        assert!(!format!("{error:?}").contains(PASSWORD));
    }
    assert!(peer.finish().is_empty());
}
