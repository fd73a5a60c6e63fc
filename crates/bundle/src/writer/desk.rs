//! The volume of an entry, and the batch that is on its way into it: while one is written and hashed, the next is fetched and
//! sealed.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::volumes::Volume;

/// A volume in the hands of its writer.
#[derive(Debug)]
pub(super) enum Desk {
    /// Nothing is on its way.
    Free(Box<Volume>),
    /// One batch is; the volume comes back behind it.
    Busy(JoinHandle<(Volume, io::Result<()>)>),
    /// The entry is over, or writing broke down.
    Gone,
}

impl Desk {
    pub(super) fn of(volume: Volume) -> Self {
        Self::Free(Box::new(volume))
    }

    /// Tells whether there is a volume yet.
    pub(super) fn is_there(&self) -> bool {
        !matches!(self, Self::Gone)
    }

    /// Waits for what is on its way. What that failed with is told once.
    pub(super) async fn settle(&mut self) -> io::Result<()> {
        let Self::Busy(writing) = self else { return Ok(()) };
        let written = writing.await;
        *self = Self::Gone;
        let (volume, outcome) = written?;
        *self = Self::of(volume);
        outcome
    }

    /// Waits for what is on its way, and begins to write a batch. What fails is told by the next call.
    pub(super) async fn append(&mut self, batch: Arc<[Bytes]>) -> io::Result<()> {
        self.settle().await?;
        let Some(mut volume) = self.take() else { return Err(io::Error::other("the entry is over")) };
        let write = async move {
            let outcome = volume.append(batch).await;
            (volume, outcome)
        };
        *self = Self::Busy(tokio::spawn(write));
        Ok(())
    }

    /// Returns the volume, if nothing is on its way.
    pub(super) fn volume(&self) -> Option<&Volume> {
        match self {
            Self::Free(volume) => Some(volume),
            Self::Busy(_) | Self::Gone => None,
        }
    }

    /// Takes the volume, if nothing is on its way.
    pub(super) fn take(&mut self) -> Option<Volume> {
        match std::mem::replace(self, Self::Gone) {
            Self::Free(volume) => Some(*volume),
            other => {
                *self = other;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::volumes::{Output, Volumes};
    use super::*;

    #[tokio::test]
    async fn what_fails_on_its_way_is_told_next_and_the_volume_comes_back() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let volumes = Volumes::new(Output::Pipe(Arc::new(full)), None, 1);
        let mut desk = Desk::of(volumes.claim(512).await.unwrap().volume);
        let batch = || Arc::from([Bytes::from_static(b"x")]);
        desk.append(batch()).await.unwrap();
        assert!(desk.is_there() && desk.volume().is_none() && desk.take().is_none());
        assert_eq!(desk.append(batch()).await.unwrap_err().kind(), io::ErrorKind::StorageFull);
        desk.settle().await.unwrap();
        assert_eq!(desk.volume().unwrap().length, 0);
        assert!(desk.take().is_some() && !desk.is_there());
        desk.append(batch()).await.unwrap_err();
    }
}
