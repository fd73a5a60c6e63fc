//! One entry on its way into a volume, or, where it is larger than a volume, into several.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::volumes::{Mark, Volume, Volumes};
use crate::catalogue::Extent;
use crate::entry;

/// An entry that is being written. It is closed or cut; one that is dropped spoils the bundle, since nobody
/// can tell what is still being written then.
#[derive(Debug)]
pub(super) struct Entry {
    volumes: Arc<Volumes>,
    /// `None` only while it changes, and when the entry is over.
    volume: Option<Volume>,
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
        let start = claim.volume.mark();
        let mut entry = Self {
            volumes: Arc::clone(volumes),
            volume: Some(claim.volume),
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
                entry.cut()?;
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
        let mut pieces = batch.iter().cloned();
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
        let length = self.volume.as_ref().map_or(limit, |volume| volume.length);
        if length < limit {
            return Ok(limit - length);
        }
        let number =
            self.reserved.next().ok_or_else(|| io::Error::other("more content came than was told"))?;
        let fresh = self.volumes.create(number)?;
        self.filled.extend(self.volume.replace(fresh));
        Ok(limit)
    }

    async fn append_content(&mut self, batch: Vec<Bytes>, size: u64) -> io::Result<()> {
        let (volume, offset) = self.volume.as_ref().map_or((0, 0), |it| (it.number, it.length));
        self.append(batch).await?;
        self.written += size;
        match self.extents.last_mut() {
            Some(last) if last.volume == volume => last.size += size,
            _ => self.extents.push(Extent { volume, offset, size }),
        }
        Ok(())
    }

    async fn append(&mut self, batch: Vec<Bytes>) -> io::Result<()> {
        match &mut self.volume {
            Some(volume) => volume.append(batch.into()).await.inspect_err(|error| self.volumes.fail(error)),
            None => Err(io::Error::other("the entry is over")),
        }
    }

    /// Ends the entry; its content is there to the last byte. It is noted before anybody else adds to its volumes: what is
    /// not noted is written anew, and must not stand in between. So what cannot be noted is taken back.
    pub(super) async fn close(
        mut self,
        note: impl FnOnce(&Written) -> io::Result<()>,
    ) -> io::Result<Written> {
        if self.left() > 0 {
            let left = self.left();
            self.cut()?;
            return Err(io::Error::other(format!("{left} bytes of an entry did not come")));
        }
        if let (true, Some(volume)) = (self.extents.is_empty(), &self.volume) {
            self.extents.push(Extent { volume: volume.number, offset: volume.length, size: 0 });
        }
        // Volumes and headers are whole blocks, so padding never begins a volume.
        let padding = Bytes::from_static(entry::padding(self.size));
        let padded = if padding.is_empty() { Ok(()) } else { self.append(vec![padding]).await };
        let marks = self.filled.iter().chain(&self.volume).map(|volume| (volume.number, volume.mark()));
        let written = Written { marks: marks.collect(), at: std::mem::take(&mut self.extents) };
        if let Err(error) = padded.and_then(|()| note(&written)) {
            self.cut()?;
            return Err(error);
        }
        let volumes = self.filled.drain(..).chain(self.volume.take()).collect::<Vec<_>>();
        volumes.into_iter().for_each(|volume| self.volumes.give_back(volume));
        self.volumes.close_full().await?;
        Ok(written)
    }

    /// Takes the entry back.
    pub(super) fn cut(mut self) -> io::Result<()> {
        if self.volumes.is_pipe() {
            // Dropping says that the bundle is spoilt.
            return Ok(());
        }
        let mut all = self.filled.drain(..).chain(self.volume.take()).collect::<Vec<_>>().into_iter();
        if let Some(mut first) = all.next() {
            first.reset(self.start.clone())?;
            self.volumes.give_back(first);
        }
        all.try_for_each(Volume::remove)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.volume.is_some() {
            self.volumes.abandon();
        }
    }
}
