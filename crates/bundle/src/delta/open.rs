//! Content that is carried as a delta, as a stream.

use std::num::NonZeroUsize;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use sealift_store::{BlobBody, Error, ErrorKind, Operation, Result};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::Delta;
use super::base::{OpenBase, Streams};
use super::decode::{DeltaError, rebuild};
use super::memory::Undoing;

/// How many pieces wait for who reads the content.
const WAITING: usize = 4;

/// Opens content of `size` bytes from byte `offset` on. `carried` is what the bundle has of it; `base` opens what it
/// builds on. `share` is what all of a chain takes, and the last delta has it.
pub(crate) async fn open(
    (delta, size): (Delta, u64),
    offset: u64,
    carried: BlobBody,
    (threads, share): (NonZeroUsize, Option<Undoing>),
    base: impl OpenBase,
) -> Result<BlobBody> {
    let limit = usize::try_from(delta.carried()).unwrap_or(usize::MAX);
    let carried = carried.collect(limit).await?;
    // A base that is not there is told at once, and not in the middle of the content.
    let first = match delta.bases.first() {
        Some(first) => Some(base.open(&first.digest).await?),
        None => None,
    };
    let (sender, receiver) = mpsc::channel::<Result<Bytes>>(WAITING);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use futures_util::FutureExt as _;
    use futures_util::future::try_join_all;
    use sealift_oci::Digest;
    use tokio::sync::Barrier;
    use tokio::task::unconstrained;

    use super::super::memory::{Memory, UNDONE_AT_ONCE};
    use super::super::tests::{listed, made_of, noise};
    use super::*;

    /// A base that comes when as many want it as may, by a thread that may block, as files are read.
    #[derive(Clone)]
    struct Crowd {
        base: Bytes,
        all: Arc<Barrier>,
    }

    #[async_trait]
    impl OpenBase for Crowd {
        async fn open(&self, _: &Digest) -> Result<(BlobBody, u64)> {
            let (base, all, size) = (self.base.clone(), Arc::clone(&self.all), self.base.len() as u64);
            let comes = async move {
                all.wait().await;
                spawn_blocking(|| Ok(base)).await.unwrap()
            };
            Ok((BlobBody::from_stream(Some(size), comes.into_stream().boxed()), size))
        }
    }

    /// Who undoes a delta waits in a thread; were there no end of them, nothing could read what they wait for.
    #[test]
    fn threads_are_left_for_those_that_read() {
        let (old, new) = (Bytes::from(noise(1, 3000)), Bytes::from([noise(1, 3000), noise(2, 9)].concat()));
        let made = made_of(&old, &new);
        let delta = Delta::of(&listed(&made, &new)).unwrap().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .max_blocking_threads(UNDONE_AT_ONCE + 1)
            .build()
            .unwrap();
        let (memory, all) = (Memory::new(1 << 30), Arc::new(Barrier::new(UNDONE_AT_ONCE)));
        let undone = (0..UNDONE_AT_ONCE * 2).map(|_| async {
            let share = memory.take_for(1, delta.memory()).await;
            let (carried, base) = (made.carried.clone(), Crowd { base: old.clone(), all: Arc::clone(&all) });
            let (content, with) = ((delta.clone(), new.len() as u64), (NonZeroUsize::MIN, Some(share)));
            open(content, 0, BlobBody::from(carried), with, base).await?.collect(new.len()).await
        });
        // None lets others run before it waits for what it needs.
        let undone = runtime.block_on(unconstrained(try_join_all(undone))).unwrap();
        assert!(undone.iter().all(|undone| *undone == new));
    }
}
