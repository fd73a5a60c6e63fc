//! The plain bytes of content that a delta builds on.

use std::io::{self, BufReader, Read};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use futures_util::StreamExt as _;
use sealift_oci::Digest;
use sealift_store::{BlobBody, Error, ErrorKind, Operation, Result, verified};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// How many pieces wait to be inflated.
const WAITING: usize = 8;
/// How a gzip stream begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The plain bytes, and whether they came as gzip.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) bytes: Vec<u8>,
    pub(super) is_gzip: bool,
}

/// Reads content that must have this digest and size, and inflates it if it is gzip; at most `limit` plain bytes.
pub(super) async fn read(body: BlobBody, digest: Digest, size: u64, limit: u64) -> Result<Plain> {
    let mut body = verified(body, digest, size).into_stream();
    let (sender, receiver) = mpsc::channel(WAITING);
    let reading = spawn_blocking(move || inflate(Pieces { receiver, piece: Bytes::new() }, limit));
    let mut broken = None;
    while let Some(piece) = body.next().await {
        let is_taken = match piece {
            // Who reads says why no more is taken.
            Ok(piece) => sender.send(piece).await.is_ok(),
            Err(error) => {
                broken = Some(error);
                false
            }
        };
        if !is_taken {
            break;
        }
    }
    drop(sender);
    let operation = Operation::FetchBlob;
    let read = reading.await.map_err(|error| Error::new(ErrorKind::Io, operation).caused_by(error))?;
    match broken {
        Some(error) => Err(error),
        None => read.map_err(|error| {
            let reason = format_args!("what a delta builds on cannot be inflated: {error}");
            Error::new(ErrorKind::Invalid, operation).because(reason)
        }),
    }
}

fn inflate(mut pieces: Pieces, limit: u64) -> io::Result<Plain> {
    let mut head = Vec::new();
    pieces.by_ref().take(GZIP.len() as u64).read_to_end(&mut head)?;
    let is_gzip = head == GZIP;
    let all = io::Cursor::new(head).chain(pieces);
    let mut bytes = Vec::new();
    let limited = limit.saturating_add(1);
    match is_gzip {
        true => MultiGzDecoder::new(BufReader::new(all)).take(limited).read_to_end(&mut bytes)?,
        false => all.take(limited).read_to_end(&mut bytes)?,
    };
    match bytes.len() as u64 > limit {
        true => Err(io::Error::other(format!("it has more than {limit} plain bytes"))),
        false => Ok(Plain { bytes, is_gzip }),
    }
}

/// Pieces that come from elsewhere, as a reader.
struct Pieces {
    receiver: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}
