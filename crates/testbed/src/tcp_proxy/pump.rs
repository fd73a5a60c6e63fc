//! One direction of a connection: bytes read, held for as long as the line takes, and written.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::faults::{Faults, Kind};

/// The bytes that are read at once.
const CHUNK: usize = 16 * 1024;
/// The chunks that may be on their way: 16 MiB, enough for 1 Gbit/s over 100 ms.
const ON_THE_WAY: usize = 1024;
/// How far a line that was idle may run ahead of its rate; timers have milliseconds, not better.
const BURST: Duration = Duration::from_millis(5);

/// One direction of the whole line: what passed, and when the next byte may.
#[derive(Debug, Default)]
pub(super) struct Lane {
    passed: AtomicU64,
    free: Mutex<Option<Instant>>,
}

impl Lane {
    /// Returns the number of bytes that passed.
    pub(super) fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    /// Waits until `length` more bytes fit into the rate.
    async fn admit(&self, length: usize, rate: Option<u64>) {
        let Some(rate) = rate.filter(|&rate| rate > 0) else { return };
        let until = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let earliest = Instant::now().checked_sub(BURST);
            let start = (*free).max(earliest).unwrap_or_else(Instant::now);
            let until = start + Duration::from_secs_f64(length as f64 / rate as f64);
            *free = Some(until);
            until
        };
        sleep_until(until).await;
    }
}

/// How a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The sender has closed, and so has the receiver's side.
    Closed,
    /// One side is gone in a less friendly way.
    Broken,
    /// A fault ends the whole connection.
    Fault(Kind),
}

/// One direction of one connection.
pub(super) struct Pump<'a> {
    pub(super) lane: &'a Arc<Lane>,
    pub(super) faults: &'a Faults,
    /// The number of the connection, where its faults are wanted: on the way to the client.
    pub(super) connection: Option<usize>,
}

impl Pump<'_> {
    /// Passes everything from `source` to `target`.
    pub(super) async fn run(&self, source: ReadHalf<'_>, target: WriteHalf<'_>) -> Ending {
        let (sender, receiver) = mpsc::channel(ON_THE_WAY);
        let reading = self.read(source, sender);
        let writing = self.write(receiver, target);
        tokio::pin!(reading, writing);
        tokio::select! {
            ending = &mut writing => ending,
            read = &mut reading => match read {
                Ok(()) => writing.await,
                Err(_) => Ending::Broken,
            },
        }
    }

    async fn read(&self, mut source: ReadHalf<'_>, way: mpsc::Sender<(Instant, Vec<u8>)>) -> io::Result<()> {
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            if source.read_buf(&mut chunk).await? == 0 {
                return Ok(());
            }
            self.lane.admit(chunk.len(), self.faults.rate()).await;
            let arrival = Instant::now() + self.faults.delay();
            if way.send((arrival, chunk)).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn write(&self, mut way: mpsc::Receiver<(Instant, Vec<u8>)>, mut target: WriteHalf<'_>) -> Ending {
        let mut position = 0;
        if let Some(kind) = self.end_at(position) {
            return Ending::Fault(kind);
        }
        while let Some((arrival, mut chunk)) = way.recv().await {
            sleep_until(arrival).await;
            let mut rest = chunk.as_mut_slice();
            while !rest.is_empty() {
                let allowed = self.prepare(position, rest);
                let (piece, behind) = rest.split_at_mut(allowed);
                // Before the receiver can have seen them, so that a test may count as soon as it has.
                self.lane.passed.fetch_add(piece.len() as u64, Ordering::SeqCst);
                if target.write_all(piece).await.is_err() {
                    return Ending::Broken;
                }
                position += piece.len() as u64;
                if let Some(kind) = self.end_at(position) {
                    return Ending::Fault(kind);
                }
                rest = behind;
            }
        }
        // The receiver may have closed first.
        let _ = target.shutdown().await;
        Ending::Closed
    }

    /// Flips bits in the part of `bytes` that may pass now, and returns its length.
    fn prepare(&self, position: u64, bytes: &mut [u8]) -> usize {
        let Some(connection) = self.connection else { return bytes.len() };
        let allowed = self.faults.allowed(connection, position, bytes.len());
        self.faults.flip(connection, position, &mut bytes[..allowed]);
        allowed
    }

    fn end_at(&self, position: u64) -> Option<Kind> {
        self.connection.and_then(|connection| self.faults.take_end(connection, position))
    }
}
