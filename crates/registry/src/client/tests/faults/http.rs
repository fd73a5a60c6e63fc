//! The least of HTTP/1.1 that a server needs, written by hand: one that is made of a library cannot lie about
//! lengths, double its headers, or stop in the middle of them.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }
}

/// An answer that keeps to the rules; a fault may be made of it.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Of an answer to HEAD, which has no body.
    pub(super) is_head: bool,
}

impl Answered {
    pub(super) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), is_head: false }
    }

    pub(super) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(super) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// An error of the protocol.
    pub(super) fn error(status: u16, code: &str) -> Self {
        let body = serde_json::json!({"errors": [{"code": code, "message": "said the script"}]});
        Self::new(status).header("Content-Type", "application/json").body(body.to_string())
    }

    /// Writes the head with `headers` and the body behind it.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {} Said\r\nConnection: close\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        if !self.is_head {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

/// What goes out, and how it ends.
#[derive(Debug)]
pub(super) enum Output {
    /// These bytes, and the connection is closed.
    Bytes(Vec<u8>),
    /// These bytes, and then others without an end.
    Endless(Vec<u8>),
    /// These bytes, and then nothing more on an open connection.
    Stalled(Vec<u8>),
}

/// Serves one request on each connection. Returns the port.
pub(super) async fn serve(
    acceptor: Option<TlsAcceptor>,
    answer: impl Fn(Asked) -> Output + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answer, acceptor) = (Arc::clone(&answer), acceptor.clone());
            tokio::spawn(async move {
                // A client that hangs up, or that does not trust the certificate, is no concern of a server.
                let _ = match acceptor {
                    None => exchange(stream, answer.as_ref()).await,
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => exchange(stream, answer.as_ref()).await,
                        Err(error) => Err(error),
                    },
                };
            });
        }
    });
    port
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    answer: &(impl Fn(Asked) -> Output + Sync),
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let Some(asked) = read(&mut stream).await? else { return Ok(()) };
    let stream = stream.get_mut();
    match answer(asked) {
        Output::Bytes(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        Output::Endless(bytes) => {
            stream.write_all(&bytes).await?;
            let chunk = [&b"4000\r\n"[..], &[b' '; 0x4000], b"\r\n"].concat();
            loop {
                stream.write_all(&chunk).await?;
            }
        }
        Output::Stalled(bytes) => {
            stream.write_all(&bytes).await?;
            stream.flush().await?;
            // Until the client has had enough.
            stream.read(&mut [0; 1]).await.map(drop)
        }
    }
}

async fn read(stream: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<Option<Asked>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_ascii_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut asked = Asked { method, target, headers: Vec::new(), body: Vec::new() };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        asked.headers.push((name.to_owned(), value.trim().to_owned()));
    }
    assert_eq!(asked.header("transfer-encoding"), "", "every body that the client sends has a length");
    let length = asked.header("content-length").parse().unwrap_or_default();
    asked.body = vec![0; length];
    stream.read_exact(&mut asked.body).await?;
    Ok(Some(asked))
}
