//! Sealing one entry, piece by piece.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use age::Encryptor;
use age::stream::StreamWriter;
use bytes::{Bytes, BytesMut};
use sealift_store::lock;

use super::Recipient;
use super::layout::{CHUNK, chunks_size};

/// Turns plain pieces into sealed ones.
pub struct Sealer {
    writer: StreamWriter<Outlet>,
    outlet: Outlet,
    /// How many plain bytes are to come.
    left: u64,
}

impl Sealer {
    /// Begins an entry of `plain_size` bytes, and returns how many bytes it will have sealed, exactly.
    ///
    /// # Errors
    /// Where age refuses the recipient.
    pub fn new(recipient: &Recipient, plain_size: u64) -> io::Result<(Self, u64)> {
        let encryptor = Encryptor::with_recipients(std::iter::once(&recipient.0 as _));
        let outlet = Outlet::default();
        // The header and the nonce are written now.
        let writer = encryptor.map_err(io::Error::other)?.wrap_output(outlet.clone())?;
        let head = lock(&outlet.0).now.len() as u64;
        let size = head.saturating_add(chunks_size(plain_size));
        Ok((Self { writer, outlet, left: plain_size }, size))
    }

    /// Takes the next plain bytes, and returns what is sealed by now, which may be nothing.
    ///
    /// # Errors
    /// Where it is more than was announced.
    pub fn update(&mut self, plain: &[u8]) -> io::Result<Bytes> {
        self.update_all(&[plain])
    }

    /// The same of several pieces, one behind the other.
    ///
    /// # Errors
    /// Where they are more than was announced.
    pub fn update_all(&mut self, pieces: &[impl AsRef<[u8]>]) -> io::Result<Bytes> {
        let size: usize = pieces.iter().map(|piece| piece.as_ref().len()).sum();
        let left = self.left.checked_sub(size as u64);
        self.left = left.ok_or_else(|| differs("there is more content than was announced"))?;
        self.outlet.make_room(size);
        pieces.iter().try_for_each(|piece| self.writer.write_all(piece.as_ref()))?;
        Ok(self.outlet.take())
    }

    /// Returns the last sealed bytes.
    ///
    /// # Errors
    /// Where less came than was announced.
    pub fn finish(self) -> io::Result<Bytes> {
        if self.left > 0 {
            return Err(differs("there is less content than was announced"));
        }
        self.writer.finish().map(|outlet| outlet.take())
    }
}

fn differs(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("left", &self.left).finish_non_exhaustive()
    }
}

/// Where age writes to, and what comes out is taken from: age keeps its writer to itself.
#[derive(Clone, Default)]
struct Outlet(Arc<Mutex<Buffers>>);

/// Memory in turns: what was taken last may still be on its way to the disk, and what was taken before that is gone.
#[derive(Default)]
struct Buffers {
    now: BytesMut,
    other: BytesMut,
}

impl Outlet {
    /// Makes room for that many plain bytes and the chunk that was kept back, at once. Where what was taken before is
    /// gone by now, its memory is used again.
    fn make_room(&self, plain: usize) {
        let most = usize::try_from(chunks_size(plain as u64 + CHUNK)).unwrap_or(plain);
        let mut buffers = lock(&self.0);
        let Buffers { now, other } = &mut *buffers;
        if now.is_empty() {
            std::mem::swap(now, other);
        }
        now.reserve(most);
    }

    fn take(&self) -> Bytes {
        lock(&self.0).now.split().freeze()
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).now.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
