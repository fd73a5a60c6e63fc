//! Bodies on their way through the proxy: counted, and broken at a byte.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::lock;

/// What happens to a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    CutAfter(u64),
    ResetAfter(u64),
    StallAfter(u64),
    FlipAt(u64),
}

impl Fault {
    /// Returns the offset at which no byte comes any more.
    fn end(self) -> Option<u64> {
        match self {
            Self::CutAfter(end) | Self::ResetAfter(end) | Self::StallAfter(end) => Some(end),
            Self::None | Self::FlipAt(_) => None,
        }
    }
}

/// A body that counts what it passes on, and suffers a [`Fault`].
pub(super) struct Passing<B, G> {
    inner: B,
    fault: Fault,
    position: u64,
    counter: Arc<AtomicU64>,
    /// The connection that the body goes out on.
    outgoing: Arc<Outgoing>,
    /// The number of flushes when the cut was reached.
    flushes_before_cut: Option<u64>,
    /// Dropped with the body.
    _guard: G,
}

impl<B, G> Passing<B, G> {
    pub(super) fn new(
        inner: B,
        fault: Fault,
        counter: &Arc<AtomicU64>,
        outgoing: &Arc<Outgoing>,
        guard: G,
    ) -> Self {
        let (counter, outgoing) = (Arc::clone(counter), Arc::clone(outgoing));
        Self { inner, fault, position: 0, counter, outgoing, flushes_before_cut: None, _guard: guard }
    }

    /// Cuts off what lies behind the end, flips the bit, and counts.
    fn pass(&mut self, mut data: Bytes) -> Bytes {
        if let Some(end) = self.fault.end() {
            data.truncate(usize::try_from(end - self.position).unwrap_or(usize::MAX));
        }
        let next = self.position + data.len() as u64;
        if let Fault::FlipAt(at) = self.fault
            && (self.position..next).contains(&at)
        {
            let mut changed = BytesMut::from(data);
            changed[(at - self.position) as usize] ^= 1;
            data = changed.freeze();
        }
        self.position = next;
        self.counter.fetch_add(data.len() as u64, Ordering::SeqCst);
        data
    }

    /// Fails when everything before the cut has left for the network. The error makes hyper close the
    /// connection at once, without what it still holds back.
    fn poll_cut(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let now = self.outgoing.count();
        let before = *self.flushes_before_cut.get_or_insert(now);
        // First the waker, then the look: a flush between the two must not go unnoticed.
        self.outgoing.wake(context.waker());
        if self.outgoing.count() > before {
            Poll::Ready(io::Error::other("the connection is cut here"))
        } else {
            Poll::Pending
        }
    }
}

impl<B, G> Body for Passing<B, G>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    G: Unpin,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.fault.end() == Some(self.position) {
            return match self.fault {
                Fault::CutAfter(_) => self.poll_cut(context).map(|error| Some(Err(error))),
                Fault::ResetAfter(_) => {
                    self.outgoing.reset_at_end();
                    self.poll_cut(context).map(|error| Some(Err(error)))
                }
                // Nobody wakes it again; it goes with its connection.
                _ => Poll::Pending,
            };
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        Poll::Ready(frame.map(|frame| match frame {
            Ok(frame) => Ok(frame.map_data(|data| self.pass(data))),
            Err(error) => Err(io::Error::other(error)),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && self.fault.end() != Some(self.position)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The way out of a connection.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// How often everything that was written had left for the network.
    count: AtomicU64,
    waker: Mutex<Option<Waker>>,
    resets: AtomicBool,
}

impl Outgoing {
    /// Wants the connection to end with a reset.
    pub(super) fn reset_at_end(&self) {
        self.resets.store(true, Ordering::SeqCst);
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    fn wake(&self, waker: &Waker) {
        *lock(&self.waker) = Some(waker.clone());
    }

    fn flushed(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        if let Some(waker) = lock(&self.waker).take() {
            waker.wake();
        }
    }
}

/// A connection that tells of its flushes. Hyper flushes when its own buffer has been written.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    outgoing: Arc<Outgoing>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.outgoing.resets.load(Ordering::SeqCst) {
            // With a linger time of zero, closing resets.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl Watched {
    pub(super) fn new(stream: TcpStream) -> (Self, Arc<Outgoing>) {
        let outgoing = Arc::new(Outgoing::default());
        (Self { stream, outgoing: Arc::clone(&outgoing) }, outgoing)
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = ready!(Pin::new(&mut self.stream).poll_flush(context));
        self.outgoing.flushed();
        Poll::Ready(done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A friendly end would come before the reset.
        if self.outgoing.resets.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
