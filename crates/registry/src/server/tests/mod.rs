//! The server over a place in memory, asked through real connections.

mod access;
mod bounds;
mod deletes;
mod hostile;
mod operations;
mod page;
mod pull;
mod push;
mod secure;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sealift_oci::RepositoryName;
use sealift_store::{MemoryStore, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{RunningServer, Server, ServerConfig};
use crate::wire::{ErrorBody, ErrorCode};

/// How many codes of the table the specification has.
const SPECIFIED: usize = 14;

/// A server and the store behind it.
struct Fixture {
    store: Arc<dyn Store>,
    running: RunningServer,
}

/// An answer as it came.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: Bytes,
}

impl Reply {
    fn parse(raw: &[u8]) -> Option<Self> {
        let end = raw.windows(4).position(|it| it == b"\r\n\r\n")?;
        let head = String::from_utf8(raw[..end].to_vec()).ok()?;
        let status = head.get(9..12)?.parse().ok()?;
        Some(Self { status, head, body: Bytes::copy_from_slice(&raw[end + 4..]) })
    }

    /// Returns a header's value, or nothing.
    fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(it, _)| it.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .next()
            .unwrap_or_default()
    }

    /// Returns the code of an error, which is one of the specification's where the client is at fault.
    fn code(&self) -> String {
        let Some(body) = ErrorBody::parse(&self.body) else { return String::new() };
        let code = &body.errors[0].code;
        assert!(self.status >= 500 || ErrorCode::ALL[..SPECIFIED].contains(code), "{self:?}");
        code.as_str().to_owned()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Fixture {
    async fn new() -> Self {
        Self::over(Arc::new(MemoryStore::new("memory")), ServerConfig::default()).await
    }

    async fn over(store: Arc<dyn Store>, config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let running = Server::new(Arc::clone(&store), config).serve(listener).unwrap();
        Self { store, running }
    }

    fn addr(&self) -> SocketAddr {
        self.running.local_addr()
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr()).await.unwrap()
    }

    /// Sends bytes as they are and reads until the server closes.
    async fn raw(&self, request: &[u8]) -> Option<Reply> {
        let (mut reader, mut writer) = self.connect().await.into_split();
        let request = request.to_vec();
        // The server may answer, and close, before it has everything.
        let writing = tokio::spawn(async move {
            let _ = writer.write_all(&request).await;
            writer
        });
        let mut raw = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), reader.read_to_end(&mut raw)).await.unwrap();
        writing.abort();
        Reply::parse(&raw)
    }

    /// Sends a request with further header lines and a body.
    async fn ask(&self, method: &str, target: &str, headers: &str, body: &[u8]) -> Reply {
        let length = body.len();
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}");
        if !headers.contains("Content-Length") && !headers.contains("chunked") {
            request.push_str(&format!("Content-Length: {length}\r\n"));
        }
        request.push_str("\r\n");
        self.raw(&[request.as_bytes(), body].concat()).await.unwrap()
    }

    async fn get(&self, target: &str) -> Reply {
        self.ask("GET", target, "", b"").await
    }

    /// Begins an upload in `a` and returns its location.
    async fn begin(&self) -> String {
        let reply = self.ask("POST", "/v2/a/blobs/uploads/", "", b"").await;
        assert_eq!(reply.status, 202, "{reply:?}");
        reply.header("location").to_owned()
    }
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

/// Encodes a body in chunks of seven bytes.
fn chunked(body: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for chunk in body.chunks(7) {
        encoded.extend(format!("{:x}\r\n", chunk.len()).bytes());
        encoded.extend(chunk);
        encoded.extend(b"\r\n");
    }
    encoded.extend(b"0\r\n\r\n");
    encoded
}
