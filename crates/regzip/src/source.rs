//! A stream that is read once, and kept as long as somebody has to compare with it.

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};

use crate::identify::IdentifyError;

/// How many bytes are read at a time.
const PIECE: usize = 128 << 10;
/// How many plain bytes are inflated at a time.
const PLAIN: usize = 256 << 10;
/// The most bytes that are kept: no known encoder writes so much later than the bytes come that tell it.
const MAX_KEPT: usize = 32 << 20;

/// The bytes of a stream from the first that is still needed.
pub(crate) struct Source<R> {
    reader: R,
    kept: Vec<u8>,
    /// Where in the stream the kept bytes begin.
    base: u64,
    /// How many of the kept bytes are taken.
    taken: usize,
}

impl<R> Source<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, kept: Vec::new(), base: 0, taken: 0 }
    }

    /// What was read and not taken.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.kept[self.taken..]
    }

    /// Takes bytes that were read.
    pub(crate) fn skip(&mut self, len: usize) {
        self.taken = (self.taken + len).min(self.kept.len());
    }

    /// How many bytes of the stream are taken.
    pub(crate) fn at(&self) -> u64 {
        self.base + self.taken as u64
    }

    /// What was read from a place of the stream on; it must not be released.
    pub(crate) fn from(&self, at: u64) -> &[u8] {
        let start = at.checked_sub(self.base).and_then(|it| usize::try_from(it).ok());
        start.and_then(|it| self.kept.get(it..)).unwrap_or_default()
    }

    /// Forgets what was taken and lies before a place of the stream.
    pub(crate) fn release(&mut self, before: Option<u64>) {
        let before = before.unwrap_or(u64::MAX).min(self.at());
        let len = usize::try_from(before.saturating_sub(self.base)).unwrap_or(usize::MAX).min(self.taken);
        self.kept.drain(..len);
        self.taken -= len;
        self.base += len as u64;
    }
}

impl<R: Read> Source<R> {
    /// Reads more; false at the end of the stream.
    pub(crate) fn fill(&mut self) -> io::Result<bool> {
        let len = self.kept.len();
        self.kept.resize(len + PIECE, 0);
        let read = loop {
            match self.reader.read(&mut self.kept[len..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.kept.truncate(len + read.as_ref().map_or(0, |it| (*it).min(PIECE)));
        Ok(read? > 0)
    }
}

/// Inflates one raw DEFLATE stream.
pub(crate) struct Inflater {
    state: Decompress,
    plain: Vec<u8>,
    done: bool,
}

impl Inflater {
    pub(crate) fn new() -> Self {
        Self { state: Decompress::new(false), plain: vec![0; PLAIN], done: false }
    }

    /// Begins with the next stream.
    pub(crate) fn begin(&mut self) {
        self.state.reset(false);
        self.done = false;
    }

    /// Whether the stream has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// How many plain bytes came so far.
    pub(crate) fn plain(&self) -> u64 {
        self.state.total_out()
    }

    /// The next plain bytes; none only at the end.
    pub(crate) fn next<R: Read>(&mut self, source: &mut Source<R>) -> Result<&[u8], IdentifyError> {
        let mut len = 0;
        while len == 0 && !self.done {
            if source.rest().is_empty() {
                if source.kept.len() > MAX_KEPT {
                    return Err(IdentifyError::NoEncoder);
                }
                if !source.fill()? {
                    return Err(IdentifyError::Damaged("it ends within a member"));
                }
            }
            let (read, written) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(source.rest(), &mut self.plain, FlushDecompress::None);
            let status = status.map_err(|_| IdentifyError::Damaged("it cannot be inflated"))?;
            // Both are bounded by what was handed over.
            source.skip((self.state.total_in() - read) as usize);
            len = (self.state.total_out() - written) as usize;
            self.done = status == Status::StreamEnd;
            if len == 0 && self.state.total_in() == read && !self.done && !source.rest().is_empty() {
                return Err(IdentifyError::Damaged("it cannot be inflated"));
            }
        }
        Ok(&self.plain[..len])
    }
}
