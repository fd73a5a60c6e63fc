//! One connection, as every request on it sees it, and how long it may do nothing.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use sealift_store::lock;
use tokio::time::{Instant, sleep_until};

use super::Shared;

/// What the requests of a connection share.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) peer: SocketAddr,
    pub(super) is_secure: bool,
    activity: Mutex<Activity>,
}

#[derive(Debug)]
struct Activity {
    /// Requests whose handlers are at work; these have bounds of their own.
    handled: usize,
    /// Answers on their way.
    sent: usize,
    /// When something last went on.
    last: Instant,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, peer: SocketAddr, is_secure: bool) -> Arc<Self> {
        shared.metrics.connected();
        let activity = Mutex::new(Activity { handled: 0, sent: 0, last: Instant::now() });
        Arc::new(Self { shared, peer, is_secure, activity })
    }

    /// Returns who is at the other end.
    pub(super) fn address(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    pub(super) fn begin_request(&self) {
        self.note(|activity| activity.handled += 1);
    }

    /// The handler has answered.
    pub(super) fn begin_answer(&self) {
        self.note(|activity| {
            activity.handled = activity.handled.saturating_sub(1);
            activity.sent += 1;
        });
    }

    pub(super) fn end_request(&self, was_answered: bool) {
        self.note(|activity| {
            let count = if was_answered { &mut activity.sent } else { &mut activity.handled };
            *count = count.saturating_sub(1);
        });
    }

    /// A piece of an answer was taken.
    pub(super) fn progress(&self) {
        self.note(|_| {});
    }

    fn note(&self, change: impl FnOnce(&mut Activity)) {
        let mut activity = lock(&self.activity);
        change(&mut activity);
        activity.last = Instant::now();
    }

    /// Ends when the client has asked for nothing, or taken nothing of what it asked for, for too long. HTTP/2
    /// needs this: there a client takes nothing by leaving its windows shut, and no write ever waits.
    pub(super) async fn idle(&self) {
        loop {
            let (until, is_at_work) = self.deadline();
            if !is_at_work && until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }

    fn deadline(&self) -> (Instant, bool) {
        let config = &self.shared.config;
        let activity = lock(&self.activity);
        if activity.handled > 0 {
            return (Instant::now() + config.stall_timeout, true);
        }
        let patience = if activity.sent > 0 { config.stall_timeout } else { config.header_timeout };
        (activity.last + patience, false)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.metrics.disconnected();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{Server, ServerConfig};
    use sealift_store::MemoryStore;
    use std::time::Duration;

    fn connection() -> Arc<Connection> {
        let config = ServerConfig {
            header_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(60),
            ..ServerConfig::default()
        };
        let server = Server::new(Arc::new(MemoryStore::new("memory")), config);
        Connection::new(server.shared, ([127, 0, 0, 1], 1).into(), true)
    }

    async fn idle_after(connection: &Connection) -> u64 {
        let begin = Instant::now();
        connection.idle().await;
        begin.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_does_nothing_ends() {
        let connection = connection();
        assert_eq!(idle_after(&connection).await, 10);
        connection.begin_request();
        let handled = tokio::time::timeout(Duration::from_secs(1000), connection.idle()).await;
        assert!(handled.is_err(), "a handler is at work");
        connection.begin_answer();
        assert_eq!(idle_after(&connection).await, 60);
        connection.progress();
        assert_eq!(idle_after(&connection).await, 60);
        connection.end_request(true);
        assert_eq!(idle_after(&connection).await, 10);
    }
}
