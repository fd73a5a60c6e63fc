//! What has arrived of an upload: a file that only one caller at a time has open, and the hash of it.
//!
//! The hash is made while the bytes stream by, and its state is saved after each append, so that an upload
//! goes on in another process without reading everything again. Bytes behind the saved state come from a
//! process that was killed: they are hashed and not thrown away, for they came over a line that is slower
//! than any disk. Nothing here is synced before the end: what a pulled plug spoils, the digest finds.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use sealift_oci::{Algorithm, Digest, Hasher};

use super::UploadPaths;
use crate::atomic;
use crate::batch::{BatchSink, write_and_hash};

/// How much is read at once where a file is hashed.
const READ_SIZE: usize = 1024 * 1024;

/// What has arrived of an upload, locked as long as this lives.
#[derive(Debug)]
pub struct Data {
    paths: UploadPaths,
    file: Arc<File>,
    hasher: Hasher,
    /// How many bytes are in the hash. The file is longer only while a batch is written, or broke off.
    hashed: u64,
    /// Hash and length as they were when it was opened.
    begin: (Hasher, u64),
    is_saved: bool,
}

impl Data {
    /// Makes an empty upload.
    ///
    /// # Errors
    /// Those of creating a file.
    pub fn create(paths: &UploadPaths) -> io::Result<()> {
        fs::create_dir_all(paths.directory())?;
        File::create_new(paths.data()).map(drop)
    }

    /// Opens an upload; [`io::ErrorKind::WouldBlock`] where somebody else has it open.
    ///
    /// # Errors
    /// As told; not found where the upload is not there.
    pub fn open(paths: &UploadPaths) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).open(paths.data())?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => {
                return Err(error);
            }
            _ => {}
        }
        // Whoever had it before may have finished it: then this file is a blob now, and must not be touched.
        fs::metadata(paths.data())?;
        let length = file.metadata()?.len();
        let (mut hasher, saved) = load(&paths.state(), length);
        file.seek(SeekFrom::Start(saved))?;
        let hashed = saved + hash_file(&file, &mut hasher)?;
        let (begin, is_saved) = ((hasher.clone(), hashed), hashed == saved);
        Ok(Self { paths: paths.clone(), file: Arc::new(file), hasher, hashed, begin, is_saved })
    }

    /// Forgets what came since it was opened.
    ///
    /// # Errors
    /// Those of cutting the file.
    pub fn take_back(&mut self) -> io::Result<()> {
        // Hashed again are at worst the bytes that stay, should this end between the two files.
        self.file.set_len(self.begin.1)?;
        (self.hasher, self.hashed) = self.begin.clone();
        self.is_saved = false;
        Ok(())
    }

    /// Returns how many bytes are in the file.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn length(&self) -> io::Result<u64> {
        self.file.metadata().map(|metadata| metadata.len())
    }

    /// Saves how far the hash is. Where that fails, as on a full disk, more is hashed again and that is all.
    pub fn save(&mut self) {
        if !self.is_saved {
            let mut state = self.hashed.to_le_bytes().to_vec();
            state.extend(self.hasher.save());
            self.is_saved = atomic::write_unsynced(&self.paths.state(), &state).is_ok();
        }
    }

    /// Returns the digest of everything. Only SHA-256 is made on the way, as nearly every digest is one and
    /// nobody says before the end; for another one the file is read back.
    ///
    /// # Errors
    /// Those of reading.
    pub fn digest(&self, algorithm: Algorithm) -> io::Result<Digest> {
        if algorithm == Algorithm::Sha256 {
            return Ok(self.hasher.clone().finish());
        }
        let mut hasher = Hasher::new(algorithm);
        (&*self.file).seek(SeekFrom::Start(0))?;
        hash_file(&self.file, &mut hasher)?;
        Ok(hasher.finish())
    }

    /// Makes the bytes durable and moves them to their name as a blob.
    ///
    /// # Errors
    /// Those of syncing and renaming.
    pub fn publish(mut self, blob: &Path) -> io::Result<()> {
        self.is_saved = true;
        atomic::publish(&self.file, &self.paths.data(), blob)?;
        // The blob is there; what is left of the upload is swept later if this fails.
        let _ = fs::remove_dir_all(self.paths.directory());
        Ok(())
    }

    /// Forgets the bytes.
    ///
    /// # Errors
    /// Those of removing.
    pub fn remove(mut self) -> io::Result<()> {
        self.is_saved = true;
        fs::remove_dir_all(self.paths.directory())
    }
}

/// No thread is held between batches: a client that is slow costs nothing.
impl BatchSink for Data {
    async fn append(&mut self, batch: Arc<[Bytes]>) -> io::Result<()> {
        let size: usize = batch.iter().map(Bytes::len).sum();
        self.hasher = write_and_hash(Arc::clone(&self.file), self.hasher.clone(), batch).await?;
        self.hashed += size as u64;
        self.is_saved = false;
        Ok(())
    }
}

/// An append whose future is dropped, as servers do when a client goes away, keeps what it has done.
impl Drop for Data {
    fn drop(&mut self) {
        self.save();
        // Closing alone is not enough: a child that this process is just starting has the file open, too, until it
        // becomes another program, and keeps the lock so long (flock(2)). A batch on its way keeps it, rightly.
        if Arc::strong_count(&self.file) == 1 {
            // Where locks are not supported there is none.
            let _ = self.file.unlock();
        }
    }
}

/// Reads a saved state; where it does not fit the file, hashing begins anew.
fn load(state: &Path, length: u64) -> (Hasher, u64) {
    let anew = (Hasher::new(Algorithm::Sha256), 0);
    let Ok(saved) = fs::read(state) else { return anew };
    let Some((offset, hash)) = saved.split_first_chunk::<8>() else { return anew };
    let offset = u64::from_le_bytes(*offset);
    match Hasher::restore(Algorithm::Sha256, hash) {
        Ok(hasher) if offset <= length => (hasher, offset),
        _ => anew,
    }
}

/// Hashes a file from where it stands to its end, and returns how many bytes that were.
fn hash_file(mut file: &File, hasher: &mut Hasher) -> io::Result<u64> {
    let left = file.metadata()?.len().saturating_sub(file.stream_position()?);
    let mut buffer = vec![0; READ_SIZE.min(usize::try_from(left).unwrap_or(READ_SIZE))];
    let mut hashed = 0;
    while hashed < left {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
                hashed += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hashed)
}
