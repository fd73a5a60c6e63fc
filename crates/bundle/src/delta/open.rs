//! Content that is carried as a delta, as a stream.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use sealift_store::{BlobBody, Error, ErrorKind, Operation, Result};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::base::{OpenBase, Streams};
use super::decode::{DeltaError, rebuild};
use super::{Bases, Delta};

/// How many pieces wait for who reads the content.
const WAITING: usize = 4;

/// Opens content of `size` bytes from byte `offset` on. `carried` is what the bundle has of it; `base` opens what it
/// builds on.
pub(crate) async fn open(
    (delta, size): (Delta, u64),
    offset: u64,
    carried: BlobBody,
    with: &Bases,
    base: impl OpenBase,
) -> Result<BlobBody> {
    let share = with.memory.take(delta.memory()).await;
    let limit = usize::try_from(delta.carried()).unwrap_or(usize::MAX);
    let carried = carried.collect(limit).await?;
    // A base that is not there is told at once, and not in the middle of the content.
    let first = match delta.bases.first() {
        Some(first) => Some(base.open(&first.digest).await?),
        None => None,
    };
    let (sender, receiver) = mpsc::channel::<Result<Bytes>>(WAITING);
    let threads = with.threads;
    let mut runs = Streams::new(base, delta.bases.clone(), first);
    spawn_blocking(move || {
        let done = rebuild(&delta, size, &mut runs, &carried, threads, |piece| {
            let sent = sender.blocking_send(Ok(Bytes::copy_from_slice(piece)));
            sent.map_err(|_| DeltaError::Stopped)
        });
        drop((runs, carried, share));
        if let Err(error) = done {
            // Who reads may have gone.
            let _ = sender.blocking_send(Err(failed(error)));
        }
    });
    let pieces =
        stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
    Ok(BlobBody::from_stream(Some(size), pieces.boxed()).skip(offset))
}

fn failed(error: DeltaError) -> Error {
    match error {
        DeltaError::Unreadable(error) => error,
        error => Error::new(ErrorKind::Mismatch, Operation::FetchBlob)
            .because(format_args!("it is carried as a delta, and {error}")),
    }
}
