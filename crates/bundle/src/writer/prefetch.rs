//! What comes of blobs that wait for their turn: a volume has one writer, and one file, or a pipe, has one volume. So
//! that those who wait are not idle, their beginnings are taken into memory, which is bounded for all of them together.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::{StreamExt, stream};
use sealift_store::{ByteStream, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How much is kept of all blobs that wait, in bytes: some of their pieces, and small next to what a run may take.
pub(super) const LIMIT: usize = 4 * 1024 * 1024;

/// The memory for what waits.
#[derive(Debug)]
pub(super) struct Prefetch {
    room: Arc<Semaphore>,
}

/// A piece, and the room that it takes.
type Kept = (Result<Bytes>, Option<OwnedSemaphorePermit>);

impl Prefetch {
    pub(super) fn new(limit: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(limit)) }
    }

    /// Waits for a turn, and takes meanwhile what comes of a body, as long as there is room. Returns the body as it was.
    pub(super) async fn until<T>(
        &self,
        turn: impl Future<Output = T>,
        mut body: ByteStream,
    ) -> (T, ByteStream) {
        let (mut turn, mut kept) = (pin!(turn), Vec::new());
        let turn = loop {
            let (piece, waiting) = match select(turn, body.next()).await {
                Either::Left((turn, _)) => break turn,
                Either::Right((piece, waiting)) => (piece, waiting),
            };
            turn = waiting;
            let Some(kept_piece) = piece.map(|piece| self.keep(piece)) else { break turn.await };
            // Behind an error nothing comes, and what has no room any more is the last one.
            let is_last = kept_piece.1.is_none();
            kept.push(kept_piece);
            if is_last {
                break turn.await;
            }
        };
        // Each piece gives its room back as it goes.
        let kept = stream::iter(kept).map(|(piece, _room): Kept| piece);
        (turn, kept.chain(body).boxed())
    }

    fn keep(&self, piece: Result<Bytes>) -> Kept {
        let size = piece.as_ref().map_or(u32::MAX, |piece| u32::try_from(piece.len()).unwrap_or(u32::MAX));
        let room = Arc::clone(&self.room).try_acquire_many_owned(size).ok();
        (piece, room)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use sealift_store::{Error, ErrorKind, Operation};

    use super::*;

    /// A body of ten pieces of ten bytes, the last of which is an error if it `breaks`, and how many were taken.
    fn body(breaks: bool) -> (ByteStream, Arc<AtomicUsize>) {
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&taken);
        let piece = move |number: u8| {
            counted.fetch_add(1, Ordering::Relaxed);
            match number {
                9 if breaks => Err(Error::new(ErrorKind::Unavailable, Operation::FetchBlob)),
                _ => Ok(Bytes::from(vec![number; 10])),
            }
        };
        (stream::iter(0..10).map(piece).boxed(), taken)
    }

    #[tokio::test]
    async fn what_waits_is_taken_as_long_as_there_is_room_and_nothing_is_lost() {
        for (room, breaks, expected) in
            [(0, false, 1), (35, false, 4), (90, false, 10), (1000, false, 10), (1000, true, 10)]
        {
            let prefetch = Prefetch::new(room);
            let (body, taken) = body(breaks);
            let (begin, turn) = tokio::sync::oneshot::channel();
            let mut waiting = pin!(prefetch.until(turn, body));
            assert!(waiting.as_mut().now_or_never().is_none());
            assert_eq!(taken.load(Ordering::Relaxed), expected, "{room}");
            begin.send("turn").unwrap();
            let (turn, body) = waiting.await;
            assert_eq!(turn, Ok("turn"));
            let pieces: Vec<_> = body.collect().await;
            assert_eq!((pieces.len(), pieces[9].is_err()), (10, breaks), "{room}");
            let in_order = |(number, piece): (usize, &Result<Bytes>)| match piece {
                Ok(piece) => piece.iter().all(|byte| usize::from(*byte) == number),
                Err(_) => number == 9,
            };
            assert!(pieces.iter().enumerate().all(in_order));
            assert_eq!(prefetch.room.available_permits(), room, "what is gone gives its room back");
        }
    }

    #[tokio::test]
    async fn who_need_not_wait_takes_nothing() {
        let (body, taken) = body(false);
        let (_, body) = Prefetch::new(1000).until(async {}, body).await;
        assert_eq!(taken.load(Ordering::Relaxed), 0);
        assert_eq!(body.count().await, 10);
    }
}
