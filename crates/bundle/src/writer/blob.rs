//! The content of one entry on its way into the bundle: as it is, or sealed.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::entry::{Entry, Written};
use super::volumes::Volumes;
use crate::names::sealed_entry;
use crate::seal::{Recipient, Sealer};

/// An entry that is open.
#[derive(Debug)]
pub(super) struct Blob {
    entry: Entry,
    /// `None` where the content stays as it is.
    sealer: Option<Sealer>,
    /// How many bytes it takes sealed.
    pub(super) sealed: Option<u64>,
}

impl Blob {
    /// Opens an entry for `size` bytes of content.
    pub(super) async fn open(volumes: &Arc<Volumes>, name: &str, size: u64) -> io::Result<Self> {
        Ok(Self { entry: Entry::open(volumes, name, size).await?, sealer: None, sealed: None })
    }

    /// Opens a sealed entry; its name says nothing.
    pub(super) async fn open_sealed(
        volumes: &Arc<Volumes>,
        recipient: &Recipient,
        number: u64,
        size: u64,
    ) -> io::Result<Self> {
        let (sealer, sealed) = Sealer::new(recipient, size)?;
        let entry = Entry::open(volumes, &sealed_entry(number), sealed).await?;
        Ok(Self { entry, sealer: Some(sealer), sealed: Some(sealed) })
    }

    /// Writes content. Sealing takes longer than any disk, so it goes to a thread of its own, and what is sealed is written
    /// while the next is sealed.
    pub(super) async fn write(&mut self, content: Arc<[Bytes]>) -> io::Result<()> {
        let Some(mut sealer) = self.sealer.take() else {
            return self.entry.write(&content).await;
        };
        let seal = move || {
            let sealed = sealer.update_all(&content);
            sealed.map(|sealed| (sealer, sealed))
        };
        let (sealer, sealed) = spawn_blocking(seal).await??;
        self.sealer = Some(sealer);
        self.entry.write(&[sealed]).await
    }

    /// Ends the entry; its content is there to the last byte. See [`Entry::close`].
    pub(super) async fn close(
        mut self,
        note: impl FnOnce(&Written) -> io::Result<()>,
    ) -> io::Result<Written> {
        if let Some(sealer) = self.sealer.take() {
            let sealed = match sealer.finish() {
                Ok(sealed) => self.entry.write(&[sealed]).await,
                Err(error) => Err(error),
            };
            if let Err(error) = sealed {
                self.entry.cut().await?;
                return Err(error);
            }
        }
        self.entry.close(note).await
    }

    /// Takes the entry back.
    pub(super) async fn cut(self) -> io::Result<()> {
        self.entry.cut().await
    }
}
