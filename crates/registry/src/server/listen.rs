//! Connections: how many, how long, and how they end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::access::{Record, Recorded};
use super::connection::Connection;
use super::request::HEADER_LINES;
use super::stall::Impatient;
use super::{Shared, router, tls};

/// How long accepting rests after a failure. Running out of file descriptors is the usual one, and only
/// time helps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a client may take to hear that its idle connection ends.
const FAREWELL: Duration = Duration::from_secs(5);

/// The most requests at once on one HTTP/2 connection; the specification asks for no fewer than 100
/// (RFC 9113, section 6.5.2).
const STREAMS_LIMIT: u32 = 100;
/// How much of an upload may be under way on one HTTP/2 stream, in bytes; a line of 100 ms then carries
/// 10 MB a second.
const STREAM_WINDOW: u32 = 1024 * 1024;
/// The same for all streams of a connection.
const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;

/// How much longer than its bound a head may be and still be read, so that who sent it gets an answer with a body, and a
/// line in the log. Beyond that, the protocol's own code refuses it.
const HEAD_ROOM: usize = 2;

/// How much of an answer waits on one HTTP/2 stream for its client, in bytes: beyond this, the pieces that are read from
/// the store wait, as they do with HTTP/1.1.
const SEND_BUFFER: usize = 64 * 1024;

/// A server that runs. Dropping it breaks off what is under way and stops.
#[derive(Debug)]
pub struct RunningServer {
    local_addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl RunningServer {
    pub(super) fn start(shared: Arc<Shared>, listener: TcpListener) -> io::Result<Self> {
        let local_addr = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(accept_all(shared, listener, stopped));
        Ok(Self { local_addr, stop: Some(stop), task })
    }

    /// Returns the address it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Accepts no more, lets the requests under way end, and breaks off those that take longer than
    /// `patience`. Returns whether all of them ended.
    pub async fn shutdown(mut self, patience: Duration) -> bool {
        // Nobody listens any more where the task has ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        tokio::time::timeout(patience, &mut self.task).await.is_ok()
    }
}

impl Drop for RunningServer {
    /// The task owns the connections, so they end with it.
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connections beyond the bound wait: one of each listener here, the others in the system's queue. A slot is taken
/// only for who is there, since all listeners share the slots.
async fn accept_all(shared: Arc<Shared>, listener: TcpListener, mut stopped: oneshot::Receiver<()>) {
    // Connections hear of the stop by this side's end.
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut waiting: Option<(TcpStream, SocketAddr)> = None;
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if waiting.is_none() => match accepted {
                Ok(accepted) => waiting = Some(accepted),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Ok(slot) = Arc::clone(&shared.slots).acquire_owned(), if waiting.is_some() => {
                let Some((stream, peer)) = waiting.take() else { continue };
                // Small answers follow small requests here; waiting to fill a packet only delays them.
                let _ = stream.set_nodelay(true);
                let connection = serve(Arc::clone(&shared), stream, peer, stopping.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
        }
    }
    drop((listener, stop, waiting));
    while connections.join_next().await.is_some() {}
}

/// Serves one connection. How it failed is the client's to know: requests that were read have their records.
async fn serve(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr, stopping: watch::Receiver<()>) {
    let Some(tls) = shared.config.tls.clone() else {
        let connection = Connection::new(shared, peer, false);
        return serve_http1(connection, stream, stopping).await;
    };
    let acceptor = TlsAcceptor::from(tls.config(Instant::now()));
    let handshake = tokio::time::timeout(shared.config.header_timeout, acceptor.accept(stream));
    let Ok(Ok(stream)) = handshake.await else { return };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(tls::ALPN_H2);
    let connection = Connection::new(shared, peer, true);
    if is_http2 {
        serve_http2(connection, stream, stopping).await;
    } else {
        serve_http1(connection, stream, stopping).await;
    }
}

async fn serve_http1<S>(connection: Arc<Connection>, stream: S, stopping: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = &connection.shared.config;
    let stream = TokioIo::new(Impatient::new(stream, config.stall_timeout));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .max_headers(HEAD_ROOM * HEADER_LINES)
        .max_header_size(HEAD_ROOM * config.header_limit);
    let answering = Arc::clone(&connection);
    let service = service_fn(move |request| router::answer(Arc::clone(&answering), request));
    // The protocol has its own bound for who asks nothing.
    let ended = converse(http.serve_connection(stream, service), None, stopping).await;
    if let Err(error) = ended {
        Record::unreadable(connection, &error);
    }
}

/// Answers one request of an HTTP/2 connection when there is room for it.
async fn answer_stream(
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<Recorded>, Infallible> {
    // Nobody closes the semaphore.
    let room = Arc::clone(&connection.shared.streams).acquire_owned().await.ok();
    let response = router::answer(connection, request).await?;
    Ok(response.map(|body| body.holding(room)))
}

/// Nothing of this protocol says that a client is idle, so that is watched beside it.
async fn serve_http2<S>(connection: Arc<Connection>, stream: S, stopping: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = &connection.shared.config;
    let stream = TokioIo::new(Impatient::new(stream, config.stall_timeout));
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(HEAD_ROOM * config.header_limit).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS_LIMIT)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(config.header_timeout)
        .keep_alive_timeout(config.header_timeout);
    let answering = Arc::clone(&connection);
    let service = service_fn(move |request| answer_stream(Arc::clone(&answering), request));
    let http = http.serve_connection(stream, service);
    // What cannot be read there, the protocol's own frames tell the client.
    let _ = converse(http, Some(&connection), stopping).await;
}

/// Serves until the client leaves, does nothing any more, or the server stops. In the last two cases the client is told
/// that nothing new is taken (by GOAWAY, where the protocol has that), and what is under way may end.
async fn converse<C: GracefulConnection>(
    http: C,
    watched: Option<&Connection>,
    mut stopping: watch::Receiver<()>,
) -> Result<(), C::Error> {
    let mut http = std::pin::pin!(http);
    tokio::select! {
        ended = http.as_mut() => return ended,
        () = idle(watched) => {}
        _ = stopping.changed() => {}
    }
    http.as_mut().graceful_shutdown();
    let too_long = async {
        idle(watched).await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        ended = http => ended,
        () = too_long => Ok(()),
    }
}

async fn idle(watched: Option<&Connection>) {
    match watched {
        Some(connection) => connection.idle().await,
        None => std::future::pending().await,
    }
}
