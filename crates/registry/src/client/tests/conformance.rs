//! The client and the server together are a place like any other.

use std::net::SocketAddr;
use std::sync::Arc;

use sealift_store::{DirectoryStore, MemoryStore, Store, conformance};
use tokio::net::TcpListener;

use crate::client::{ClientConfig, RegistryClient};
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
