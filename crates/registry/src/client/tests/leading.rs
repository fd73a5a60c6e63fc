//! Where a registry may lead: a public one to no private address (go-containerregistry issue 2440), and none
//! to where machines get their rights. In these tests this machine's `127.0.0.1` counts as public and
//! everything else as private.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use sealift_store::{BlobBody, Error, ErrorKind, PageRequest};

use super::peer::{Peer, Reply, reply};
use super::{CONTENT, blob, digest, source, target};
use crate::client::connection::Connection;
use crate::client::guard::Network;
use crate::client::{ClientConfig, RegistryClient};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const INNER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
const METADATA_NAME: &str = "metadata.example";

/// `inner.example` and what is below it is private.
fn network() -> Network {
    Network {
        lookup: |host| {
            let address = match host.as_str() {
                METADATA_NAME => METADATA,
                host if host.ends_with("inner.example") => INNER,
                _ => HERE,
            };
            Box::pin(std::future::ready(Ok(vec![address])))
        },
        is_private: |address| address != HERE,
    }
}

fn client(peer: &Peer, host: &str) -> RegistryClient {
    let registry = format!("{host}:{}", peer.address.port()).parse().unwrap();
    let config = ClientConfig { plain_http: true, ..peer.config() };
    RegistryClient { connection: Arc::new(Connection::new(registry, config, network()).unwrap()) }
}

fn assert_refused(error: &Error, host: &str) {
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    let text = error.to_string();
    assert!(text.contains("it leads to ") && text.contains(host) && text.contains("private"), "{text}");
}

/// Private hosts as URLs write them.
const PRIVATE: [&str; 4] = ["inner.example", "127.0.0.2", "0x7f000002", "[::1]"];

/// An address is shown in its usual form.
fn shown(host: &str) -> &str {
    if host == PRIVATE[2] { PRIVATE[1] } else { host.trim_matches(['[', ']']) }
}

fn to(status: u16, host: &str) -> Reply {
    reply(status).header("location", format!("http://{host}:9/x"))
}

#[tokio::test]
async fn redirects_lead_to_no_private_address() {
    for host in PRIVATE {
        let peer = Peer::plain().await;
        peer.on("GET /v2/", reply(200));
        peer.on(&blob("GET"), to(307, host));
        let client = client(&peer, "registry.example");
        let error = source(&client).open_blob(&digest(), 0).await.unwrap_err();
        assert_refused(&error, shown(host));
        peer.finish();
    }
}

#[tokio::test]
async fn neither_do_uploads_pages_and_realms() {
    for host in PRIVATE {
        let peer = Peer::plain().await;
        let client = client(&peer, "registry.example");
        peer.on("GET /v2/", reply(200));
        peer.on("POST /v2/a/b/blobs/uploads/", to(202, host));
        let mut upload = target(&client).begin_upload(None).await.unwrap();
        let body = BlobBody::from(Bytes::from_static(CONTENT));
        assert_refused(&upload.append(body).await.unwrap_err(), shown(host));

        let realm = format!(r#"Bearer realm="https://{host}:9/token""#);
        peer.on(&blob("HEAD"), reply(401).header("www-authenticate", realm));
        assert_refused(&source(&client).stat_blob(&digest()).await.unwrap_err(), shown(host));
        peer.finish();
    }
}

#[tokio::test]
async fn public_addresses_and_the_registry_itself_are_fine() {
    let (peer, storage) = (Peer::plain().await, Peer::plain().await);
    peer.on("GET /v2/", reply(200));
    let elsewhere = format!("http://storage.example:{}/x", storage.address.port());
    peer.on(&blob("GET"), reply(307).header("location", elsewhere));
    storage.on("GET /x", reply(200).body(CONTENT));
    source(&client(&peer, "registry.example")).open_blob(&digest(), 0).await.unwrap();
    peer.finish();
    storage.finish();
}

#[tokio::test]
async fn a_private_registry_leads_where_it_likes() {
    let peer = Peer::plain().await;
    let registry = format!("registry.example:{}", peer.address.port()).parse().unwrap();
    let config = ClientConfig { plain_http: true, ..peer.config() };
    // Everything is private here, this machine, too.
    let network = Network { is_private: |_| true, ..network() };
    let client = RegistryClient { connection: Arc::new(Connection::new(registry, config, network).unwrap()) };
    let storage = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    let elsewhere = format!("http://storage.example:{}/x", storage.address.port());
    peer.on(&blob("GET"), reply(307).header("location", elsewhere));
    storage.on("GET /x", reply(200).body(CONTENT));
    source(&client).open_blob(&digest(), 0).await.unwrap();
    peer.finish();
    storage.finish();
}

#[tokio::test]
async fn a_publisher_has_no_private_address_either() {
    for host in PRIVATE {
        let peer = Peer::plain().await;
        peer.on("GET /v2/", reply(200));
        let client = client(&peer, "registry.example");
        let error = client.fetch_url(&format!("https://{host}:9/layer"), 0).await.unwrap_err();
        assert_refused(&error, shown(host));
        peer.finish();
    }
}

/// Addresses at which machines get their rights, as URLs write them.
const RIGHTS: [&str; 6] =
    [METADATA_NAME, "169.254.169.254", "0xa9fea9fe", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:a9fe:a9fe]"];

fn assert_kept_away(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    assert!(error.to_string().contains(" the link-local or metadata address "), "{error}");
}

/// A registry that is private itself may lead to private addresses, but not there.
#[tokio::test]
async fn no_registry_leads_to_where_machines_get_their_rights() {
    for host in RIGHTS {
        let peer = Peer::plain().await;
        let registry = format!("registry.example:{}", peer.address.port()).parse().unwrap();
        let config = ClientConfig { plain_http: true, ..peer.config() };
        let network = Network { is_private: |_| true, ..network() };
        let connection = Connection::new(registry, config, network).unwrap();
        let client = RegistryClient { connection: Arc::new(connection) };
        peer.on("GET /v2/", reply(200));
        peer.on(&blob("GET"), to(307, host));
        assert_kept_away(&source(&client).open_blob(&digest(), 0).await.unwrap_err());

        peer.on("POST /v2/a/b/blobs/uploads/", to(202, host));
        let mut upload = target(&client).begin_upload(None).await.unwrap();
        let body = BlobBody::from(Bytes::from_static(CONTENT));
        assert_kept_away(&upload.append(body).await.unwrap_err());

        let next = format!("<http://{host}:9/v2/a/b/tags/list?last=x>; rel=\"next\"");
        peer.on("GET /v2/a/b/tags/list?n=1", reply(200).header("link", next).body("{\"tags\":[]}"));
        let page = PageRequest { limit: 1, ..PageRequest::first() };
        let error = source(&client).tags(&page).await.unwrap_err();
        assert!(error.to_string().ends_with("the link to the next page leads elsewhere"), "{error}");

        let realm = format!(r#"Bearer realm="https://{host}:9/token""#);
        peer.on(&blob("HEAD"), reply(401).header("www-authenticate", realm));
        assert_kept_away(&source(&client).stat_blob(&digest()).await.unwrap_err());

        assert_kept_away(&client.fetch_url(&format!("https://{host}:9/layer"), 0).await.unwrap_err());
        peer.finish();
    }
}
