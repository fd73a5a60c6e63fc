//! TLS: what is shown, how it is renewed, and what is spoken over it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use reqwest::{Certificate, Client, Version};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use sealift_store::conformance::fixture;
use sealift_store::{DirectoryStore, MemoryStore, Store};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::{SelfSigned, ServerConfig, Tls};
use super::{Fixture, name};

/// A server that shows a certificate of its own authority.
struct Secure {
    fixture: Fixture,
    files: SelfSigned,
    notices: Arc<Mutex<Vec<String>>>,
    _directory: TempDir,
}

impl Secure {
    async fn new() -> Self {
        Self::with(ServerConfig::default()).await
    }

    async fn with(config: ServerConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(MemoryStore::new("memory"));
        Self::over(store, directory, config).await
    }

    /// The files of a store in memory come in one piece, those of a directory in many.
    async fn in_directory(config: ServerConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("store");
        std::fs::create_dir(&root).unwrap();
        let store = Arc::new(DirectoryStore::open(&root).unwrap());
        Self::over(store, directory, config).await
    }

    async fn over(store: Arc<dyn Store>, directory: TempDir, config: ServerConfig) -> Self {
        let files = prepare(directory.path().join("tls"));
        let notices: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&notices);
        let hear = Arc::new(move |line: &str| heard.lock().unwrap().push(line.to_owned()));
        let tls = Tls::open(&files.certificate(), &files.key(), hear).unwrap();
        fixture::image("x").push(store.as_ref(), &name("a"), Some("t")).await;
        let config = ServerConfig { tls: Some(Arc::new(tls)), ..config };
        let fixture = Fixture::over(store, config).await;
        Self { fixture, files, notices, _directory: directory }
    }

    /// Returns a client that trusts an authority and nobody else.
    fn client(authority: PathBuf) -> reqwest::ClientBuilder {
        let pem = std::fs::read(authority).unwrap();
        Client::builder().no_proxy().tls_certs_only([Certificate::from_pem(&pem).unwrap()])
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.fixture.addr().port())
    }
}

fn prepare(directory: PathBuf) -> SelfSigned {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    SelfSigned::prepare(&directory, &names, SystemTime::now()).unwrap()
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_tls() {
    let secure = Secure::new().await;
    let image = fixture::image("x");
    let layer = &image.manifest.links.blobs[1];
    let both = [
        (Secure::client(secure.files.authority()), Version::HTTP_2),
        (Secure::client(secure.files.authority()).http1_only(), Version::HTTP_11),
    ];
    for (client, version) in both {
        let client = client.build().unwrap();
        let reply = client.get(secure.url("/v2/a/manifests/t")).send().await.unwrap();
        assert_eq!((reply.version(), reply.status().as_u16()), (version, 200));
        assert_eq!(reply.bytes().await.unwrap(), image.manifest.bytes);
        let blob = client.get(secure.url(&format!("/v2/a/blobs/{}", layer.digest))).send().await.unwrap();
        assert_eq!(blob.bytes().await.unwrap().len() as u64, layer.size);
        let url = secure.url(&format!("/v2/b/blobs/uploads/?digest={}", image.manifest.digest()));
        let pushed = client.post(url).body(image.manifest.bytes.clone()).send().await.unwrap();
        assert_eq!(pushed.status().as_u16(), 201, "{version:?}");
    }
}

/// Who reads slowly on many streams takes what many connections would: the next answer waits until there is room.
#[tokio::test]
async fn streams_of_http2_count_like_connections() {
    let secure = Secure::in_directory(ServerConfig { connections: 1, ..ServerConfig::default() }).await;
    // More than lies in windows and buffers.
    let large = fixture::noise("large", 32 * 1024 * 1024);
    let target = secure.fixture.store.target(&name("a")).unwrap();
    let digest = fixture::push_blob(target.as_ref(), &large).await;
    let client = Secure::client(secure.files.authority()).build().unwrap();
    let slow = client.get(secure.url(&format!("/v2/a/blobs/{digest}"))).send().await.unwrap();
    assert_eq!(slow.version(), Version::HTTP_2);
    let waiting = client.get(secure.url("/v2/a/manifests/t")).send();
    tokio::pin!(waiting);
    assert!(
        tokio::time::timeout(Duration::from_millis(300), &mut waiting).await.is_err(),
        "there is no room"
    );
    drop(slow);
    assert_eq!(waiting.await.unwrap().status().as_u16(), 200);
}

/// Speaks HTTP/2 as far as to say hello, and returns the types of the frames that come up to the one wanted, or the end.
async fn frames(secure: &Secure, wanted: u8) -> Vec<u8> {
    let mut stream = connect_http2(secure).await;
    // The preface and settings without a word in them.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut types = Vec::new();
    let mut head = [0; 9];
    while !types.contains(&wanted) && stream.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        stream.read_exact(&mut vec![0; length]).await.unwrap();
        types.push(head[3]);
    }
    types
}

async fn connect_http2(secure: &Secure) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(secure.files.authority()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = "localhost".try_into().unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, secure.fixture.connect().await).await.unwrap()
}

/// Clients that keep connections in store learn that this one is none any more, and send nothing into it.
#[tokio::test]
async fn an_idle_client_of_http2_is_told_that_its_connection_ends() {
    const GOAWAY: u8 = 7;
    let config = ServerConfig { header_timeout: Duration::from_millis(50), ..ServerConfig::default() };
    let idle = Secure::with(config).await;
    assert!(frames(&idle, GOAWAY).await.contains(&GOAWAY));
}

#[tokio::test]
async fn who_speaks_no_tls_or_trusts_nobody_is_not_served() {
    let secure = Secure::new().await;
    assert!(secure.fixture.raw(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").await.is_none());
    let other = tempfile::tempdir().unwrap();
    let stranger = Secure::client(prepare(other.path().to_owned()).authority()).build().unwrap();
    assert!(stranger.get(secure.url("/v2/")).send().await.is_err());
    let client = Secure::client(secure.files.authority()).build().unwrap();
    assert!(client.get(secure.url("/v2/")).send().await.is_ok());
}

/// Waits until a new connection is, or is not, trusted by who trusts `authority`.
async fn shown(secure: &Secure, authority: PathBuf) -> bool {
    let client = Secure::client(authority).pool_max_idle_per_host(0).build().unwrap();
    for _ in 0..100 {
        if client.get(secure.url("/v2/")).send().await.is_ok() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

#[tokio::test]
async fn a_renewed_pair_is_shown_and_a_broken_one_is_not() {
    let secure = Secure::new().await;
    let other = tempfile::tempdir().unwrap();
    let renewed = prepare(other.path().to_owned());
    std::fs::copy(renewed.key(), secure.files.key()).unwrap();
    std::fs::copy(renewed.certificate(), secure.files.certificate()).unwrap();
    assert!(shown(&secure, renewed.authority()).await);
    std::fs::write(secure.files.key(), "broken").unwrap();
    let client = Secure::client(renewed.authority()).pool_max_idle_per_host(0).build().unwrap();
    let is_told = || secure.notices.lock().unwrap().iter().any(|line| line.contains("stays in use"));
    for _ in 0..100 {
        client.get(secure.url("/v2/")).send().await.unwrap();
        if is_told() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{:?}", secure.notices.lock().unwrap());
}
