//! Servers that repeat what they were told in confidence, in the forms in which servers write, whole or cut.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sealift_store::ErrorKind;
use url::form_urlencoded;

use super::peer::{Peer, Reply, reply};
use super::{blob, digest, source};
use crate::client::{ClientConfig, Credentials, RegistryClient, Secret};
use crate::wire::ERROR_BODY_LIMIT;

/// Long, and with everything that is written otherwise somewhere, or that words are cut at.
const PASSWORD: &str = "tr0=ub4?dor$&\"3\"  it's-a/long+one\\%41 #with:every;thing<in>it, é";
const TOKEN: &str = "t0k3n/of+the=guard?that-nobody-must-see";

fn client(peer: &Peer) -> RegistryClient {
    let credentials = Credentials::Basic { username: "user".to_owned(), password: Secret::new(PASSWORD) };
    peer.client_with(ClientConfig { credentials, plain_http: true, ..peer.config() })
}

fn percent(secret: &str) -> String {
    secret.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// All forms of one secret that is sent as it is.
fn forms(secret: &str) -> Vec<String> {
    let json = serde_json::to_string(secret).unwrap();
    vec![
        secret.to_owned(),
        secret.split_whitespace().collect::<Vec<_>>().join(" "),
        json.trim_matches('"').to_owned(),
        form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        percent(secret),
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ]
}

fn told_in_confidence() -> Vec<String> {
    let pair = STANDARD.encode(format!("user:{PASSWORD}"));
    [
        forms(PASSWORD),
        vec![pair.clone(), percent(&pair), form_urlencoded::byte_serialize(pair.as_bytes()).collect()],
    ]
    .concat()
}

/// Says what of a secret stands in an error: any eight characters of it, or its first four.
fn leak(error: &sealift_store::Error, secrets: &[String]) -> Option<String> {
    let text = format!("{error} {error:?}");
    let parts = secrets.iter().flat_map(|secret| {
        let chars: Vec<char> = secret.chars().collect();
        let mut parts: Vec<String> = chars.windows(8).map(|part| part.iter().collect()).collect();
        // Four characters of a form that has three for each tell only of one.
        parts.extend((!chars[..4].contains(&'%')).then(|| chars[..4].iter().collect()));
        parts
    });
    parts.into_iter().find(|part| text.contains(part.as_str())).map(|part| format!("{part} in {text}"))
}

/// Where the secret stands in the message.
fn messages(secret: &str) -> Vec<String> {
    let cut: String = secret.chars().take(11).collect();
    vec![
        format!("no {secret} is not it"),
        format!("no {secret}"),
        // Cut here, or by the server.
        format!("{}{secret}", "x ".repeat(143)),
        format!("no {cut}... is not it"),
        format!("no {}", cut.chars().take(4).collect::<String>()),
    ]
}

/// The bodies in which services tell an error.
fn replies(status: u16, message: &str) -> Vec<Reply> {
    let loose = |name: &str| reply(status).body(serde_json::json!({ name: message }).to_string());
    let escaped =
        serde_json::json!({"message": message}).to_string().replace('=', "\\u003d").replace('/', "\\/");
    vec![
        reply(status).error("UNAUTHORIZED", message),
        reply(status).error(message, "it is the code"),
        loose("details"),
        reply(status).body(escaped),
    ]
}

fn challenge(peer: &Peer, scheme: &str) -> Reply {
    reply(401).header("www-authenticate", format!(r#"{scheme} realm="{}/token",service="s""#, peer.url()))
}

const QUERY: &str = "GET /token?service=s&scope=repository%3Aa%2Fb%3Apull";

#[tokio::test]
async fn a_token_service_that_repeats_the_password_is_not_quoted_with_it() {
    let secrets = told_in_confidence();
    for message in secrets.iter().flat_map(|secret| messages(secret)) {
        for refusal in replies(401, &message) {
            let peer = Peer::plain().await;
            peer.on("GET /v2/", challenge(&peer, "Bearer"));
            peer.on(QUERY, refusal);
            let error = source(&client(&peer)).stat_blob(&digest()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
            assert_eq!(leak(&error, &secrets), None, "{message}");
            peer.finish();
        }
    }
}

/// The form is repeated as it came, by a service that knows no other way.
#[tokio::test]
async fn a_form_that_is_repeated_is_not_quoted() {
    let peer = Peer::plain().await;
    peer.on("GET /v2/", challenge(&peer, "Bearer"));
    peer.on(QUERY, reply(404));
    let password: String = form_urlencoded::byte_serialize(PASSWORD.as_bytes()).collect();
    let words = format!("bad form grant_type=password&username=user&password={password}");
    peer.on("POST /token", reply(401).body(serde_json::json!({"error_description": words}).to_string()));
    let error = source(&client(&peer)).stat_blob(&digest()).await.unwrap_err();
    assert!(error.to_string().contains("bad form"), "{error}");
    assert_eq!(leak(&error, &told_in_confidence()), None);
    peer.finish();
}

#[tokio::test]
async fn a_registry_that_repeats_the_password_is_not_quoted_with_it() {
    let secrets = told_in_confidence();
    for message in secrets.iter().flat_map(|secret| messages(secret)) {
        let peer = Peer::plain().await;
        peer.on("GET /v2/", challenge(&peer, "Basic"));
        peer.on(&blob("GET"), reply(403).error("DENIED", &message));
        let error = source(&client(&peer)).open_blob(&digest(), 0).await.unwrap_err();
        assert_eq!(leak(&error, &secrets), None, "{message}");
        peer.finish();
    }
}

#[tokio::test]
async fn a_registry_that_repeats_the_token_is_not_quoted_with_it() {
    for message in messages(TOKEN) {
        for refusal in replies(403, &message) {
            let peer = Peer::plain().await;
            peer.on("GET /v2/", challenge(&peer, "Bearer"));
            peer.on(QUERY, reply(200).body(serde_json::json!({"token": TOKEN}).to_string()));
            peer.on(&blob("GET"), refusal);
            let error = source(&client(&peer)).open_blob(&digest(), 0).await.unwrap_err();
            assert_eq!(leak(&error, &[TOKEN.to_owned()]), None, "{message}");
            peer.finish();
        }
    }
}

/// What was cut where no more of a body is read may still be words: nothing of the password is left there.
#[tokio::test]
async fn the_end_of_what_is_read_keeps_nothing() {
    for kept in [4, 10, 20] {
        let head = r#"{"errors":[{"code":"DENIED","message":""#;
        let filler = "x".repeat(ERROR_BODY_LIMIT - head.len() - kept);
        let peer = Peer::plain().await;
        peer.on("GET /v2/", challenge(&peer, "Basic"));
        peer.on(&blob("GET"), reply(403).body(format!(r#"{head}{filler}{PASSWORD}"}}]}}"#)));
        let error = source(&client(&peer)).open_blob(&digest(), 0).await.unwrap_err();
        assert_eq!(leak(&error, &told_in_confidence()), None);
        peer.finish();
    }
}

#[tokio::test]
async fn a_proxy_that_repeats_its_password_is_not_quoted_with_it() {
    let secrets = [forms(PASSWORD), vec![STANDARD.encode(format!("user:{PASSWORD}"))]].concat();
    for message in secrets.iter().flat_map(|secret| messages(secret)) {
        let peer = Peer::plain().await;
        peer.on("GET http://registry.example/v2/", reply(200));
        peer.on(
            &blob("GET").replace("/v2/", "http://registry.example/v2/"),
            reply(403).error("DENIED", &message),
        );
        let proxy = format!("http://user:{}@{}", percent(PASSWORD), peer.address).parse().unwrap();
        let proxies = crate::client::ProxyConfig { http: Some(proxy), ..Default::default() };
        let config = ClientConfig { plain_http: true, proxies, ..peer.config() };
        let client = RegistryClient::new("registry.example".parse().unwrap(), config).unwrap();
        let error = source(&client).open_blob(&digest(), 0).await.unwrap_err();
        assert_eq!(leak(&error, &secrets), None, "{message}");
        peer.finish();
    }
}
