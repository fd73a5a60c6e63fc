//! The spool on disk: the beginnings of blobs that were on their way, within a bound, for registries that
//! forget unfinished uploads.
//!
//! Each blob has a file with its first bytes and a mark beside it: how many of them were there at some
//! moment, and how the hash stood. What is read back is hashed again and held against the mark first, so a
//! file that was torn by a crash or changed by somebody is not used. A file belongs to one process at a
//! time, by a lock that ends with it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use sealift_mirror::Spool;
use sealift_oci::{Digest, Hasher};
use sealift_store::{BlobBody, atomic, lock, platform};
use serde::{Deserialize, Serialize};

use crate::journal::remove;

/// How many bytes pass between two marks; so much is fetched again at most.
const MARK_SPACING: u64 = 8 * 1024 * 1024;
/// How much is read at once while a file is verified.
const READ: usize = 1024 * 1024;
/// Who comes back later than this begins again.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
const PART: &str = "part";
const MARK: &str = "mark";

/// Keeps the beginnings of blobs in a directory.
#[derive(Debug)]
pub(crate) struct DiskSpool {
    root: PathBuf,
    limit: u64,
    used: AtomicU64,
    open: Mutex<HashMap<Digest, Arc<Mutex<Part>>>>,
}

/// The beginning of one blob.
#[derive(Debug)]
struct Part {
    file: File,
    mark: PathBuf,
    length: u64,
    hasher: Hasher,
    marked: u64,
}

/// What stands beside a part. Version 1 has no other fields.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    version: u32,
    length: u64,
    hash: Vec<u8>,
}

impl DiskSpool {
    /// Opens a spool of at most `limit` bytes; what is too old is removed.
    pub(crate) fn open(root: &Path, limit: u64, now: SystemTime) -> io::Result<Self> {
        atomic::create_dir_all(root)?;
        let used = sweep(root, limit, now)?;
        Ok(Self { root: root.to_owned(), limit, used: AtomicU64::new(used), open: Mutex::default() })
    }

    fn path(&self, digest: &Digest, ending: &str) -> PathBuf {
        self.root.join(format!("{}-{}.{ending}", digest.algorithm().as_str(), digest.hex()))
    }

    fn known(&self, digest: &Digest) -> Option<Arc<Mutex<Part>>> {
        lock(&self.open).get(digest).cloned()
    }

    /// Counts again what is there: other processes may keep parts in the same directory.
    fn measure(&self) {
        if let Ok(entries) = entries(&self.root) {
            self.used.store(entries.iter().map(|entry| entry.size).sum(), Ordering::Relaxed);
        }
    }

    /// Begins a part at the first byte; another process may be at it.
    fn begin(&self, digest: &Digest) -> io::Result<Arc<Mutex<Part>>> {
        self.measure();
        let file = part_file(&self.path(digest, PART))?;
        self.give_room(file.metadata()?.len());
        file.set_len(0)?;
        let part = Part {
            file,
            mark: self.path(digest, MARK),
            length: 0,
            hasher: Hasher::new(digest.algorithm()),
            marked: 0,
        };
        let part = Arc::new(Mutex::new(part));
        lock(&self.open).insert(*digest, Arc::clone(&part));
        Ok(part)
    }

    /// Tells whether what other processes keep between two marks cannot matter.
    fn has_plenty(&self) -> bool {
        self.used.load(Ordering::Relaxed).saturating_add(2 * MARK_SPACING) < self.limit
    }

    fn take_room(&self, bytes: u64) -> bool {
        let room = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
    }

    fn give_room(&self, bytes: u64) {
        let less = |used: u64| Some(used.saturating_sub(bytes));
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

#[async_trait]
impl Spool for DiskSpool {
    async fn recall(&self, digest: &Digest) -> Option<BlobBody> {
        // Where an upload was lost, this very process may be at it: it lets go, and proves its own bytes like others.
        drop(lock(&self.open).remove(digest));
        let (part, mark, wanted) = (self.path(digest, PART), self.path(digest, MARK), *digest);
        let verified = tokio::task::spawn_blocking(move || Part::verified(&part, &mark, &wanted)).await;
        let (part, behind_mark) = verified.ok()?.ok()?;
        self.give_room(behind_mark);
        let body = part.file.try_clone().ok().and_then(|file| BlobBody::from_file(file, 0).ok())?;
        let body = body.take(part.length);
        lock(&self.open).insert(*digest, Arc::new(Mutex::new(part)));
        Some(body)
    }

    async fn keep(&self, digest: &Digest, offset: u64, piece: &Bytes) {
        let known = match self.known(digest) {
            None if offset == 0 => self.begin(digest).ok(),
            known => known,
        };
        let Some(part) = known else { return };
        if lock(&part).length != offset {
            return;
        }
        if !self.has_plenty() {
            self.measure();
        }
        if !self.take_room(piece.len() as u64) {
            return;
        }
        let (piece, kept, marked) = (piece.clone(), Arc::clone(&part), lock(&part).marked);
        // A disk that is full, or any other failure, ends the keeping of this blob and nothing else.
        if !matches!(tokio::task::spawn_blocking(move || lock(&part).append(&piece)).await, Ok(Ok(()))) {
            lock(&self.open).remove(digest);
        }
        if lock(&kept).marked != marked {
            self.measure();
        }
    }

    async fn forget(&self, digest: &Digest) {
        let path = self.path(digest, PART);
        let known = lock(&self.open).remove(digest);
        // What an earlier process left is forgotten, too, unless another one is at it.
        let length = match &known {
            Some(part) => Some(lock(part).length),
            None => std::fs::metadata(&path).ok().filter(|_| is_free(&path)).map(|it| it.len()),
        };
        if let Some(length) = length {
            self.give_room(length);
            // A file that stays behind is found wrong or too old later.
            let _ = std::fs::remove_file(path);
            let _ = std::fs::remove_file(self.path(digest, MARK));
        }
    }
}

impl Part {
    /// Reads a part back up to its mark, and hashes it. Returns how much was cut off behind the mark, too.
    fn verified(path: &Path, mark_path: &Path, digest: &Digest) -> io::Result<(Self, u64)> {
        let mark: Mark = serde_json::from_slice(&std::fs::read(mark_path)?)?;
        let mut file = part_file(path)?;
        let mut hasher = Hasher::new(digest.algorithm());
        let mut piece = vec![0; READ];
        let mut left = mark.length;
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(READ).min(READ);
            file.read_exact(&mut piece[..wanted])?;
            hasher.update(&piece[..wanted]);
            left -= wanted as u64;
        }
        if mark.version != 1 || hasher.save() != mark.hash {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the part differs from its mark"));
        }
        let behind_mark = file.metadata()?.len().saturating_sub(mark.length);
        file.set_len(mark.length)?;
        let part =
            Self { file, mark: mark_path.to_owned(), length: mark.length, hasher, marked: mark.length };
        Ok((part, behind_mark))
    }

    fn append(&mut self, piece: &Bytes) -> io::Result<()> {
        // The body that was recalled reads through the same file description.
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(piece)?;
        self.hasher.update(piece);
        self.length += piece.len() as u64;
        if self.length < self.marked + MARK_SPACING {
            return Ok(());
        }
        self.marked = self.length;
        let mark = Mark { version: 1, length: self.length, hash: self.hasher.save() };
        atomic::write_unsynced_private(&self.mark, &serde_json::to_vec(&mark)?)
    }
}

/// Opens a part for this process alone.
fn part_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    platform::set_mode(&mut options, platform::PRIVATE_FILE);
    let file = options.open(path)?;
    file.try_lock().map_err(io::Error::from)?;
    Ok(file)
}

/// A file of the spool.
struct Entry {
    path: PathBuf,
    size: u64,
    changed: SystemTime,
}

impl Entry {
    fn is_old(&self, now: SystemTime) -> bool {
        now.duration_since(self.changed).is_ok_and(|age| age > KEPT_FOR)
    }
}

/// Parts and marks: what the bound is for.
fn entries(root: &Path) -> io::Result<Vec<Entry>> {
    files(root, |path| path.extension().is_some_and(|it| it == PART || it == MARK))
}

/// Marks that are about to be written, or were when their process was killed. Each is a few hundred bytes for a moment,
/// so they do not count against the bound.
fn stages(root: &Path) -> io::Result<Vec<Entry>> {
    let is_stage = |name: &str| name.starts_with(atomic::STAGE_PREFIX);
    files(root, |path| path.file_name().and_then(OsStr::to_str).is_some_and(is_stage))
}

fn files(root: &Path, is_wanted: impl Fn(&Path) -> bool) -> io::Result<Vec<Entry>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let path = entry?.path();
        // What another process has just removed is not there.
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        if is_wanted(&path) && metadata.is_file() {
            let changed = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push(Entry { path, size: metadata.len(), changed });
        }
    }
    Ok(files)
}

/// Removes what is too old, and the oldest of the rest until what is left keeps the bound. Returns how much that is. What
/// another process is at stays.
fn sweep(root: &Path, limit: u64, now: SystemTime) -> io::Result<u64> {
    // Whether another process is at a stage only its age tells.
    stages(root)?.iter().filter(|stage| stage.is_old(now)).try_for_each(|stage| remove(&stage.path))?;
    keep_bound(entries(root)?, limit, now)
}

/// Other processes may do the same at the same time.
fn keep_bound(mut entries: Vec<Entry>, limit: u64, now: SystemTime) -> io::Result<u64> {
    entries.sort_by_key(|entry| entry.changed);
    let mut used: u64 = entries.iter().map(|entry| entry.size).sum();
    for entry in entries {
        if entry.is_old(now) || (used > limit && is_free(&entry.path)) {
            remove(&entry.path)?;
            used -= entry.size;
        }
    }
    Ok(used)
}

/// Tells whether no process is at a part; a mark is worth nothing without its part.
fn is_free(path: &Path) -> bool {
    match File::open(path.with_extension(PART)) {
        Ok(file) => file.try_lock().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: usize = 1024 * 1024;

    fn content(pieces: usize) -> Vec<u8> {
        (0..pieces * PIECE).map(|at| (at / 7) as u8).collect()
    }

    async fn fill(spool: &DiskSpool, digest: &Digest, content: &[u8]) {
        for (number, piece) in content.chunks(PIECE).enumerate() {
            spool.keep(digest, (number * PIECE) as u64, &Bytes::copy_from_slice(piece)).await;
        }
    }

    fn open(root: &Path, limit: u64) -> DiskSpool {
        DiskSpool::open(root, limit, SystemTime::now()).unwrap()
    }

    async fn recalled(spool: &DiskSpool, digest: &Digest) -> Option<Vec<u8>> {
        let body = spool.recall(digest).await?;
        Some(body.collect(64 * PIECE).await.unwrap().to_vec())
    }

    #[tokio::test]
    async fn the_next_process_finds_what_was_marked_and_goes_on() {
        let root = tempfile::tempdir().unwrap();
        let (all, digest) = (content(20), Digest::sha256(b"any"));
        fill(&open(root.path(), u64::MAX), &digest, &all[..19 * PIECE]).await;
        let next = open(root.path(), u64::MAX);
        assert_eq!(recalled(&next, &digest).await.unwrap(), all[..16 * PIECE]);
        next.keep(&digest, (16 * PIECE) as u64, &Bytes::copy_from_slice(&all[16 * PIECE..])).await;
        drop(next);
        let last = open(root.path(), u64::MAX);
        assert_eq!(recalled(&last, &digest).await.unwrap().len(), 16 * PIECE, "four more are below a mark");
        last.forget(&digest).await;
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }

    /// An upload that is lost begins again in the same process, too.
    #[tokio::test]
    async fn the_process_that_keeps_a_part_can_read_it_back() {
        let root = tempfile::tempdir().unwrap();
        let (all, digest) = (content(19), Digest::sha256(b"any"));
        let spool = open(root.path(), (20 * PIECE) as u64);
        fill(&spool, &digest, &all).await;
        assert_eq!(recalled(&spool, &digest).await.unwrap(), all[..16 * PIECE]);
        spool.keep(&digest, (16 * PIECE) as u64, &Bytes::copy_from_slice(&all[16 * PIECE..])).await;
        assert_eq!(std::fs::metadata(spool.path(&digest, PART)).unwrap().len(), (19 * PIECE) as u64);
    }

    #[tokio::test]
    async fn what_another_process_left_is_forgotten_and_what_it_is_at_stays() {
        let root = tempfile::tempdir().unwrap();
        let (all, digest) = (content(9), Digest::sha256(b"any"));
        let (first, second) = (open(root.path(), u64::MAX), open(root.path(), u64::MAX));
        fill(&first, &digest, &all).await;
        second.forget(&digest).await;
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2, "a part and its mark");
        drop(first);
        second.forget(&digest).await;
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn processes_that_keep_at_the_same_time_share_the_bound() {
        let root = tempfile::tempdir().unwrap();
        let limit = (20 * PIECE) as u64;
        let spools = [open(root.path(), limit), open(root.path(), limit), open(root.path(), limit)];
        let digests = [1, 2, 3].map(|number| Digest::sha256(&[number]));
        for number in 0..12 {
            for (spool, digest) in spools.iter().zip(&digests) {
                spool.keep(digest, (number * PIECE) as u64, &Bytes::from(vec![7; PIECE])).await;
            }
        }
        let kept: u64 = entries(root.path()).unwrap().iter().map(|entry| entry.size).sum();
        assert!(kept > limit - 2 * PIECE as u64 && kept <= limit, "{kept}");
    }

    #[tokio::test]
    async fn what_was_changed_or_torn_is_not_used() {
        let root = tempfile::tempdir().unwrap();
        let (all, digest) = (content(9), Digest::sha256(b"any"));
        fill(&open(root.path(), u64::MAX), &digest, &all).await;
        let path = open(root.path(), u64::MAX).path(&digest, PART);
        let mut file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all(b"x").unwrap();
        assert!(open(root.path(), u64::MAX).recall(&digest).await.is_none());
        file.set_len(100).unwrap();
        assert!(open(root.path(), u64::MAX).recall(&digest).await.is_none());
    }

    #[tokio::test]
    async fn the_bound_is_kept_and_a_part_belongs_to_one() {
        let root = tempfile::tempdir().unwrap();
        let (all, digest) = (content(12), Digest::sha256(b"any"));
        let spool = open(root.path(), (10 * PIECE) as u64);
        fill(&spool, &digest, &all).await;
        let kept = std::fs::metadata(spool.path(&digest, PART)).unwrap().len();
        // The mark counts, too, so the tenth does not fit any more.
        assert_eq!(kept, (9 * PIECE) as u64);
        assert!(open(root.path(), u64::MAX).recall(&digest).await.is_none(), "another one has it open");
    }

    #[tokio::test]
    async fn what_is_cut_off_behind_a_mark_gives_its_room_back() {
        let root = tempfile::tempdir().unwrap();
        let (all, digest) = (content(19), Digest::sha256(b"any"));
        fill(&open(root.path(), u64::MAX), &digest, &all).await;
        let next = open(root.path(), (20 * PIECE) as u64);
        assert_eq!(recalled(&next, &digest).await.unwrap().len(), 16 * PIECE);
        next.keep(&digest, (16 * PIECE) as u64, &Bytes::copy_from_slice(&all[16 * PIECE..])).await;
        assert_eq!(std::fs::metadata(next.path(&digest, PART)).unwrap().len(), (19 * PIECE) as u64);
    }

    #[test]
    fn the_oldest_goes_where_there_is_more_than_the_bound() {
        let root = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        for (age, name) in ["sha256-03.part", "sha256-02.part", "sha256-01.part"].into_iter().enumerate() {
            let path = root.path().join(name);
            std::fs::write(&path, "0123456789").unwrap();
            let changed = now - Duration::from_secs(60 * age as u64);
            File::options().write(true).open(&path).unwrap().set_modified(changed).unwrap();
        }
        // Another process is at the oldest.
        let _busy = part_file(&root.path().join("sha256-01.part")).unwrap();
        assert_eq!(sweep(root.path(), 20, now).unwrap(), 20);
        let mut left: Vec<_> =
            std::fs::read_dir(root.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["sha256-01.part", "sha256-03.part"]);
    }

    #[test]
    fn what_is_too_old_is_swept_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        for name in ["sha256-00.part", "sha256-00.mark", ".stage-0123", "notes.txt"] {
            std::fs::write(root.path().join(name), "x").unwrap();
        }
        let later = SystemTime::now() + KEPT_FOR + Duration::from_secs(60);
        let count = || std::fs::read_dir(root.path()).unwrap().count();
        assert_eq!(sweep(root.path(), u64::MAX, SystemTime::now()).unwrap(), 2);
        assert_eq!(count(), 4);
        // A young stage may be another process's, whatever the bound is.
        assert_eq!(sweep(root.path(), 0, SystemTime::now()).unwrap(), 0);
        assert_eq!(count(), 2);
        assert_eq!(sweep(root.path(), u64::MAX, later).unwrap(), 0);
        assert_eq!(count(), 1);
    }

    #[test]
    fn another_process_may_sweep_at_the_same_time() {
        let root = tempfile::tempdir().unwrap();
        let (now, later) = (SystemTime::now(), SystemTime::now() + KEPT_FOR + Duration::from_secs(60));
        for (limit, when) in [(u64::MAX, later), (0, now)] {
            for name in ["sha256-00.part", "sha256-01.part", "sha256-01.mark"] {
                std::fs::write(root.path().join(name), "x").unwrap();
            }
            let seen = entries(root.path()).unwrap();
            std::fs::remove_file(root.path().join("sha256-01.part")).unwrap();
            assert_eq!(keep_bound(seen, limit, when).unwrap(), 0, "{limit}");
            assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0, "{limit}");
        }
    }
}
