//! Room for the pieces of one upload that the transport holds until they are written: as many as keep it busy, where
//! it would take 400 KiB for each upload.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many pieces are held at the same time. Four of 64 KiB moved as fast as no limit did, and with sixteen uploads
/// at once took 4 MB less.
const PIECES: usize = 4;

/// The room of one upload.
pub(super) struct Room {
    all: Arc<Semaphore>,
    /// What the next piece takes, when there is room for it.
    next: Option<OwnedSemaphorePermit>,
    waiting: Option<BoxFuture<'static, Option<OwnedSemaphorePermit>>>,
}

/// A piece in its room, which is free again when this is dropped.
struct Held {
    piece: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Room {
    pub(super) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(PIECES)), next: None, waiting: None }
    }

    /// Waits until there is room for one more piece.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.next.is_none() {
            let all = &self.all;
            let waiting = self.waiting.get_or_insert_with(|| {
                let all = Arc::clone(all);
                // Nobody closes it.
                Box::pin(async move { all.acquire_owned().await.ok() })
            });
            self.next = ready!(waiting.poll_unpin(context));
            self.waiting = None;
        }
        Poll::Ready(())
    }

    /// Puts a piece into the room that was waited for.
    pub(super) fn hold(&mut self, piece: Bytes) -> Bytes {
        match self.next.take() {
            Some(room) => Bytes::from_owner(Held { piece, _room: room }),
            None => piece,
        }
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("free", &self.all.available_permits()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test]
    async fn a_piece_waits_until_another_is_written() {
        let mut room = Room::new();
        let mut held = Vec::new();
        for _ in 0..PIECES {
            poll_fn(|context| room.poll(context)).await;
            held.push(room.hold(Bytes::from_static(b"piece")));
        }
        assert_eq!(held[0], "piece");
        assert!(poll_fn(|context| Poll::Ready(room.poll(context))).await.is_pending());
        // A part of a piece is the piece.
        let part = held.pop().unwrap().split_off(3);
        assert!(poll_fn(|context| Poll::Ready(room.poll(context))).await.is_pending());
        drop(part);
        poll_fn(|context| room.poll(context)).await;
        assert!(poll_fn(|context| Poll::Ready(room.poll(context))).await.is_ready(), "it is kept");
    }
}
