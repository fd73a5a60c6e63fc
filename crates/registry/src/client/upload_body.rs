//! The body of an upload: pieces are passed on as they are, its length is exact, and some things stay
//! visible while the transport owns it: how many bytes went out and when the last of them did, whether its
//! source is what keeps it waiting, and with what error the source broke off.
//!
//! One source may go out as several bodies, one after the other ([`Feed::next`]). A chunk is never kept in
//! memory: of the source's pieces, only what lies behind the end of a chunk waits for the next one.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body::{Body, Frame, SizeHint};
use sealift_store::{BlobBody, ByteStream, Error, ErrorKind, Operation, lock};
use tokio::time::Instant;

use super::room::Room;

/// What is seen of a body from outside.
#[derive(Debug, Default)]
pub(super) struct Progress {
    taken: AtomicU64,
    /// When the transport took the last piece so far.
    last: Mutex<Option<Instant>>,
    /// Whether it has taken all of the body.
    is_whole: AtomicBool,
    is_starved: AtomicBool,
    /// The source's own error: the transport would only say that the body broke.
    failure: Mutex<Option<Error>>,
}

impl Progress {
    /// Returns how many bytes the transport took.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Returns with what the source broke off, once.
    pub(super) fn failure(&self) -> Option<Error> {
        lock(&self.failure).take()
    }

    fn fail(&self, error: Error) {
        *lock(&self.failure) = Some(error);
    }

    fn take(&self, bytes: u64) {
        *lock(&self.last) = Some(Instant::now());
        self.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns once the transport has taken nothing for `limit`, though there was something to take; or once it has
    /// taken all of the body, and `patience` passed without an answer. Tells which of them it was. A source that
    /// gives nothing is its own guard's matter.
    pub(super) async fn stalled(&self, limit: Duration, patience: Duration) -> Duration {
        let began = Instant::now();
        loop {
            let allowed = if self.is_whole.load(Ordering::Relaxed) { patience } else { limit };
            let due = lock(&self.last).map_or(began, |last| last.max(began)) + allowed;
            // A piece that comes after all begins a new wait, so nothing is due before one has passed from now on.
            let is_starved = self.is_starved.load(Ordering::Relaxed);
            let next = if is_starved { Instant::now() + limit } else { due };
            if next <= Instant::now() {
                return allowed;
            }
            tokio::time::sleep_until(next).await;
        }
    }
}

/// What bodies are made of, one after the other.
pub(super) struct Feed {
    source: Arc<Mutex<Source>>,
    progress: Arc<Progress>,
}

/// The lock has one user at a time: the feed is told how long the last body is before it gives the next.
struct Source {
    stream: ByteStream,
    /// What was read beyond the end of the last body.
    rest: Bytes,
    /// How many bytes are still to come, where that is known.
    left: Option<u64>,
    room: Room,
}

/// A body that the transport can send.
pub(super) struct UploadBody {
    source: Arc<Mutex<Source>>,
    left: Option<u64>,
    progress: Arc<Progress>,
}

/// The body ended early; the reason is kept in [`Progress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the source of the upload broke off")]
pub(super) struct BrokenOff;

impl Feed {
    pub(super) fn new(body: BlobBody, progress: &Arc<Progress>) -> Self {
        let left = body.length();
        let source = Source { stream: body.into_stream(), rest: Bytes::new(), left, room: Room::new() };
        Self { source: Arc::new(Mutex::new(source)), progress: Arc::clone(progress) }
    }

    /// Gives a body of the next `limit` bytes, or of as many as are left.
    pub(super) fn next(&self, limit: u64) -> UploadBody {
        let left = lock(&self.source).left.map(|left| left.min(limit));
        self.progress.is_whole.store(left == Some(0), Ordering::Relaxed);
        UploadBody { source: Arc::clone(&self.source), left, progress: Arc::clone(&self.progress) }
    }
}

impl Source {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.rest))));
        }
        self.stream.poll_next_unpin(context)
    }

    /// Takes what of a piece belongs to a body of `length` bytes; `None` where the source gives more than it
    /// announced.
    fn take(&mut self, mut piece: Bytes, length: Option<u64>) -> Option<Bytes> {
        if self.left.is_some_and(|left| (piece.len() as u64) > left) {
            return None;
        }
        if let Some(end) =
            length.and_then(|length| usize::try_from(length).ok()).filter(|it| *it < piece.len())
        {
            self.rest = piece.split_off(end);
        }
        self.left = self.left.map(|left| left - piece.len() as u64);
        Some(self.room.hold(piece))
    }
}

impl UploadBody {
    /// Returns how many bytes are still to come, where that is known.
    pub(super) fn length(&self) -> Option<u64> {
        self.left
    }

    fn pass(&mut self, piece: Bytes) -> Result<Frame<Bytes>, BrokenOff> {
        let piece = lock(&self.source).take(piece, self.left);
        let piece = piece.ok_or_else(|| self.progress.fail(wrong_length("more"))).map_err(|()| BrokenOff)?;
        let length = piece.len() as u64;
        self.left = self.left.map(|left| left - length);
        self.progress.take(length);
        self.progress.is_whole.store(self.is_end_stream(), Ordering::Relaxed);
        Ok(Frame::data(piece))
    }

    fn end(&self) -> Option<Result<Frame<Bytes>, BrokenOff>> {
        if self.left.is_none_or(|left| left == 0) {
            self.progress.is_whole.store(true, Ordering::Relaxed);
            return None;
        }
        self.progress.fail(wrong_length("fewer"));
        Some(Err(BrokenOff))
    }
}

fn wrong_length(which: &str) -> Error {
    Error::new(ErrorKind::Mismatch, Operation::FetchBlob)
        .because(format_args!("it has {which} bytes than were announced"))
}

impl Body for UploadBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = &mut *self;
        if this.is_end_stream() {
            return Poll::Ready(None);
        }
        if lock(&this.source).room.poll(context).is_pending() {
            // It is the transport that writes nothing.
            this.progress.is_starved.store(false, Ordering::Relaxed);
            return Poll::Pending;
        }
        let polled = lock(&this.source).poll(context);
        this.progress.is_starved.store(polled.is_pending(), Ordering::Relaxed);
        Poll::Ready(match ready!(polled) {
            Some(Ok(piece)) => Some(this.pass(piece)),
            Some(Err(error)) => {
                this.progress.fail(error);
                Some(Err(BrokenOff))
            }
            None => this.end(),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map(SizeHint::with_exact).unwrap_or_default()
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("progress", &self.progress).finish_non_exhaustive()
    }
}

impl fmt::Debug for UploadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadBody").field("left", &self.left).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, stream};
    use http_body_util::BodyExt;

    fn body(
        announced: Option<u64>,
        pieces: Vec<sealift_store::Result<Bytes>>,
    ) -> (UploadBody, Arc<Progress>) {
        let progress = Arc::default();
        let body = BlobBody::from_stream(announced, stream::iter(pieces).boxed());
        (Feed::new(body, &progress).next(u64::MAX), progress)
    }

    fn pieces() -> Vec<sealift_store::Result<Bytes>> {
        vec![Ok(Bytes::from_static(b"abc")), Ok(Bytes::from_static(b"de"))]
    }

    #[tokio::test]
    async fn the_length_is_exact() {
        let (body, progress) = body(Some(5), pieces());
        assert_eq!(body.size_hint().exact(), Some(5));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abcde");
        assert_eq!(progress.taken(), 5);
        assert!(progress.failure().is_none());
    }

    #[tokio::test]
    async fn a_wrong_length_is_the_sources_fault() {
        for (announced, taken) in [(4, 3), (6, 5)] {
            let (body, progress) = body(Some(announced), pieces());
            assert_eq!(body.collect().await.unwrap_err(), BrokenOff);
            assert_eq!(progress.failure().unwrap().kind(), ErrorKind::Mismatch);
            assert_eq!(progress.taken(), taken);
        }
        let (body, progress) = body(None, pieces());
        assert_eq!(body.size_hint().exact(), None);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abcde");
        assert!(progress.failure().is_none());
    }

    #[tokio::test]
    async fn the_sources_error_is_kept() {
        let mut pieces = pieces();
        pieces.push(Err(Error::new(ErrorKind::Denied, Operation::FetchBlob).at("source")));
        let (body, progress) = body(Some(50), pieces);
        assert!(body.collect().await.is_err());
        let error = progress.failure().unwrap();
        assert_eq!((error.kind(), error.place()), (ErrorKind::Denied, Some("source")));
    }

    #[tokio::test]
    async fn one_source_goes_out_in_chunks() {
        for limit in 1..7 {
            let progress = Arc::default();
            let feed = Feed::new(BlobBody::from_stream(Some(5), stream::iter(pieces()).boxed()), &progress);
            let mut all = Vec::new();
            while all.len() < 5 {
                let body = feed.next(limit);
                let length = body.length().unwrap();
                assert_eq!(
                    (body.size_hint().exact(), length),
                    (Some(length), limit.min(5 - all.len() as u64))
                );
                let chunk = body.collect().await.unwrap().to_bytes();
                assert_eq!(chunk.len() as u64, length);
                all.extend_from_slice(&chunk);
            }
            assert_eq!((all.as_slice(), progress.taken()), (&b"abcde"[..], 5));
            assert_eq!(feed.next(limit).length(), Some(0));
        }
    }

    #[tokio::test]
    async fn who_writes_nothing_is_to_blame_for_the_stall() {
        let progress = Arc::default();
        let many = stream::repeat_with(|| Ok(Bytes::from_static(b"piece")));
        let mut body = Feed::new(BlobBody::from_stream(None, many.boxed()), &progress).next(u64::MAX);
        let mut held = Vec::new();
        while let Some(Some(piece)) = body.frame().now_or_never() {
            assert!(held.len() < 100, "it never waits");
            held.push(piece.unwrap());
        }
        assert!(!progress.is_starved.load(Ordering::Relaxed));
        held.pop();
        assert!(body.frame().now_or_never().is_some());
    }

    const LIMIT: Duration = Duration::from_secs(60);
    const PATIENCE: Duration = Duration::from_secs(300);

    #[tokio::test(start_paused = true)]
    async fn a_stall_is_seen_unless_the_source_is_to_blame() {
        let (progress, began) = (Progress::default(), Instant::now());
        assert_eq!(progress.stalled(LIMIT, PATIENCE).await, LIMIT);
        assert_eq!(began.elapsed(), LIMIT);

        progress.is_starved.store(true, Ordering::Relaxed);
        let waited = tokio::time::timeout(LIMIT * 10, progress.stalled(LIMIT, PATIENCE)).await;
        assert!(waited.is_err());
    }

    /// A body whose pieces come at these seconds, and the transport that takes them as they come; the last piece
    /// is the end of the body where `is_whole`. Returns for how long nothing came, and when that was seen.
    async fn seen(seconds: &'static [u64], announced: Option<u64>) -> (u64, u64) {
        let began = Instant::now();
        let pieces = stream::iter(seconds).then(move |second| async move {
            tokio::time::sleep_until(began + Duration::from_secs(*second)).await;
            Ok(Bytes::from_static(b"piece"))
        });
        let (progress, count) = (Arc::<Progress>::default(), seconds.len());
        let mut body = Feed::new(BlobBody::from_stream(announced, pieces.boxed()), &progress).next(u64::MAX);
        let transport = async {
            // What was taken is not held, so the room is no matter; and nothing is taken behind the last piece.
            for _ in 0..count {
                body.frame().await.unwrap().unwrap();
            }
            if announced.is_none() {
                assert!(body.frame().await.is_none());
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = transport => unreachable!("it never ends"),
            allowed = progress.stalled(LIMIT, PATIENCE) => (allowed.as_secs(), began.elapsed().as_secs()),
        }
    }

    /// When pieces are taken, and how long the body is → what was waited for, and until when. Time counts from the last
    /// piece; an answer behind the last byte may take longer.
    #[tokio::test(start_paused = true)]
    async fn a_stall_is_counted_from_the_last_piece() {
        let cases: [(&[u64], Option<u64>, u64, u64); 7] = [
            (&[1], Some(50), 60, 61),
            (&[0, 59], Some(50), 60, 119),
            (&[0, 50, 100, 110], Some(50), 60, 170),
            // Meanwhile its source gave nothing.
            (&[0, 1000], Some(50), 60, 1060),
            (&[0, 1000], Some(10), 300, 1300),
            (&[7], Some(5), 300, 307),
            (&[7], None, 300, 307),
        ];
        for (seconds, announced, allowed, at) in cases {
            assert_eq!(seen(seconds, announced).await, (allowed, at), "{seconds:?} {announced:?}");
        }
    }
}
