//! Content that is carried as a delta, as a stream.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use sealift_store::{BlobBody, Error, ErrorKind, Operation, Result};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::base;
use super::decode::{DeltaError, rebuild};
use super::{Bases, Delta};

/// How many pieces wait for who reads the content.
const WAITING: usize = 4;

/// Opens content of `size` bytes from byte `offset` on. `carried` is what the bundle has of it; `base` opens what it
/// builds on, whose size is told with it.
pub(crate) async fn open<O, F>(
    (delta, size): (Delta, u64),
    offset: u64,
    carried: BlobBody,
    with: &Bases,
    mut base: O,
) -> Result<BlobBody>
where
    O: FnMut(super::DeltaBase) -> F,
    F: Future<Output = Result<(BlobBody, u64)>>,
{
    let share = with.memory.take(delta.memory()).await;
    let limit = usize::try_from(delta.carried()).unwrap_or(usize::MAX);
    let carried = carried.collect(limit).await?;
    let mut plain = Vec::with_capacity(delta.bases.len());
    for wanted in &delta.bases {
        let (body, size) = base(*wanted).await?;
        plain.push(base::read(body, wanted.digest, size, wanted.plain).await?.bytes);
    }
    let (sender, receiver) = mpsc::channel::<Result<Bytes>>(WAITING);
    let threads = with.threads;
    spawn_blocking(move || {
        let done = rebuild(&delta, size, &plain, &carried, threads, |piece| {
            let sent = sender.blocking_send(Ok(Bytes::copy_from_slice(piece)));
            sent.map_err(|_| DeltaError::Stopped)
        });
        drop((plain, carried, share));
        if let Err(error) = done {
            // Who reads may have gone.
            let _ = sender.blocking_send(Err(failed(&error)));
        }
    });
    let pieces =
        stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
    Ok(BlobBody::from_stream(Some(size), pieces.boxed()).skip(offset))
}

fn failed(error: &DeltaError) -> Error {
    Error::new(ErrorKind::Mismatch, Operation::FetchBlob)
        .because(format_args!("it is carried as a delta, and {error}"))
}
