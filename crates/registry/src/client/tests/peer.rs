//! A server that plays a script: it expects requests in order and gives each its answer. A request that
//! the script does not have fails the test, and so does one that never came.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sealift_store::Backoff;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::client::{ClientConfig, Credentials, RegistryClient, RetryPolicy, Secret};

/// A password that must be seen nowhere.
pub(super) const PASSWORD: &str = "hunter2-hunter2";
/// `user` and [`PASSWORD`].
pub(super) const BASIC: &str = "Basic dXNlcjpodW50ZXIyLWh1bnRlcjI=";

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Seen {
    /// Returns a header's value, or nothing.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn authorization(&self) -> &str {
        self.header("authorization")
    }
}

/// An answer of the script.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Whole,
    /// The connection breaks after the body's bytes, though more were announced.
    Cut,
    /// Nothing comes behind the body's bytes, though more were announced.
    Stalled,
    /// Nothing comes, not even a head.
    Silent,
    /// The connection breaks without an answer.
    Dropped,
}

pub(super) fn reply(status: u16) -> Reply {
    Reply { status, headers: Vec::new(), body: Bytes::new(), ending: Ending::Whole }
}

impl Reply {
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Gives a header that is there already another value.
    pub(super) fn replace(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(it, _)| *it != name);
        self.header(name, value)
    }

    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn error(self, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(super) fn cut(mut self) -> Self {
        self.ending = Ending::Cut;
        self
    }

    pub(super) fn stalled(mut self) -> Self {
        self.ending = Ending::Stalled;
        self
    }

    pub(super) fn silent() -> Self {
        Self { ending: Ending::Silent, ..reply(200) }
    }

    pub(super) fn dropped() -> Self {
        Self { ending: Ending::Dropped, ..reply(200) }
    }
}

#[derive(Debug, Default)]
struct Script {
    left: VecDeque<(String, Reply)>,
    seen: Vec<Seen>,
    failures: Vec<String>,
    plain_connections: usize,
    hangs_up: bool,
}

/// A server with a script.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    script: Arc<Mutex<Script>>,
    is_tls: bool,
    /// The PEM of the authority that signed its certificate.
    pub(super) authority: Vec<u8>,
}

impl Peer {
    /// Starts a server that speaks plain HTTP.
    pub(super) async fn plain() -> Self {
        Self::start(None, Vec::new()).await
    }

    /// Starts a server that speaks plain HTTP and hangs up on whoever begins with TLS.
    pub(super) async fn hanging_up() -> Self {
        let peer = Self::plain().await;
        peer.script.lock().unwrap().hangs_up = true;
        peer
    }

    /// Starts a server that speaks TLS for this machine and `registry.example`, with a certificate of its
    /// own.
    pub(super) async fn tls() -> Self {
        let names = ["localhost", "127.0.0.1", "registry.example"].map(str::to_owned);
        let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        Self::tls_with(config, cert.pem().into_bytes()).await
    }

    /// Starts a server with settings of its own for TLS.
    pub(super) async fn tls_with(config: rustls::ServerConfig, authority: Vec<u8>) -> Self {
        Self::start(Some(TlsAcceptor::from(Arc::new(config))), authority).await
    }

    async fn start(acceptor: Option<TlsAcceptor>, authority: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (script, is_tls) = (Arc::<Mutex<Script>>::default(), acceptor.is_some());
        let shared = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, acceptor.clone(), Arc::clone(&shared)));
            }
        });
        Self { address, script, is_tls, authority }
    }

    /// Returns the root of its URLs, without a slash at the end.
    pub(super) fn url(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.address)
    }

    /// Adds a request, its method and target, and the answer to it.
    pub(super) fn on(&self, request: &str, reply: Reply) {
        self.script.lock().unwrap().left.push_back((request.to_owned(), reply));
    }

    /// Checks that all of the script was played and nothing else, and returns what was seen.
    pub(super) fn finish(&self) -> Vec<Seen> {
        let mut script = self.script.lock().unwrap();
        assert!(script.failures.is_empty(), "{:?}", script.failures);
        let left: Vec<_> = script.left.iter().map(|(request, _)| request).collect();
        assert!(left.is_empty(), "never asked: {left:?}");
        std::mem::take(&mut script.seen)
    }

    /// Returns how many connections of a TLS server began in plain text.
    pub(super) fn plain_connections(&self) -> usize {
        self.script.lock().unwrap().plain_connections
    }

    /// Makes a client for it that knows its scheme.
    pub(super) fn client(&self) -> RegistryClient {
        self.client_with(ClientConfig { plain_http: !self.is_tls, ..self.config() })
    }

    /// Makes a client for it with credentials.
    pub(super) fn user(&self) -> RegistryClient {
        let credentials = Credentials::Basic { username: "user".to_owned(), password: Secret::new(PASSWORD) };
        self.client_with(ClientConfig { credentials, plain_http: !self.is_tls, ..self.config() })
    }

    /// The settings that fit it, but for plain HTTP; quick, because tests are.
    pub(super) fn config(&self) -> ClientConfig {
        let backoff = Backoff { first_wait: Duration::from_millis(1), ..Backoff::default() };
        let retry = RetryPolicy { backoff, ..RetryPolicy::default() };
        let ca_files = if self.is_tls { vec![self.authority.clone()] } else { Vec::new() };
        ClientConfig { retry, ca_files, ..ClientConfig::default() }
    }

    pub(super) fn client_with(&self, config: ClientConfig) -> RegistryClient {
        RegistryClient::new(self.address.to_string().parse().unwrap(), config).unwrap()
    }
}

/// The first byte of a TLS handshake record.
const HANDSHAKE: u8 = 22;

async fn serve(stream: TcpStream, acceptor: Option<TlsAcceptor>, script: Arc<Mutex<Script>>) {
    let mut first = [0];
    let is_tls = stream.peek(&mut first).await.is_ok_and(|count| count == 1) && first[0] == HANDSHAKE;
    match acceptor {
        None if is_tls && script.lock().unwrap().hangs_up => {}
        None => play(stream, script).await,
        Some(_) if !is_tls => script.lock().unwrap().plain_connections += 1,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                play(stream, script).await;
            }
        }
    }
}

async fn play<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, script: Arc<Mutex<Script>>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&script)));
    // A client that hangs up is no concern of the script.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

type Answer = Response<BoxBody<Bytes, io::Error>>;

async fn answer(request: Request<Incoming>, script: Arc<Mutex<Script>>) -> io::Result<Answer> {
    let (head, body) = request.into_parts();
    let line = format!("{} {}", head.method, head.uri);
    let reply = {
        let mut script = script.lock().unwrap();
        match script.left.pop_front() {
            Some((expected, reply)) if expected == line => reply,
            other => {
                script.failures.push(format!("{line} where {:?} was expected", other.map(|it| it.0)));
                reply(418)
            }
        }
    };
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    script.lock().unwrap().seen.push(Seen { headers: head.headers, body });
    respond(reply).await
}

async fn respond(reply: Reply) -> io::Result<Answer> {
    match reply.ending {
        Ending::Silent => std::future::pending().await,
        Ending::Dropped => return Err(io::Error::other("dropped by the script")),
        Ending::Whole | Ending::Cut | Ending::Stalled => {}
    }
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    let whole = Full::new(reply.body.clone()).map_err(|never: Infallible| match never {});
    let body = if reply.ending == Ending::Stalled {
        let pieces = stream::iter([Ok(Frame::data(reply.body))]).chain(stream::pending());
        BodyExt::boxed(StreamBody::new(pieces))
    } else if reply.ending == Ending::Cut {
        let pieces = [Ok(Frame::data(reply.body)), Err(io::Error::other("cut by the script"))];
        // The pause lets the client see the bytes before the end.
        let pieces = stream::iter(pieces).then(|piece| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            piece
        });
        BodyExt::boxed(StreamBody::new(Box::pin(pieces)))
    } else {
        BodyExt::boxed(whole)
    };
    Ok(response.body(body).unwrap())
}
