//! A line that one can make slow, lossy or broken: a TCP proxy that knows nothing of what it carries.
//!
//! It suits TLS and bench runs, and faults that a connection suffers rather than a request; for those see
//! [`http_proxy`](crate::http_proxy). Every connection of a client has one of its own to the upstream.

mod faults;
mod pump;

pub use faults::{Fault, Faults, Kind, When};

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use pump::{Ending, Lane, Pump};

/// A TCP proxy, until the value is dropped; then its connections break.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    line: Arc<Line>,
    accepting: JoinHandle<()>,
}

/// What has passed a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// The connections that clients have opened.
    pub connections: usize,
    /// The bytes that went to the upstream.
    pub to_upstream: u64,
    /// The bytes that went to clients.
    pub to_client: u64,
}

#[derive(Debug)]
struct Line {
    upstream: SocketAddr,
    faults: Faults,
    connections: AtomicUsize,
    to_upstream: Arc<Lane>,
    to_client: Arc<Lane>,
}

impl TcpProxy {
    /// Starts a proxy in front of `upstream`, in good order.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let line = Arc::new(Line {
            upstream,
            faults: Faults::default(),
            connections: AtomicUsize::new(0),
            to_upstream: Arc::default(),
            to_client: Arc::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&line)));
        Ok(Self { address, line, accepting })
    }

    /// Returns where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the handle by which faults are made.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.line.faults
    }

    /// Returns what has passed so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            connections: self.line.connections.load(Ordering::SeqCst),
            to_upstream: self.line.to_upstream.passed(),
            to_client: self.line.to_client.passed(),
        }
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, line: Arc<Line>) {
    // Dropped with this task, and the connections with it.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let number = line.connections.fetch_add(1, Ordering::SeqCst);
        let line = Arc::clone(&line);
        connections.spawn(async move { line.carry(client, number).await });
        while connections.try_join_next().is_some() {}
    }
}

impl Line {
    /// Carries one connection to its end. What breaks on either side breaks on the other.
    async fn carry(&self, mut client: TcpStream, number: usize) {
        tokio::time::sleep(2 * self.faults.delay()).await;
        let ending = match TcpStream::connect(self.upstream).await {
            Ok(mut upstream) => self.exchange(&mut client, &mut upstream, number).await,
            Err(_) => Ending::Broken,
        };
        match ending {
            Ending::Closed => {}
            Ending::Broken | Ending::Fault(Kind::Reset) => {
                // With a linger time of zero, closing resets.
                let _ = client.set_zero_linger();
            }
            // Until the proxy is dropped: a client that has said its last word waits for the answer.
            Ending::Fault(Kind::Stall) => std::future::pending().await,
            Ending::Fault(Kind::Close | Kind::FlipBit) => {
                // Closing with unread bytes would reset; so the end is said first, and the client's heard.
                let _ = client.shutdown().await;
                while matches!(client.read(&mut [0; 4096]).await, Ok(1..)) {}
            }
        }
    }

    async fn exchange(&self, client: &mut TcpStream, upstream: &mut TcpStream, number: usize) -> Ending {
        // Whatever the line delays, it delays on purpose.
        let _ = client.set_nodelay(true);
        let _ = upstream.set_nodelay(true);
        let (client_reads, client_writes) = client.split();
        let (upstream_reads, upstream_writes) = upstream.split();
        let up = Pump { lane: &self.to_upstream, faults: &self.faults, connection: None };
        let down = Pump { lane: &self.to_client, faults: &self.faults, connection: Some(number) };
        let (up, down) = (up.run(client_reads, upstream_writes), down.run(upstream_reads, client_writes));
        tokio::pin!(up, down);
        tokio::select! {
            ending = &mut down => ending,
            // A server may answer and close before it has read everything: its answer still counts.
            _ = &mut up => down.await,
        }
    }
}

#[cfg(test)]
mod tests;
