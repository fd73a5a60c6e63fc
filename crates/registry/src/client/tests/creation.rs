//! Repositories that must be made first: what a push says of it, and how they are made.

use sealift_store::{ErrorKind, Operation};

use super::peer::{BASIC, PASSWORD, Peer, Reply, reply};
use super::target;
use crate::client::{ClientConfig, Created, RegistryClient};

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
    let created = peer.user().create_repository(&super::name()).await;
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
        assert_eq!(peer.user().create_repository(&super::name()).await.unwrap(), Created::OnPush);
        peer.finish();
    }
    let peer = Peer::plain().await;
    peer.on("GET /v2/", reply(200));
    peer.on("GET /v2/", reply(200).header("x-harbor-csrf-token", "x"));
    peer.on(PROJECTS, reply(201));
    assert_eq!(peer.user().create_repository(&super::name()).await.unwrap(), Created::Made);
    peer.finish();
}

#[tokio::test]
async fn ecr_takes_no_credentials_of_a_registry_for_it() {
    let registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com".parse().unwrap();
    let client = RegistryClient::new(registry, ClientConfig::default()).unwrap();
    let error = client.create_repository(&super::name()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("aws ecr create-repository --registry-id 123456789012"), "{error}");
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
        let error = target(&peer.client()).begin_upload().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().ends_with(words), "{error}");
        peer.finish();
    }
}
