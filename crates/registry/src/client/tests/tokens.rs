//! Token services that take a form, refresh tokens, and tokens that end in the middle of the work.

use std::time::Duration;

use bytes::Bytes;
use sealift_store::{BlobBody, ErrorKind, Upload};

use super::peer::{BASIC, PASSWORD, Peer, Reply, reply};
use super::{CONTENT, blob, digest, source, target};
use crate::client::{ClientConfig, Credentials, RegistryClient, Secret};

const PULL: &str = "GET /token?service=s&scope=repository%3Aa%2Fb%3Apull";
const PUSH: &str = "GET /token?service=s&scope=repository%3Aa%2Fb%3Apull%2Cpush";
const FORM: &str = "POST /token";
const ACR_USER: &str = "00000000-0000-0000-0000-000000000000";

fn challenge(peer: &Peer) -> Reply {
    let bearer = format!(r#"Bearer realm="{}/token",service="s""#, peer.url());
    reply(401).header("www-authenticate", bearer).error("UNAUTHORIZED", "who are you")
}

fn token(token: &str) -> Reply {
    reply(200).body(format!(r#"{{"access_token":"{token}","expires_in":300}}"#))
}

fn size() -> Reply {
    reply(200).body(CONTENT)
}

fn client(peer: &Peer, credentials: Credentials) -> RegistryClient {
    peer.client_with(ClientConfig { credentials, plain_http: true, ..peer.config() })
}

fn identity(username: Option<&str>) -> Credentials {
    Credentials::IdentityToken { username: username.map(str::to_owned), token: Secret::new(PASSWORD) }
}

fn form(refresh_token: &str, actions: &str) -> String {
    format!(
        "service=s&client_id=sealift&scope=repository%3Aa%2Fb%3A{actions}\
         &grant_type=refresh_token&refresh_token={refresh_token}"
    )
}

#[tokio::test]
async fn a_refresh_token_is_shown_in_a_form_and_rotated() {
    let acr = Credentials::Basic { username: ACR_USER.to_owned(), password: Secret::new(PASSWORD) };
    for credentials in [identity(None), identity(Some("me")), acr] {
        let peer = Peer::plain().await;
        let client = client(&peer, credentials);
        peer.on("GET /v2/", challenge(&peer));
        peer.on(FORM, reply(200).body(r#"{"access_token":"t1","refresh_token":"fresh-one"}"#));
        peer.on(&blob("HEAD"), size());
        peer.on(FORM, token("t2"));
        peer.on("POST /v2/a/b/blobs/uploads/", reply(202).header("location", "/u"));
        source(&client).stat_blob(&digest()).await.unwrap();
        target(&client).begin_upload(None).await.unwrap();
        let seen = peer.finish();
        assert_eq!(seen[1].header("content-type"), "application/x-www-form-urlencoded");
        assert_eq!(seen[1].body, form(PASSWORD, "pull"));
        assert_eq!(seen[3].body, form("fresh-one", "pull%2Cpush"));
        let authorizations: Vec<_> = seen.iter().map(|it| it.authorization()).collect();
        assert_eq!(authorizations, ["", "", "Bearer t1", "", "Bearer t2"]);
        let printed = format!("{client:?} {:?}", client.connection.authenticator);
        assert!(!printed.contains("fresh-one") && !printed.contains(PASSWORD), "{printed}");
    }
}

#[tokio::test]
async fn a_service_that_knows_only_the_form_gets_it() {
    for status in [404, 405] {
        let peer = Peer::plain().await;
        let client = peer.user();
        peer.on("GET /v2/", challenge(&peer));
        peer.on(PULL, reply(status));
        peer.on(FORM, token("t1"));
        peer.on(&blob("HEAD"), size());
        // The way that works is remembered.
        peer.on(FORM, token("t2"));
        peer.on("POST /v2/a/b/blobs/uploads/", reply(202).header("location", "/u"));
        source(&client).stat_blob(&digest()).await.unwrap();
        target(&client).begin_upload(None).await.unwrap();
        let seen = peer.finish();
        let body = format!("&grant_type=password&username=user&password={PASSWORD}");
        assert!(seen[2].body.ends_with(body.as_bytes()) && seen[4].body.ends_with(body.as_bytes()));
        assert!(seen[2].authorization().is_empty());
    }
}

#[tokio::test]
async fn a_service_without_the_form_gets_the_token_of_a_user_as_a_password() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", challenge(&peer));
    peer.on(FORM, reply(405));
    peer.on(PULL, token("t1"));
    peer.on(&blob("HEAD"), size());
    source(&client(&peer, identity(Some("user")))).stat_blob(&digest()).await.unwrap();
    assert_eq!(peer.finish()[2].authorization(), BASIC);

    peer.on("GET /v2/", challenge(&peer));
    peer.on(FORM, reply(404));
    let error = source(&client(&peer, identity(None))).stat_blob(&digest()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    peer.finish();
}

#[tokio::test]
async fn a_service_that_repeats_the_secret_is_not_quoted_with_it() {
    for credentials in [identity(None), identity(Some("user"))] {
        let peer = Peer::plain().await;
        peer.on("GET /v2/", challenge(&peer));
        let words = format!("no such token {PASSWORD}, nor {}", &BASIC[6..]);
        peer.on(FORM, reply(401).error("UNAUTHORIZED", &words));
        let is_known = matches!(credentials, Credentials::IdentityToken { username: Some(_), .. });
        let error = source(&client(&peer, credentials)).stat_blob(&digest()).await.unwrap_err();
        let text = format!("{error:?} {error}");
        assert!(text.contains("no such token …") && !text.contains(PASSWORD), "{text}");
        assert!(!is_known || !text.contains(&BASIC[6..]), "{text}");
        peer.finish();
    }
}

/// A form cannot be sent on to another address.
#[tokio::test]
async fn a_form_is_not_redirected() {
    let (peer, elsewhere) = (Peer::plain().await, Peer::plain().await);
    peer.on("GET /v2/", challenge(&peer));
    peer.on(FORM, reply(307).header("location", format!("{}/token", elsewhere.url())));
    let error = source(&client(&peer, identity(None))).stat_blob(&digest()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    peer.finish();
    elsewhere.finish();
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", challenge(&peer));
    peer.on(PULL, token("t1"));
    peer.on(&blob("HEAD"), size());
    peer.on(PULL, token("t2"));
    peer.on(&blob("HEAD"), size());
    let source = source(&peer.client());
    source.stat_blob(&digest()).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(295)).await;
    tokio::time::resume();
    source.stat_blob(&digest()).await.unwrap();
    assert_eq!(peer.finish()[4].authorization(), "Bearer t2");
}

/// One who asks tries again and again; who asks next, for whatever scope, hears of it at once, for a while.
#[tokio::test]
async fn a_dead_service_is_left_alone_for_a_moment() {
    let peer = Peer::plain().await;
    let client = peer.user();
    peer.on("GET /v2/", challenge(&peer));
    for _ in 0..5 {
        peer.on(PULL, reply(503));
    }
    for _ in 0..3 {
        let error = source(&client).stat_blob(&digest()).await.unwrap_err();
        assert!(error.to_string().ends_with("its token service 127.0.0.1: it answers 503"), "{error}");
        let error = target(&client).begin_upload(None).await.unwrap_err();
        assert_eq!((error.kind(), error.wait()), (ErrorKind::Unavailable, None));
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::time::resume();
    peer.on(PUSH, token("t1"));
    peer.on("POST /v2/a/b/blobs/uploads/", reply(202).header("location", "/u"));
    target(&client).begin_upload(None).await.unwrap();
    // What it refuses is about who asks for what, so it is asked for something else.
    peer.on(PULL, reply(403));
    source(&client).stat_blob(&digest()).await.unwrap_err();
    peer.on(PULL, token("t2"));
    peer.on(&blob("HEAD"), size());
    source(&client).stat_blob(&digest()).await.unwrap();
    peer.finish();
}

async fn append(upload: &mut Box<dyn Upload>, from: usize) -> sealift_store::Result<u64> {
    upload.append(BlobBody::from(Bytes::from_static(&CONTENT[from..]))).await
}

/// Prepares a push whose token ends while the body streams by.
async fn interrupted(peer: &Peer) -> (RegistryClient, sealift_store::UploadId) {
    let client = peer.user();
    peer.on("GET /v2/", challenge(peer));
    peer.on(PUSH, token("t1"));
    peer.on("POST /v2/a/b/blobs/uploads/", reply(202).header("location", "/u?s=1"));
    peer.on("PATCH /u?s=1", challenge(peer));
    let mut upload = target(&client).begin_upload(None).await.unwrap();
    let error = append(&mut upload, 0).await.unwrap_err();
    assert!(error.kind().is_transient(), "{error}");
    let id = upload.id().clone();
    peer.on(PUSH, token("t2"));
    (client, id)
}

#[tokio::test]
async fn an_upload_whose_token_ended_goes_on() {
    let peer = Peer::plain().await;
    let (client, id) = interrupted(&peer).await;
    peer.on("GET /u?s=1", reply(204).header("range", "0-3").header("location", "/u?s=2"));
    peer.on("PATCH /u?s=2", reply(202).header("location", "/u?s=3").header("range", "0-9"));
    peer.on(&format!("PUT /u?s=3&digest={}", digest()).replace("sha256:", "sha256%3A"), reply(201));
    let mut upload = target(&client).resume_upload(&id).await.unwrap();
    assert_eq!(upload.offset(), 4);
    assert_eq!(append(&mut upload, 4).await.unwrap(), 10);
    upload.finish(&digest()).await.unwrap();
    let seen = peer.finish();
    assert_eq!(&seen[6].body[..], &CONTENT[4..]);
    assert!(seen[5..].iter().all(|it| it.authorization() == "Bearer t2"));
}

#[tokio::test]
async fn an_upload_that_was_given_up_with_its_token_begins_again() {
    let peer = Peer::plain().await;
    let (client, id) = interrupted(&peer).await;
    peer.on("GET /u?s=1", reply(404).error("BLOB_UPLOAD_UNKNOWN", "gone"));
    peer.on("POST /v2/a/b/blobs/uploads/", reply(202).header("location", "/v"));
    peer.on("PATCH /v", reply(202).header("location", "/v?s=2"));
    peer.on(&format!("PUT /v?s=2&digest={}", digest()).replace("sha256:", "sha256%3A"), reply(201));
    let target = target(&client);
    assert_eq!(target.resume_upload(&id).await.unwrap_err().kind(), ErrorKind::NotFound);
    let mut upload = target.begin_upload(None).await.unwrap();
    assert_eq!(append(&mut upload, 0).await.unwrap(), 10);
    upload.finish(&digest()).await.unwrap();
    assert_eq!(&peer.finish()[7].body[..], CONTENT);
}
