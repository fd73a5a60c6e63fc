//! The volumes of a bundle that is written: several are open at once, one writer each, and only ever grow.
//!
//! Each volume's checksum is made while it is written, so nothing is read back. An entry that cannot be
//! finished is cut off again; a pipe cannot take back, and is broken then.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::try_join_all;
use sealift_oci::{Algorithm, Hasher};
use sealift_store::batch::write_and_hash;
use sealift_store::lock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::flush::Flush;
use crate::entry::BLOCK;
use crate::names::{VOLUME_LIMIT, unfinished_volume};
use crate::reader::open_file_with;

/// How many volumes that are nearly full stay open for what is small enough; a process has few file handles.
const IDLE_LIMIT: usize = 16;

/// Where volumes go.
#[derive(Debug)]
pub(super) enum Output {
    /// Files in a directory.
    Directory(PathBuf),
    /// One file, under the name that it has while it is written.
    File(PathBuf),
    /// A pipe.
    Pipe(Arc<File>),
}

/// All volumes, open and closed.
#[derive(Debug)]
pub(super) struct Volumes {
    output: Output,
    /// The most bytes of a volume, a multiple of [`BLOCK`].
    limit: Option<u64>,
    writers: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Open, and nobody writes to them.
    idle: Vec<Volume>,
    closed: Vec<Closed>,
    /// The number of the next volume.
    next: usize,
    /// A writer was dropped in the middle of an entry.
    is_broken: bool,
    /// What a pipe said when it took no more, or which volume did not get to the disk.
    reason: Option<String>,
}

/// A volume in the hands of its one writer.
#[derive(Debug)]
pub(super) struct Volume {
    pub(super) number: usize,
    path: PathBuf,
    file: Arc<File>,
    pub(super) length: u64,
    hasher: Hasher,
    /// A pipe keeps nothing.
    flush: Option<Flush>,
}

/// How a volume stood at some point.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) length: u64,
    pub(super) hasher: Hasher,
}

/// A volume to which nothing is added any more.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    pub(super) number: usize,
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) sha256: String,
}

/// The right to write one entry, and the volume to begin it in.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) volume: Volume,
    pub(super) permit: OwnedSemaphorePermit,
    /// The numbers of the volumes that the entry goes on in.
    pub(super) reserved: std::ops::Range<usize>,
}

impl Volumes {
    pub(super) fn new(output: Output, limit: Option<u64>, writers: usize) -> Self {
        let limit = limit.map(|limit| limit / BLOCK * BLOCK);
        let state = State { idle: Vec::new(), closed: Vec::new(), next: 1, is_broken: false, reason: None };
        Self { output, limit, writers: Arc::new(Semaphore::new(writers)), state: Mutex::new(state) }
    }

    /// Goes on with volumes that an earlier process left behind.
    pub(super) fn adopt(&self, volumes: Vec<Volume>) {
        let mut state = lock(&self.state);
        state.next = volumes.iter().map(|it| it.number + 1).max().unwrap_or(1);
        state.idle = volumes;
    }

    pub(super) fn is_pipe(&self) -> bool {
        matches!(self.output, Output::Pipe(_))
    }

    pub(super) fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Returns the directory where volumes are files of their own.
    pub(super) fn directory(&self) -> Option<&Path> {
        match &self.output {
            Output::Directory(directory) => Some(directory),
            Output::File(_) | Output::Pipe(_) => None,
        }
    }

    /// Says where a volume lies.
    pub(super) fn path(&self, number: usize) -> PathBuf {
        match &self.output {
            Output::Directory(directory) => directory.join(unfinished_volume(number)),
            Output::File(path) => path.clone(),
            Output::Pipe(_) => PathBuf::from("-"),
        }
    }

    /// Waits until a writer is free, and finds room for an entry of `length` bytes, header and padding included.
    pub(super) async fn claim(&self, length: u64) -> io::Result<Claim> {
        // Nobody closes the semaphore.
        let permit = Arc::clone(&self.writers).acquire_owned().await.map_err(io::Error::other)?;
        let (volume, reserved) = self.find(length)?;
        Ok(Claim { volume, permit, reserved })
    }

    /// Prefers the fullest volume that has room.
    fn find(&self, length: u64) -> io::Result<(Volume, std::ops::Range<usize>)> {
        let mut state = lock(&self.state);
        if state.is_broken {
            let reason = state.reason.as_deref().unwrap_or("an entry before this one was not finished");
            return Err(io::Error::other(reason.to_owned()));
        }
        let fits = |volume: &Volume| self.limit.is_none_or(|limit| volume.length + length <= limit);
        let found = state.idle.iter().enumerate().filter(|(_, it)| fits(it)).max_by_key(|(_, it)| it.length);
        if let Some((at, _)) = found {
            return Ok((state.idle.swap_remove(at), 0..0));
        }
        let count = self.limit.map_or(1, |limit| length.div_ceil(limit.max(1)).max(1));
        let number = state.next;
        let end = usize::try_from(count).ok().and_then(|count| number.checked_add(count));
        match end {
            Some(end) if end <= VOLUME_LIMIT + 1 => {
                state.next = end;
                drop(state);
                Ok((self.create(number)?, number + 1..end))
            }
            _ => Err(io::Error::other(format!("there would be more than {VOLUME_LIMIT} volumes"))),
        }
    }

    /// Makes an empty volume under a number that was reserved.
    pub(super) fn create(&self, number: usize) -> io::Result<Volume> {
        let path = self.path(number);
        let file = match &self.output {
            Output::Pipe(pipe) => Arc::clone(pipe),
            _ => {
                // What lies there under that name is a rest that no journal tells of, or a trap.
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
                Arc::new(OpenOptions::new().read(true).write(true).create_new(true).open(&path)?)
            }
        };
        let hasher = Hasher::new(Algorithm::Sha256);
        let flush = (!self.is_pipe()).then(Flush::default);
        Ok(Volume { number, path, file, length: 0, hasher, flush })
    }

    /// Takes back a volume whose entry is whole, or was cut off. Of one that did not get to the disk nobody knows what is
    /// there: nothing is added to this bundle, and who goes on with it reads all of it again.
    pub(super) fn give_back(&self, volume: Volume) {
        if volume.flush.as_ref().is_some_and(|flush| flush.has_failed) {
            self.lose(&volume.path);
        }
        lock(&self.state).idle.push(volume);
    }

    fn lose(&self, path: &Path) {
        let mut state = lock(&self.state);
        state.is_broken = true;
        state.reason.get_or_insert_with(|| format!("the disk did not take what {} has", path.display()));
    }

    /// A writer went away in the middle of an entry: nobody can tell what is still being written.
    pub(super) fn abandon(&self) {
        lock(&self.state).is_broken = true;
    }

    /// What was written to a pipe cannot be taken back: the first error is the reason for all that follow.
    pub(super) fn fail(&self, error: &io::Error) {
        if self.is_pipe() {
            lock(&self.state).reason.get_or_insert_with(|| error.to_string());
        }
    }

    /// Closes volumes that are full, and the fullest ones where too many are open.
    pub(super) async fn close_full(&self) -> io::Result<()> {
        let Some(limit) = self.limit else { return Ok(()) };
        let mut full = Vec::new();
        {
            let mut state = lock(&self.state);
            state.idle.sort_by_key(|volume| volume.length);
            while state.idle.last().is_some_and(|it| it.length + BLOCK > limit)
                || state.idle.len() > IDLE_LIMIT
            {
                full.extend(state.idle.pop());
            }
        }
        for volume in full {
            self.close(volume).await?;
        }
        Ok(())
    }

    /// Makes a volume durable; nothing is added to it any more.
    pub(super) async fn close(&self, volume: Volume) -> io::Result<()> {
        let path = volume.path.clone();
        let closed = volume.close().await.inspect_err(|_| self.lose(&path))?;
        lock(&self.state).closed.push(closed);
        Ok(())
    }

    /// Takes the volume with the highest number to write the end of the bundle; a new one where it has no room.
    /// What entries that were cut off left empty goes away first.
    pub(super) async fn last(&self, length: u64) -> io::Result<Volume> {
        self.close_full().await?;
        let is_empty = |volume: &mut Volume| volume.length == 0 && !self.is_pipe();
        let empty: Vec<Volume> = lock(&self.state).idle.extract_if(.., is_empty).collect();
        empty.into_iter().try_for_each(Volume::remove)?;
        let number = {
            let mut state = lock(&self.state);
            let closed = state.closed.iter().map(|volume| volume.number).max().unwrap_or_default();
            let last = (0..state.idle.len()).max_by_key(|&at| state.idle[at].number);
            let has_room = |volume: &Volume| self.limit.is_none_or(|limit| volume.length + length <= limit);
            if let Some(at) = last.filter(|&at| state.idle[at].number > closed && has_room(&state.idle[at])) {
                return Ok(state.idle.swap_remove(at));
            }
            state.next += 1;
            state.next - 1
        };
        self.create(number)
    }

    /// Closes everything and returns the volumes in their order.
    pub(super) async fn close_all(&self) -> io::Result<Vec<Closed>> {
        {
            let state = lock(&self.state);
            if state.is_broken {
                return Err(io::Error::other(
                    state.reason.clone().unwrap_or("an entry was not finished".to_owned()),
                ));
            }
        }
        let idle = std::mem::take(&mut lock(&self.state).idle);
        try_join_all(idle.into_iter().map(|volume| self.close(volume))).await?;
        let mut closed = std::mem::take(&mut lock(&self.state).closed);
        closed.sort_by_key(|volume| volume.number);
        Ok(closed)
    }
}

impl Volume {
    /// Goes on with a file of which `mark.length` bytes are right; the rest is cut off.
    pub(super) fn reopen(path: &Path, number: usize, mark: Mark) -> io::Result<Self> {
        let file = open_file_with(path, OpenOptions::new().read(true).write(true))?;
        let mut volume = Self {
            number,
            path: path.to_owned(),
            file: Arc::new(file),
            length: 0,
            hasher: mark.hasher.clone(),
            flush: Some(Flush::default()),
        };
        volume.reset(mark)?;
        Ok(volume)
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { length: self.length, hasher: self.hasher.clone() }
    }

    /// Writes and hashes a batch.
    pub(super) async fn append(&mut self, batch: Arc<[Bytes]>) -> io::Result<()> {
        let size: usize = batch.iter().map(Bytes::len).sum();
        self.hasher = write_and_hash(Arc::clone(&self.file), self.hasher.clone(), batch).await?;
        self.length += size as u64;
        match &mut self.flush {
            Some(flush) => flush.wrote(&self.file, size as u64).await,
            None => Ok(()),
        }
    }

    /// Cuts off what came behind a mark.
    pub(super) fn reset(&mut self, mark: Mark) -> io::Result<()> {
        self.file.set_len(mark.length)?;
        (&*self.file).seek(SeekFrom::Start(mark.length))?;
        self.length = mark.length;
        self.hasher = mark.hasher;
        Ok(())
    }

    async fn close(mut self) -> io::Result<Closed> {
        if let Some(flush) = &mut self.flush {
            flush.settle().await?;
        }
        let sync = move || {
            if self.flush.is_some() {
                self.file.sync_all()?;
            }
            let sha256 = self.hasher.finish().hex();
            Ok(Closed { number: self.number, path: self.path, size: self.length, sha256 })
        };
        spawn_blocking(sync).await?
    }

    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

impl Mark {
    /// Returns the checksum of everything up to the mark.
    pub(super) fn sha256(&self) -> String {
        self.hasher.clone().finish().hex()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What fails there is told by no later call.
    #[tokio::test]
    async fn what_does_not_get_to_the_disk_spoils_the_bundle() {
        for is_closed in [false, true] {
            let place = tempfile::tempdir().unwrap();
            let volumes = Volumes::new(Output::Directory(place.path().to_owned()), None, 1);
            let mut volume = volumes.claim(512).await.unwrap().volume;
            volume.append(Arc::from([Bytes::from_static(&[7; 512])])).await.unwrap();
            volume.flush = Some(Flush::failing());
            match is_closed {
                true => volumes.close(volume).await.unwrap_err(),
                false => {
                    let error = volume.flush.as_mut().unwrap().settle().await.unwrap_err();
                    volumes.give_back(volume);
                    error
                }
            };
            for error in [volumes.claim(512).await.unwrap_err(), volumes.close_all().await.unwrap_err()] {
                let words = "the disk did not take what ";
                assert!(
                    error.to_string().contains(words) && error.to_string().contains("volume-1"),
                    "{error}"
                );
            }
        }
    }
}
