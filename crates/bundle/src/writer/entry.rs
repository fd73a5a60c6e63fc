//! One entry on its way into a volume, or, where it is larger than a volume, into several.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::desk::Desk;
use super::volumes::{Mark, Volume, Volumes};
use crate::catalogue::Extent;
use crate::entry;

/// An entry that is being written. It is closed or cut; one that is dropped spoils the bundle, since nobody
/// can tell what is still being written then.
#[derive(Debug)]
pub(super) struct Entry {
    volumes: Arc<Volumes>,
    desk: Desk,
    /// The volume that is written to, and how long it is with what is on its way.
    number: usize,
    length: u64,
    /// What was written is not all there: the entry can only be taken back.
    is_spoilt: bool,
    _permit: OwnedSemaphorePermit,
    /// How the first volume stood before.
    start: Mark,
    reserved: std::ops::Range<usize>,
    /// The volumes that this entry filled to the last byte.
    filled: Vec<Volume>,
    extents: Vec<Extent>,
    size: u64,
    written: u64,
}

/// A finished entry.
#[derive(Debug)]
pub(super) struct Written {
    /// Where the content lies.
    pub(super) at: Vec<Extent>,
    /// How each volume stood behind it, by number.
    pub(super) marks: Vec<(usize, Mark)>,
}

impl Entry {
    /// Writes the header of an entry with `size` bytes of content.
    pub(super) async fn open(volumes: &Arc<Volumes>, name: &str, size: u64) -> io::Result<Self> {
        let header = entry::header(name, size);
        let length = header.len() as u64 + entry::length(size) - entry::BLOCK;
        let claim = volumes.claim(length).await?;
        let (start, number) = (claim.volume.mark(), claim.volume.number);
        let mut entry = Self {
            volumes: Arc::clone(volumes),
            number,
            length: start.length,
            desk: Desk::of(claim.volume),
            is_spoilt: false,
            _permit: claim.permit,
            start,
            reserved: claim.reserved,
            filled: Vec::new(),
            extents: Vec::new(),
            size,
            written: 0,
        };
        match entry.append(vec![Bytes::from(header)]).await {
            Ok(()) => Ok(entry),
            Err(error) => {
                entry.cut().await?;
                Err(error)
            }
        }
    }

    /// Returns how many bytes of content are still to come.
    pub(super) fn left(&self) -> u64 {
        self.size - self.written
    }

    /// Writes content, at most [`Entry::left`] bytes.
    pub(super) async fn write(&mut self, batch: &[Bytes]) -> io::Result<()> {
        let mut pieces = batch.iter().filter(|piece| !piece.is_empty()).cloned();
        let mut next = pieces.next();
        while next.is_some() {
            let room = self.room().await?;
            let (mut now, mut size) = (Vec::new(), 0);
            while let Some(mut piece) = next.take() {
                let cut = usize::try_from(room - size).unwrap_or(usize::MAX).min(piece.len());
                let rest = piece.split_off(cut);
                size += piece.len() as u64;
                now.push(piece);
                if !rest.is_empty() {
                    next = Some(rest);
                    break;
                }
                next = pieces.next();
            }
            self.append_content(now, size).await?;
        }
        Ok(())
    }

    /// Returns how much fits into the volume; where nothing does, the next one is begun.
    async fn room(&mut self) -> io::Result<u64> {
        let Some(limit) = self.volumes.limit() else { return Ok(u64::MAX) };
        if self.length < limit {
            return Ok(limit - self.length);
        }
        self.settle().await?;
        let number =
            self.reserved.next().ok_or_else(|| io::Error::other("more content came than was told"))?;
        let fresh = self.volumes.create(number)?;
        self.filled.extend(self.desk.take());
        (self.desk, self.number, self.length) = (Desk::of(fresh), number, 0);
        Ok(limit)
    }

    async fn append_content(&mut self, batch: Vec<Bytes>, size: u64) -> io::Result<()> {
        let (volume, offset) = (self.number, self.length);
        self.append(batch).await?;
        self.written += size;
        match self.extents.last_mut() {
            Some(last) if last.volume == volume => last.size += size,
            _ => self.extents.push(Extent { volume, offset, size }),
        }
        Ok(())
    }

    async fn append(&mut self, batch: Vec<Bytes>) -> io::Result<()> {
        let size: u64 = batch.iter().map(|piece| piece.len() as u64).sum();
        self.settle().await?;
        self.desk.append(batch.into()).await?;
        self.length += size;
        Ok(())
    }

    /// Waits until all that was written is there.
    async fn settle(&mut self) -> io::Result<()> {
        if self.is_spoilt {
            return Err(io::Error::other("what came before could not be written"));
        }
        self.desk.settle().await.inspect_err(|error| {
            self.is_spoilt = true;
            self.volumes.fail(error);
        })
    }

    /// Ends the entry; its content is there to the last byte. It is noted before anybody else adds to its volumes: what is
    /// not noted is written anew, and must not stand in between. So what cannot be noted is taken back.
    pub(super) async fn close(
        mut self,
        note: impl FnOnce(&Written) -> io::Result<()>,
    ) -> io::Result<Written> {
        if self.left() > 0 {
            let left = self.left();
            self.cut().await?;
            return Err(io::Error::other(format!("{left} bytes of an entry did not come")));
        }
        if self.extents.is_empty() {
            self.extents.push(Extent { volume: self.number, offset: self.length, size: 0 });
        }
        // Volumes and headers are whole blocks, so padding never begins a volume.
        let padding = Bytes::from_static(entry::padding(self.size));
        if let Err(error) = self.pad(padding).await {
            self.cut().await?;
            return Err(error);
        }
        let marks = self.filled.iter().chain(self.desk.volume()).map(|volume| (volume.number, volume.mark()));
        let written = Written { marks: marks.collect(), at: std::mem::take(&mut self.extents) };
        if let Err(error) = note(&written) {
            self.cut().await?;
            return Err(error);
        }
        let volumes = self.filled.drain(..).chain(self.desk.take()).collect::<Vec<_>>();
        volumes.into_iter().for_each(|volume| self.volumes.give_back(volume));
        self.volumes.close_full().await?;
        Ok(written)
    }

    /// Writes what follows the content, and waits until all of it is there.
    async fn pad(&mut self, padding: Bytes) -> io::Result<()> {
        if !padding.is_empty() {
            self.append(vec![padding]).await?;
        }
        self.settle().await
    }

    /// Takes the entry back. Where that cannot be, as in a pipe, the bundle is spoilt.
    pub(super) async fn cut(mut self) -> io::Result<()> {
        // What that fails with was told, or is told by who takes the entry back.
        let _ = self.desk.settle().await;
        let Some(last) = self.desk.take().filter(|_| !self.volumes.is_pipe()) else {
            self.volumes.abandon();
            return Ok(());
        };
        let mut all = std::mem::take(&mut self.filled).into_iter().chain([last]);
        if let Some(mut first) = all.next() {
            first.reset(self.start.clone())?;
            self.volumes.give_back(first);
        }
        all.try_for_each(Volume::remove)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.desk.is_there() {
            self.volumes.abandon();
        }
    }
}
