//! Streams into files: pieces are gathered into batches, and one batch is written and hashed while the next
//! is gathered.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::Fuse;
use futures_util::{FutureExt, StreamExt, future};
use sealift_oci::Hasher;
use tokio::task::spawn_blocking;

use crate::{ByteStream, Error};

/// How many bytes are written at once, if that many are there: then system calls and the change of threads
/// do not count. What comes slowly is written as it comes. One batch is written while the next is gathered,
/// which bounds the memory of an upload.
const BATCH_SIZE: usize = 1024 * 1024;

/// From this size on, a batch is hashed on one thread while another writes it, for either alone takes about
/// as long. Below, starting a second thread takes longer than it saves.
const HASH_BESIDE: usize = 256 * 1024;

/// Where batches go.
pub trait BatchSink {
    /// Writes one batch; it is not empty.
    fn append(&mut self, batch: Arc<[Bytes]>) -> impl Future<Output = io::Result<()>> + Send;
}

/// Which end of a copy failed. The body's errors already say where they come from.
#[derive(Debug)]
pub enum Failed {
    /// The body broke off.
    Reading(Error),
    /// The file could not be written.
    Writing(io::Error),
}

/// Writes a body, and gathers the next batch while one is written.
///
/// # Errors
/// What the body or the sink fails with; what came before it was written.
pub async fn copy(stream: ByteStream, sink: &mut impl BatchSink) -> Result<(), Failed> {
    let mut stream = stream.fuse();
    let mut next = gather(&mut stream).await;
    while !next.pieces.is_empty() {
        let write = sink.append(next.pieces.into());
        let (written, following) = future::join(write, gather_unless(next.broken, &mut stream)).await;
        written.map_err(Failed::Writing)?;
        next = following;
    }
    next.broken.map_or(Ok(()), |error| Err(Failed::Reading(error)))
}

/// The next pieces of a body; none at its end.
#[derive(Default)]
struct Gathered {
    pieces: Vec<Bytes>,
    /// Why the body broke off behind them.
    broken: Option<Error>,
}

/// A body that broke off is not asked again.
async fn gather_unless(broken: Option<Error>, stream: &mut Fuse<ByteStream>) -> Gathered {
    match broken {
        Some(_) => Gathered { broken, ..Gathered::default() },
        None => gather(stream).await,
    }
}

/// Waits for one piece and takes what is there behind it, up to a batch.
async fn gather(stream: &mut Fuse<ByteStream>) -> Gathered {
    let mut gathered = Gathered::default();
    let (mut next, mut size) = (stream.next().await, 0);
    while let Some(piece) = next {
        match piece {
            Ok(piece) => {
                size += piece.len();
                gathered.pieces.push(piece);
            }
            Err(error) => {
                gathered.broken = Some(error);
                break;
            }
        }
        if size >= BATCH_SIZE {
            break;
        }
        next = stream.next().now_or_never().flatten();
    }
    gathered
}

/// Writes a batch where the file stands, and hashes it.
///
/// # Errors
/// Those of writing; part of the batch may be written then.
pub async fn write_and_hash(file: Arc<File>, hasher: Hasher, batch: Arc<[Bytes]>) -> io::Result<Hasher> {
    let size: usize = batch.iter().map(Bytes::len).sum();
    if size < HASH_BESIDE {
        let both = move || write(&file, &batch).map(|()| hash(hasher, &batch));
        return spawn_blocking(both).await?;
    }
    let written = Arc::clone(&batch);
    let write = spawn_blocking(move || write(&file, &written));
    let hash = spawn_blocking(move || hash(hasher, &batch));
    let (write, hash) = future::join(write, hash).await;
    write??;
    Ok(hash?)
}

fn hash(mut hasher: Hasher, batch: &[Bytes]) -> Hasher {
    batch.iter().for_each(|piece| hasher.update(piece));
    hasher
}

fn write(mut file: &File, batch: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> =
        batch.iter().filter(|piece| !piece.is_empty()).map(|piece| IoSlice::new(piece)).collect();
    let mut left = &mut slices[..];
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
