//! One connection of the proxy: each request noted, decided on, and passed or answered.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::body::{Fault, Outgoing, Passing, Watched};
use super::{Action, Entry, RequestHead, Shared};

type AnyBody = BoxBody<Bytes, io::Error>;

/// Serves one connection to its end.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // Without it, small answers wait for the client's acknowledgement of the head.
    let _ = stream.set_nodelay(true);
    let (stream, outgoing) = Watched::new(stream);
    let service = service_fn(|request| answer(request, Arc::clone(&shared), Arc::clone(&outgoing)));
    // A connection that breaks is what the rule asked for, or the client's own affair.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// An error closes the connection without an answer.
async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    outgoing: Arc<Outgoing>,
) -> io::Result<Response<AnyBody>> {
    let (entry, action) = shared.arrived(head_of(&request));
    let (fault, request_fault) = faults_of(&action);
    let way_back = WayBack { shared: &shared, entry: &entry, outgoing: &outgoing, fault };
    match action {
        Action::Close => Err(io::ErrorKind::ConnectionAborted.into()),
        Action::Reset => {
            outgoing.reset_at_end();
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Action::Stall => std::future::pending().await,
        Action::LoseAnswer => way_back.forward(request, request_fault).await.and(Err(lost())),
        Action::Respond { status, headers, body } => way_back.respond(status, &headers, body, request).await,
        _ => way_back.forward(request, request_fault).await,
    }
}

/// What happens to the body of the answer, and to that of the request.
fn faults_of(action: &Action) -> (Fault, Fault) {
    match *action {
        Action::CutBodyAfter(end) => (Fault::CutAfter(end), Fault::None),
        Action::ResetBodyAfter(end) => (Fault::ResetAfter(end), Fault::None),
        Action::StallBodyAfter(end) => (Fault::StallAfter(end), Fault::None),
        Action::FlipBit(at) => (Fault::FlipAt(at), Fault::None),
        Action::CutRequestAfter(end) => (Fault::None, Fault::CutAfter(end)),
        Action::StallRequestAfter(end) => (Fault::None, Fault::StallAfter(end)),
        Action::FlipRequestBit(at) => (Fault::None, Fault::FlipAt(at)),
        _ => (Fault::None, Fault::None),
    }
}

fn lost() -> io::Error {
    io::Error::other("the answer is lost here")
}

fn head_of(request: &Request<Incoming>) -> RequestHead {
    RequestHead {
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().map(str::to_owned),
        headers: request.headers().clone(),
        earlier: 0,
    }
}

/// How an answer gets back to the client.
struct WayBack<'a> {
    shared: &'a Shared,
    entry: &'a Entry,
    outgoing: &'a Arc<Outgoing>,
    fault: Fault,
}

impl WayBack<'_> {
    async fn forward(self, request: Request<Incoming>, fault: Fault) -> io::Result<Response<AnyBody>> {
        let upstream = match Upstream::connect(self.shared.upstream).await {
            Ok(upstream) => upstream,
            Err(error) => {
                let text = format!("the proxy cannot reach the upstream: {error}\n");
                return self.respond(502, &[], Bytes::from(text), request).await;
            }
        };
        let Upstream { mut sender, outgoing, running } = upstream;
        let request = request.map(|body| Passing::new(body, fault, &self.entry.request_bytes, &outgoing, ()));
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        self.entry.status.store(response.status().as_u16(), Ordering::SeqCst);
        let mut response = response.map(|body| self.pass(body, running));
        self.redirect_to_proxy(response.headers_mut());
        Ok(response)
    }

    async fn respond(
        self,
        status: u16,
        headers: &[(String, String)],
        body: Bytes,
        request: Request<Incoming>,
    ) -> io::Result<Response<AnyBody>> {
        // A server that answers an upload without reading it resets the connection, and the client may then
        // lose the answer too. What the rule wants to be seen has to be seen.
        let mut unread = request.into_body();
        while let Some(Ok(_)) = unread.frame().await {}
        let mut response = Response::new(self.pass(Full::new(body), AbortOnDrop(None)));
        *response.status_mut() = StatusCode::from_u16(status).map_err(io::Error::other)?;
        for (name, value) in headers {
            let name = HeaderName::try_from(name).map_err(io::Error::other)?;
            response.headers_mut().append(name, HeaderValue::try_from(value).map_err(io::Error::other)?);
        }
        self.entry.status.store(status, Ordering::SeqCst);
        Ok(response)
    }

    fn pass<B>(&self, body: B, guard: AbortOnDrop) -> AnyBody
    where
        B: http_body::Body<Data = Bytes> + Send + Sync + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        BoxBody::new(Passing::new(body, self.fault, &self.entry.response_bytes, self.outgoing, guard))
    }

    fn redirect_to_proxy(&self, headers: &mut HeaderMap) {
        let Some(location) = headers.get(LOCATION).and_then(|value| value.to_str().ok()) else { return };
        let Some(rest) = location.strip_prefix(&format!("http://{}", self.shared.upstream)) else { return };
        if let Ok(value) = HeaderValue::try_from(format!("http://{}{rest}", self.shared.address)) {
            headers.insert(LOCATION, value);
        }
    }
}

/// A connection to the upstream, for one request.
struct Upstream<B> {
    sender: SendRequest<B>,
    outgoing: Arc<Outgoing>,
    running: AbortOnDrop,
}

impl<B> Upstream<B>
where
    B: http_body::Body<Data = Bytes, Error = io::Error> + Send + 'static,
{
    async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (stream, outgoing) = Watched::new(stream);
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await.map_err(io::Error::other)?;
        let running = tokio::spawn(async {
            // Its errors come out of the request or of the body.
            let _ = connection.await;
        });
        Ok(Self { sender, outgoing, running: AbortOnDrop(Some(running)) })
    }
}

/// The task that drives an upstream connection, where there is one; it ends with the answer's body.
struct AbortOnDrop(Option<JoinHandle<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
