//! Repositories that must be made first: what a push says of it, and how they are made.

use std::time::{Duration, SystemTime};

use sealift_store::{ErrorKind, Operation};

use super::peer::{BASIC, PASSWORD, Peer, Reply, reply};
use super::target;
use crate::client::{Amazon, AmazonKeys, ClientConfig, Created, RegistryClient, Secret};

const PROJECTS: &str = "POST /api/v2.0/projects";

fn harbor(peer: &Peer) -> Reply {
    let realm = format!(r#"Bearer realm="{}/service/token",service="harbor-registry""#, peer.url());
    reply(401).header("www-authenticate", realm).error("UNAUTHORIZED", "unauthorized")
}

async fn create(answers: Vec<Reply>) -> (Peer, sealift_store::Result<Created>) {
    let peer = Peer::plain().await;
    for _ in 0..2 {
        peer.on("GET /v2/", harbor(&peer));
    }
    for answer in answers {
        peer.on(PROJECTS, answer);
    }
    let created = peer.user().create_repository(&super::name(), None).await;
    (peer, created)
}

#[tokio::test]
async fn a_project_of_harbor_is_made() {
    for (status, expected) in [(201, Created::Made), (409, Created::Existed)] {
        let (peer, created) = create(vec![reply(status)]).await;
        assert_eq!(created.unwrap(), expected);
        let seen = peer.finish().remove(2);
        assert_eq!((seen.authorization(), seen.header("content-type")), (BASIC, "application/json"));
        let wish: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
        assert_eq!((&wish["project_name"], &wish["public"]), (&"a".into(), &false.into()));
    }
}

#[tokio::test]
async fn who_may_make_no_project_is_told_so() {
    for (answer, kind) in [
        (reply(401).error("UNAUTHORIZED", "who are you"), ErrorKind::Unauthenticated),
        (reply(403).error("FORBIDDEN", "not you"), ErrorKind::Denied),
        (reply(404), ErrorKind::NotFound),
        (reply(307).header("location", "/elsewhere"), ErrorKind::Invalid),
        (reply(500), ErrorKind::Unavailable),
    ] {
        let (peer, created) = create(vec![answer]).await;
        let error = created.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (kind, Operation::CreateRepository));
        assert!(error.to_string().contains("cannot make repository a/b: "), "{error}");
        assert!(!format!("{error:?}").contains(PASSWORD));
        peer.finish();
    }
}

#[tokio::test]
async fn other_registries_make_them_on_push() {
    for answer in [reply(200), reply(401).header("www-authenticate", "Basic realm=x")] {
        let peer = Peer::plain().await;
        for _ in 0..2 {
            peer.on("GET /v2/", answer.clone());
        }
        assert_eq!(peer.user().create_repository(&super::name(), None).await.unwrap(), Created::OnPush);
        peer.finish();
    }
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    peer.on("GET /v2/", reply(200).header("x-harbor-csrf-token", "x"));
    peer.on(PROJECTS, reply(201));
    assert_eq!(peer.user().create_repository(&super::name(), None).await.unwrap(), Created::Made);
    peer.finish();
}

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SESSION: &str = "s3ss10n-s3ss10n";

/// A client for Amazon's registry, which is at a private address here, so that its API may be, too.
fn ecr(registry: &str) -> RegistryClient {
    let resolve = vec![(registry.to_owned(), [127, 0, 0, 1].into())];
    let now = || SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
    let config = ClientConfig { resolve, now, ..ClientConfig::default() };
    RegistryClient::new(registry.parse().unwrap(), config).unwrap()
}

fn amazon(endpoint: &str, session: Option<&str>) -> Amazon {
    let keys = AmazonKeys {
        id: "AKIDEXAMPLE".to_owned(),
        secret: Secret::new(KEY),
        session: session.map(Secret::new),
    };
    Amazon { keys, endpoint: Some(endpoint.to_owned()) }
}

#[tokio::test]
async fn a_repository_of_ecr_is_made_by_a_signed_request() {
    let there = r#"{"__type":"com.amazonaws#RepositoryAlreadyExistsException","message":"it exists"}"#;
    for (answer, session, expected, signed) in [
        (reply(200).body("{}"), None, Created::Made, "content-type;host;x-amz-date;x-amz-target"),
        (
            reply(400).body(there),
            Some(SESSION),
            Created::Existed,
            "content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
        ),
    ] {
        let peer = Peer::plain().await;
        peer.on("POST /", answer);
        let made = ecr(ECR).create_repository(&super::name(), Some(&amazon(&peer.url(), session))).await;
        assert_eq!(made.unwrap(), expected);
        let seen = peer.finish().remove(0);
        let target = "AmazonEC2ContainerRegistry_V20150921.CreateRepository";
        let names = ["x-amz-target", "content-type", "x-amz-date", "x-amz-security-token"];
        let values = [target, "application/x-amz-json-1.1", "20150830T123600Z", session.unwrap_or_default()];
        assert_eq!(names.map(|name| seen.header(name)), values);
        let scope = "AKIDEXAMPLE/20150830/eu-west-1/ecr/aws4_request";
        let begin = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={signed}, Signature=");
        let signature = seen.authorization().strip_prefix(&begin).unwrap();
        assert!(signature.len() == 64 && signature.bytes().all(|it| it.is_ascii_hexdigit()), "{signature}");
        let wish: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
        assert_eq!(wish, serde_json::json!({"registryId": "123456789012", "repositoryName": "a/b"}));
    }
}

#[tokio::test]
async fn amazons_refusals_are_told_apart() {
    for (status, name, kind) in [
        (400, "AccessDeniedException", ErrorKind::Denied),
        (400, "UnrecognizedClientException", ErrorKind::Unauthenticated),
        (400, "InvalidSignatureException", ErrorKind::Unauthenticated),
        (400, "ExpiredTokenException", ErrorKind::Unauthenticated),
        (400, "ThrottlingException", ErrorKind::Busy),
        (400, "LimitExceededException", ErrorKind::NoSpace),
        (400, "InvalidParameterException", ErrorKind::Invalid),
        (403, "", ErrorKind::Denied),
        (404, "", ErrorKind::NotFound),
    ] {
        let peer = Peer::plain().await;
        let body = serde_json::json!({"__type": name, "message": format!("{KEY} and {SESSION} say no")});
        peer.on("POST /", reply(status).body(body.to_string()));
        let made =
            ecr(ECR).create_repository(&super::name(), Some(&amazon(&peer.url(), Some(SESSION)))).await;
        let error = made.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (kind, Operation::CreateRepository), "{name}");
        let words = format!("cannot make repository a/b: Amazon's API answers {status}: {name}");
        assert!(error.to_string().contains(&words), "{error}");
        assert!(!format!("{error:?}").contains(KEY) && !format!("{error:?}").contains(SESSION), "{error:?}");
        peer.finish();
    }
}

#[tokio::test]
async fn without_keys_the_command_is_told_and_nothing_is_sent() {
    for (registry, words) in [
        (
            ECR,
            "no keys for Amazon's API are given; by hand: aws ecr create-repository --registry-id 123456789012",
        ),
        ("public.ecr.aws", "by hand: aws ecr-public create-repository"),
    ] {
        let error = ecr(registry).create_repository(&super::name(), None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(words), "{error}");
    }
    for endpoint in ["http://elsewhere.example/", "ftp://127.0.0.1/", "nowhere"] {
        let made = ecr(ECR).create_repository(&super::name(), Some(&amazon(endpoint, None))).await;
        assert_eq!(made.unwrap_err().kind(), ErrorKind::Invalid, "{endpoint}");
    }
}

/// Harbor says 401 of a project that is not there, also to who may push elsewhere.
#[tokio::test]
async fn what_harbor_does_not_tell_apart_is_told() {
    for (is_harbor, words) in [
        (
            true,
            "it answers 401 UNAUTHORIZED: unauthorized (Harbor answers so, too, where the project is not there)",
        ),
        (false, "it answers 401 UNAUTHORIZED: unauthorized"),
    ] {
        let peer = Peer::plain().await;
        let service = if is_harbor { "harbor-registry" } else { "another" };
        let realm = format!(r#"Bearer realm="{}/service/token",service="{service}""#, peer.url());
        let refused =
            || reply(401).header("www-authenticate", realm.clone()).error("UNAUTHORIZED", "unauthorized");
        let token = format!("GET /service/token?service={service}&scope=repository%3Aa%2Fb%3Apull%2Cpush");
        peer.on("GET /v2/", refused());
        for _ in 0..2 {
            peer.on(&token, reply(200).body(r#"{"token":"0123456789"}"#));
            peer.on("POST /v2/a/b/blobs/uploads/", refused());
        }
        let error = target(&peer.user()).begin_upload(None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert!(error.to_string().ends_with(words), "{error}");
        peer.finish();
    }
}

#[tokio::test]
async fn a_push_says_what_has_to_be_made_first() {
    let ecr = "The repository with name 'a/b' does not exist in the registry with id '123'";
    for (code, message, words) in [
        ("NAME_UNKNOWN", ecr, "(the repository has to be made there first)"),
        ("NOT_FOUND", "project a not found", "(the project has to be made there first)"),
        ("NAME_UNKNOWN", "project not found", "(the project has to be made there first)"),
    ] {
        let peer = Peer::plain().await;
        peer.on("GET /v2/", reply(200));
        peer.on("POST /v2/a/b/blobs/uploads/", reply(404).error(code, message));
        let error = target(&peer.client()).begin_upload(None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().ends_with(words), "{error}");
        peer.finish();
    }
}
