//! The client and the server together are a place like any other.

use std::net::SocketAddr;
use std::sync::Arc;

use sealift_store::{DirectoryStore, MemoryStore, Store, conformance};
use sealift_testbed::docker_registry::{DockerRegistry, RegistryOptions};
use sealift_testbed::htpasswd::write_htpasswd;
use sealift_testbed::tls::{Authority, Flaw};
use tokio::net::TcpListener;

use super::peer::PASSWORD;
use crate::client::{ClientConfig, Credentials, RegistryClient, Secret};
use crate::server::{RunningServer, Server, ServerConfig};

async fn serve(store: Arc<dyn Store>) -> RunningServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Server::new(store, ServerConfig::default()).serve(listener).unwrap()
}

fn client(address: SocketAddr) -> Arc<dyn Store> {
    Arc::new(RegistryClient::new(address.to_string().parse().unwrap(), ClientConfig::default()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_place_in_memory() {
    let server = serve(Arc::new(MemoryStore::new("memory"))).await;
    conformance::all(&client(server.local_addr())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(directory.path()).unwrap();
    let server = serve(Arc::new(store)).await;
    conformance::all(&client(server.local_addr())).await;
}

/// The registry that clients of every kind agree with.
#[tokio::test(flavor = "multi_thread")]
async fn over_docker_registry() {
    let registry = DockerRegistry::start(&RegistryOptions::default()).await.unwrap();
    conformance::all(&client(registry.address())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_docker_registry_with_tls_and_a_password() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path()).unwrap();
    let server = authority.server(Flaw::None).unwrap();
    let htpasswd = write_htpasswd(directory.path(), &[("user", PASSWORD)]).unwrap();
    let options = RegistryOptions {
        tls: Some((server.certificate, server.key)),
        htpasswd: Some(htpasswd),
        ..RegistryOptions::default()
    };
    let registry = DockerRegistry::start(&options).await.unwrap();
    let credentials = Credentials::Basic { username: "user".to_owned(), password: Secret::new(PASSWORD) };
    let ca_files = vec![std::fs::read(authority.certificate()).unwrap()];
    let config = ClientConfig { credentials, ca_files, ..ClientConfig::default() };
    let client = RegistryClient::new(registry.address().to_string().parse().unwrap(), config).unwrap();
    conformance::push_and_pull(&client).await;
    conformance::linking(&client).await;
}
