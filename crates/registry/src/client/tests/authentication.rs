//! Every way to authenticate, and everything that can go wrong with it.

use futures_util::future::join_all;
use sealift_store::{BlobBody, ErrorKind, LinkOutcome};

use super::peer::{BASIC, PASSWORD, Peer, Reply, reply};
use super::{CONTENT, blob, digest, name, source, target};
use crate::client::auth::Scopes;

fn bearer(peer: &Peer, scope: &str) -> String {
    format!(r#"Bearer realm="{}/token",service="the service",scope="{scope}""#, peer.url())
}

fn challenge(peer: &Peer) -> Reply {
    reply(401).header("www-authenticate", bearer(peer, "")).error("UNAUTHORIZED", "who are you")
}

fn token(token: &str) -> Reply {
    reply(200).body(format!(r#"{{"token":"{token}"}}"#))
}

fn size() -> Reply {
    reply(200).body(CONTENT)
}

const PULL: &str = "GET /token?service=the+service&scope=repository%3Aa%2Fb%3Apull";
const PUSH: &str = "GET /token?service=the+service&scope=repository%3Aa%2Fb%3Apull%2Cpush";

#[tokio::test]
async fn an_open_registry_sees_no_credentials() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    peer.on(&blob("HEAD"), size());
    assert_eq!(source(&peer.user()).stat_blob(&digest()).await.unwrap(), 10);
    assert!(peer.finish().iter().all(|seen| seen.authorization().is_empty()));
}

#[tokio::test]
async fn basic_is_sent_up_front() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(401).header("www-authenticate", r#"Basic realm="x""#));
    peer.on(&blob("HEAD"), size());
    source(&peer.user()).stat_blob(&digest()).await.unwrap();
    let seen = peer.finish();
    assert_eq!([seen[0].authorization(), seen[1].authorization()], ["", BASIC]);
    assert_eq!(seen[1].header("user-agent"), format!("sealift/{}", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn without_credentials_the_registry_has_the_word() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(401).header("www-authenticate", "Basic realm=x"));
    let refusal =
        reply(401).header("www-authenticate", "Basic realm=x").error("UNAUTHORIZED", "log in first");
    peer.on(&blob("GET"), refusal);
    let error = source(&peer.client()).open_blob(&digest(), 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.to_string().ends_with("it answers 401 UNAUTHORIZED: log in first"), "{error}");
    peer.finish();
}

#[tokio::test]
async fn wrong_credentials_are_sent_once() {
    let peer = Peer::plain().await;
    for request in ["GET /v2/", &blob("HEAD")] {
        peer.on(request, reply(401).header("www-authenticate", "Basic realm=x"));
    }
    let error = source(&peer.user()).stat_blob(&digest()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(!format!("{error:?} {error}").contains(PASSWORD));
    peer.finish();
}

#[tokio::test]
async fn a_token_is_fetched_once_and_kept() {
    for (has_user, sent) in [(false, ""), (true, BASIC)] {
        let peer = Peer::plain().await;
        peer.on("GET /v2/", challenge(&peer));
        peer.on(PULL, reply(200).body(r#"{"access_token":"t1","expires_in":300}"#));
        peer.on(&blob("HEAD"), size());
        peer.on(&blob("HEAD"), size());
        let client = if has_user { peer.user() } else { peer.client() };
        for _ in 0..2 {
            source(&client).stat_blob(&digest()).await.unwrap();
        }
        let seen = peer.finish();
        let authorizations: Vec<_> = seen.iter().map(|it| it.authorization()).collect();
        assert_eq!(authorizations, ["", sent, "Bearer t1", "Bearer t1"]);
    }
}

#[tokio::test]
async fn many_requests_at_once_fetch_one_token() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", challenge(&peer));
    peer.on(PULL, token("t1"));
    for _ in 0..20 {
        peer.on(&blob("HEAD"), size());
    }
    let client = peer.client();
    let all = (0..20).map(|_| {
        let source = source(&client);
        async move { source.stat_blob(&digest()).await.unwrap() }
    });
    join_all(all).await;
    peer.finish();
}

#[tokio::test]
async fn a_token_that_is_refused_in_mid_run_is_renewed() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", challenge(&peer));
    peer.on(PULL, token("t1"));
    peer.on(&blob("HEAD"), size());
    peer.on(&blob("HEAD"), challenge(&peer));
    peer.on(PULL, token("t2"));
    peer.on(&blob("HEAD"), size());
    let source = source(&peer.client());
    for _ in 0..2 {
        source.stat_blob(&digest()).await.unwrap();
    }
    assert_eq!(peer.finish()[5].authorization(), "Bearer t2");

    for number in 3..=4 {
        peer.on(&blob("GET"), challenge(&peer));
        if number == 3 {
            peer.on(PULL, token("t3"));
        }
    }
    let error = source.open_blob(&digest(), 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.to_string().contains("UNAUTHORIZED: who are you"), "{error}");
    peer.finish();
}

#[tokio::test]
async fn a_registry_may_ask_for_credentials_later() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    let wider = bearer(&peer, "repository:a/b:pull repository:base:pull");
    peer.on(&blob("HEAD"), reply(401).header("www-authenticate", wider));
    peer.on(&format!("{PULL}&scope=repository%3Abase%3Apull"), token("t1"));
    peer.on(&blob("HEAD"), size());
    source(&peer.client()).stat_blob(&digest()).await.unwrap();
    assert_eq!(peer.finish()[3].authorization(), "Bearer t1");
}

#[tokio::test]
async fn a_token_service_that_refuses_is_quoted() {
    let large = format!(r#"{{"token":"{}"}}"#, "x".repeat(2 * 1024 * 1024));
    let cases = [
        (reply(401).body(r#"{"details":"incorrect username or password"}"#), ErrorKind::Unauthenticated),
        (reply(403).error("DENIED", "incorrect robot"), ErrorKind::Denied),
        (reply(400).error("UNSUPPORTED", "incorrect scope"), ErrorKind::Unauthenticated),
        (reply(200).body("{}"), ErrorKind::Invalid),
        (reply(200).body(large), ErrorKind::Invalid),
    ];
    for (answer, kind) in cases {
        let peer = Peer::plain().await;
        peer.on("GET /v2/", challenge(&peer));
        peer.on(PULL, answer.clone());
        let error = source(&peer.user()).stat_blob(&digest()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        if kind != ErrorKind::Invalid {
            assert!(error.to_string().contains("token service 127.0.0.1: it answers"), "{error}");
            assert!(error.to_string().contains("incorrect"), "{error}");
        }
        peer.finish();
    }
}

#[tokio::test]
async fn a_realm_elsewhere_by_plain_http_gets_nothing() {
    let (peer, elsewhere) = (Peer::plain().await, Peer::plain().await);
    // Another name is another host, also where it is the same machine.
    let realm = format!(r#"Bearer realm="http://localhost:{}/token""#, elsewhere.address.port());
    peer.on("GET /v2/", reply(401).header("www-authenticate", realm));
    let error = source(&peer.user()).stat_blob(&digest()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    peer.finish();
    elsewhere.finish();
}

/// A token service beside a registry that is spoken to in plain HTTP.
#[tokio::test]
async fn a_realm_at_the_registrys_own_host_may_have_another_port() {
    let (peer, service) = (Peer::plain().await, Peer::plain().await);
    peer.on("GET /v2/", challenge(&service));
    service.on(PULL, token("t1"));
    peer.on(&blob("HEAD"), size());
    source(&peer.user()).stat_blob(&digest()).await.unwrap();
    assert_eq!(service.finish()[0].authorization(), BASIC);
    assert_eq!(peer.finish()[1].authorization(), "Bearer t1");
}

/// Many requests that lose the same token at once get one new one.
#[tokio::test]
async fn many_refusals_at_once_fetch_one_token() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", challenge(&peer));
    peer.on(PULL, token("t1"));
    peer.on(&blob("HEAD"), size());
    let client = peer.client();
    source(&client).stat_blob(&digest()).await.unwrap();
    // Whoever asks for a token asks for the one that all of them get.
    let scopes = Scopes::pull(&name());
    let sent = client.connection.authorize(Some(&scopes)).await.unwrap();
    peer.on(PULL, token("t2"));
    let renewals = (0..20).map(|_| async {
        client.connection.renew(Some(&scopes), &sent, &http::HeaderMap::new()).await.unwrap().unwrap()
    });
    for renewed in join_all(renewals).await {
        assert_eq!(renewed.header().unwrap(), "Bearer t2");
    }
    peer.finish();
}

#[tokio::test]
async fn a_token_service_that_redirects_takes_no_password_along() {
    let (peer, elsewhere) = (Peer::plain().await, Peer::plain().await);
    peer.on("GET /v2/", challenge(&peer));
    peer.on(PULL, reply(307).header("location", format!("{}/token", elsewhere.url())));
    elsewhere.on("GET /token", token("t1"));
    peer.on(&blob("HEAD"), size());
    source(&peer.user()).stat_blob(&digest()).await.unwrap();
    assert_eq!(peer.finish()[1].authorization(), BASIC);
    assert!(elsewhere.finish()[0].authorization().is_empty());
}

#[tokio::test]
async fn a_refusal_is_denied() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    peer.on(&blob("GET"), reply(403).error("DENIED", "not yours"));
    let error = source(&peer.user()).open_blob(&digest(), 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains(&format!("a/b@{}", digest())), "{error}");
    peer.finish();
}

#[tokio::test]
async fn a_stream_that_loses_its_token_may_be_tried_once_more() {
    let peer = Peer::plain().await;
    let target = target(&peer.user());
    peer.on("GET /v2/", challenge(&peer));
    for (number, kind) in [(1, ErrorKind::Unavailable), (2, ErrorKind::Unauthenticated)] {
        peer.on(PUSH, token(&format!("t{number}")));
        peer.on("POST /v2/a/b/blobs/uploads/", reply(202).header("location", "/u"));
        peer.on("PATCH /u", challenge(&peer));
        let mut upload = target.begin_upload(None).await.unwrap();
        let error = upload.append(BlobBody::from(bytes::Bytes::from_static(CONTENT))).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(peer.finish().last().unwrap().authorization(), format!("Bearer t{number}"));
    }
}

/// Nobody was named, so asking for new credentials would be in vain.
#[tokio::test]
async fn a_stream_that_wants_a_user_is_refused_where_there_is_none() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    peer.on("POST /v2/a/b/blobs/uploads/", reply(202).header("location", "/u"));
    peer.on("PATCH /u", reply(401).header("www-authenticate", "Basic realm=x"));
    let mut upload = target(&peer.client()).begin_upload(None).await.unwrap();
    let error = upload.append(BlobBody::from(bytes::Bytes::from_static(CONTENT))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    assert!(error.to_string().ends_with("it answers 401"), "{error}");
    peer.finish();
}

#[tokio::test]
async fn a_mount_goes_without_the_right_that_is_not_given() {
    let from = "c".parse().unwrap();
    let both = format!("{PUSH}&scope=repository%3Ac%3Apull");
    let mount = format!("POST /v2/a/b/blobs/uploads/?mount={}&from=c", digest());
    for (answer, tokens) in [(token("both"), 1), (reply(401).error("DENIED", "not that one"), 2)] {
        let peer = Peer::plain().await;
        peer.on("GET /v2/", challenge(&peer));
        peer.on(&both, answer);
        if tokens == 2 {
            peer.on(PUSH, token("own"));
        }
        peer.on(&mount, reply(201));
        let outcome = target(&peer.user()).link_blob(&digest(), &from).await.unwrap();
        assert!(matches!(outcome, LinkOutcome::Linked));
        let expected = if tokens == 2 { "Bearer own" } else { "Bearer both" };
        assert_eq!(peer.finish().last().unwrap().authorization(), expected);
    }
}

#[tokio::test]
async fn nothing_prints_a_secret() {
    let peer = Peer::plain().await;
    let client = peer.user();
    peer.on("GET /v2/", challenge(&peer));
    peer.on(PUSH, token("secret-token"));
    peer.on("POST /v2/a/b/blobs/uploads/", reply(202).header("location", "/u?_state=secret-state"));
    let upload = target(&client).begin_upload(None).await.unwrap();
    let target = target(&client);
    let printed = format!("{client:#?} {target:?} {upload:?} {:?} {:?}", client.connection.config, name());
    let authenticator = format!("{:?}", client.connection.authenticator);
    for secret in [PASSWORD, "secret-token", "secret-state", &BASIC[6..]] {
        assert!(!printed.contains(secret), "{printed}");
        assert!(!authenticator.contains(secret), "{authenticator}");
    }
    peer.finish();
}

/// What the registry asks for → the token service's answer, the registry's answer, what comes of it.
#[tokio::test]
async fn a_login_asks_for_no_repository() {
    const NOTHING: &str = "GET /token?service=the+service";
    let cases = [
        (Some(200), 200, None),
        (Some(401), 0, Some(ErrorKind::Unauthenticated)),
        (Some(403), 0, Some(ErrorKind::Denied)),
        (None, 200, None),
        (None, 401, Some(ErrorKind::Unauthenticated)),
        (None, 403, Some(ErrorKind::Denied)),
    ];
    for (service, registry, expected) in cases {
        let peer = Peer::plain().await;
        let basic = || reply(401).header("www-authenticate", "Basic realm=x");
        peer.on("GET /v2/", if service.is_some() { challenge(&peer) } else { basic() });
        match service {
            Some(200) => peer.on(NOTHING, token("t1")),
            Some(status) => peer.on(NOTHING, reply(status)),
            None => {}
        }
        match registry {
            0 => {}
            401 => peer.on("GET /v2/", basic()),
            status => peer.on("GET /v2/", reply(status)),
        }
        let error = peer.user().authenticate().await.err();
        assert_eq!(error.as_ref().map(|it| it.kind()), expected, "{service:?} {registry}");
        assert!(!format!("{error:?}").contains(PASSWORD));
        let seen = peer.finish();
        assert_eq!(seen[1].authorization(), BASIC);
    }
}

#[tokio::test]
async fn a_login_at_an_open_registry_shows_no_credentials() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    peer.on("GET /v2/", reply(200));
    peer.user().authenticate().await.unwrap();
    assert!(peer.finish().iter().all(|seen| seen.authorization().is_empty()));
}
