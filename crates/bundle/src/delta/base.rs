//! The plain bytes of content that a delta builds on, which are read in runs and never all kept, unless one run is all.

use std::borrow::Cow;
use std::io::{self, BufReader, Read};

use async_trait::async_trait;
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use futures_util::StreamExt as _;
use sealift_oci::Digest;
use sealift_store::{BlobBody, ByteStream, Error, ErrorKind, Operation, Result, verified};
use tokio::runtime::Handle;

use super::decode::DeltaError;
use super::parameters::{DeltaBase, Run};

/// How a gzip stream begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Opens what deltas build on.
#[async_trait]
pub(crate) trait OpenBase: Send + Sync + 'static {
    /// Opens content from its first byte on, and tells its size.
    async fn open(&self, digest: &Digest) -> Result<(BlobBody, u64)>;
}

/// What gives runs of the plain bytes of bases, one behind the other.
pub(super) trait Runs {
    /// Reads runs, which are put together.
    fn read(&mut self, runs: &[Run]) -> std::result::Result<Cow<'_, [u8]>, DeltaError>;
}

/// All plain bytes of bases, one behind the other.
pub(super) struct Joined<'a> {
    pub(super) plain: &'a [u8],
    /// Where each base begins.
    pub(super) begins: &'a [u64],
}

impl Runs for Joined<'_> {
    fn read(&mut self, runs: &[Run]) -> std::result::Result<Cow<'_, [u8]>, DeltaError> {
        let range = |run: &Run| {
            let start = usize::try_from(self.begins.get(run.base)?.checked_add(run.offset)?).ok()?;
            let end = start.checked_add(usize::try_from(run.size).ok()?)?;
            (end <= self.plain.len()).then_some(start..end)
        };
        let ranges: Vec<_> = runs.iter().map(range).collect::<Option<_>>().ok_or(DeltaError::Base)?;
        let is_one = ranges.iter().zip(ranges.iter().skip(1)).all(|(one, next)| one.end == next.start);
        Ok(match (ranges.first(), ranges.last()) {
            (Some(first), Some(last)) if is_one => Cow::Borrowed(&self.plain[first.start..last.end]),
            _ => Cow::Owned(ranges.iter().flat_map(|range| &self.plain[range.clone()]).copied().collect()),
        })
    }
}

/// Bases that are inflated as they come: a run that lies behind the one before is read on to, and for one that lies
/// before it the base is opened again. Only for threads that may block.
pub(super) struct Streams<O> {
    open: O,
    bases: Vec<DeltaBase>,
    handle: Handle,
    /// The first base, if it was opened already.
    first: Option<(BlobBody, u64)>,
    current: Option<Current>,
}

/// The base that is being read, and how far it is.
struct Current {
    base: usize,
    at: u64,
    plain: Plain,
}

impl<O: OpenBase> Streams<O> {
    pub(super) fn new(open: O, bases: Vec<DeltaBase>, first: Option<(BlobBody, u64)>) -> Self {
        Self { open, bases, handle: Handle::current(), first, current: None }
    }

    /// Returns the base at that place, if nothing behind it was read yet.
    fn at(&mut self, run: &Run) -> std::result::Result<&mut Current, DeltaError> {
        let is_before = |it: &Current| it.base == run.base && it.at <= run.offset;
        if !self.current.as_ref().is_some_and(is_before) {
            self.current = None;
            let digest = self.bases.get(run.base).ok_or(DeltaError::Base)?.digest;
            let (body, size) = match self.first.take().filter(|_| run.base == 0) {
                Some(opened) => opened,
                None => self.handle.block_on(self.open.open(&digest))?,
            };
            let plain = Plain::new(body, digest, size, self.handle.clone())?;
            self.current = Some(Current { base: run.base, at: 0, plain });
        }
        let current = self.current.as_mut().ok_or(DeltaError::Base)?;
        let before = run.offset - current.at;
        current.at +=
            io::copy(&mut current.plain.by_ref().take(before), &mut io::sink()).map_err(unreadable)?;
        Ok(current)
    }
}

impl<O> Streams<O> {
    /// Where the last byte of a base was read, nothing follows, and its digest was the right one.
    fn check_end(&mut self) -> std::result::Result<(), DeltaError> {
        let is_at_end = |it: &&mut Current| self.bases.get(it.base).is_some_and(|base| base.plain == it.at);
        let Some(current) = self.current.as_mut().filter(is_at_end) else { return Ok(()) };
        match current.plain.read(&mut [0]).map_err(unreadable)? {
            0 => Ok(()),
            _ => Err(DeltaError::Base),
        }
    }
}

impl<O: OpenBase> Runs for Streams<O> {
    fn read(&mut self, runs: &[Run]) -> std::result::Result<Cow<'_, [u8]>, DeltaError> {
        let size = runs.iter().fold(0, |sum: u64, run| sum.saturating_add(run.size));
        let mut all = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        for run in runs {
            let current = self.at(run)?;
            let read = current.plain.by_ref().take(run.size).read_to_end(&mut all).map_err(unreadable)?;
            current.at += read as u64;
            if read as u64 != run.size {
                return Err(DeltaError::Base);
            }
            self.check_end()?;
        }
        Ok(Cow::Owned(all))
    }
}

/// The plain bytes of content, whatever its form, whose digest is checked at their end.
pub(super) struct Plain {
    /// Whether they come as gzip.
    pub(super) is_gzip: bool,
    bytes: Box<dyn Read + Send>,
}

impl Plain {
    /// Begins to read content that must have this digest and size.
    pub(super) fn new(body: BlobBody, digest: Digest, size: u64, handle: Handle) -> Result<Self> {
        let stream = verified(body, digest, size).into_stream();
        let mut pieces = Pieces { handle, stream, piece: Bytes::new() };
        let mut head = Vec::new();
        pieces.by_ref().take(GZIP.len() as u64).read_to_end(&mut head).map_err(in_full)?;
        let is_gzip = head == GZIP;
        let all = BufReader::new(io::Cursor::new(head).chain(pieces));
        let bytes: Box<dyn Read + Send> =
            if is_gzip { Box::new(MultiGzDecoder::new(all)) } else { Box::new(all) };
        Ok(Self { is_gzip, bytes })
    }
}

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

/// Pieces that come from elsewhere, as a reader.
struct Pieces {
    handle: Handle,
    stream: ByteStream,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.handle.block_on(self.stream.next()) {
                Some(piece) => self.piece = piece.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

fn unreadable(error: io::Error) -> DeltaError {
    DeltaError::Unreadable(in_full(error))
}

/// Says what could not be read: what the place said, or that the bytes are none that can be inflated.
pub(super) fn in_full(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => {
            let reason = format_args!("what a delta builds on cannot be inflated: {error}");
            Error::new(ErrorKind::Invalid, Operation::FetchBlob).because(reason)
        }
    }
}
