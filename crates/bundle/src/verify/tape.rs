//! Volumes as one run of bytes, each read once; every volume's checksum is made on the way, on a thread of its own.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use sealift_oci::{Algorithm, Hasher};

use super::{Found, Meter};
use crate::reader::{Bundle, DIFFERS, READ_SIZE, open_file};

/// How many pieces of a volume wait for its checksum.
const AHEAD: usize = 4;

/// A run of volumes.
pub(super) struct Tape<'a> {
    bundle: &'a Bundle,
    meter: &'a Meter<'a>,
    /// The volumes that follow.
    next: Range<usize>,
    current: Option<Current>,
    /// How many bytes were taken, over all volumes.
    taken: u64,
    pub(super) found: Vec<Found>,
}

/// The volume that is read.
struct Current {
    number: usize,
    path: PathBuf,
    file: File,
    /// Its size, and how many of its bytes were read and taken.
    size: u64,
    read: u64,
    taken: u64,
    buffer: Bytes,
    hash: Option<VolumeHash>,
}

/// A volume cannot be read on.
#[derive(Debug)]
pub(super) struct Broken;

/// A place on the tape.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) volume: usize,
    pub(super) path: PathBuf,
    pub(super) position: u64,
}

impl Place {
    pub(super) fn finding(&self, what: impl ToString) -> Found {
        let position = Some(self.position);
        Found { path: self.path.clone(), position, what: what.to_string(), content: Vec::new() }
    }
}

impl<'a> Tape<'a> {
    pub(super) fn new(bundle: &'a Bundle, volumes: Range<usize>, meter: &'a Meter<'a>) -> Self {
        Self { bundle, meter, next: volumes, current: None, taken: 0, found: Vec::new() }
    }

    /// Returns how many bytes were taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Tells whether everything was taken.
    pub(super) fn is_over(&self) -> bool {
        self.current.is_none() && self.next.is_empty()
    }

    /// Returns the volume that could not be read on.
    pub(super) fn stopped(&self) -> usize {
        self.current.as_ref().map_or(self.next.start.saturating_sub(1), |it| it.number)
    }

    /// Says where the next byte lies; `None` at the end.
    pub(super) fn here(&mut self) -> Result<Option<Place>, Broken> {
        self.fill()?;
        let place = |it: &Current| Place { volume: it.number, path: it.path.clone(), position: it.taken };
        Ok(self.current.as_ref().map(place))
    }

    /// Takes at most `limit` bytes; none at the end.
    pub(super) fn piece(&mut self, limit: u64) -> Result<Bytes, Broken> {
        self.fill()?;
        let Some(current) = &mut self.current else { return Ok(Bytes::new()) };
        let count = usize::try_from(limit).unwrap_or(usize::MAX).min(current.buffer.len());
        current.taken += count as u64;
        self.taken += count as u64;
        Ok(current.buffer.split_to(count))
    }

    /// Takes `count` bytes, which are few; fewer at the end.
    pub(super) fn exact(&mut self, count: u64) -> Result<Vec<u8>, Broken> {
        let mut all = Vec::new();
        self.each(count, |piece| all.extend_from_slice(piece))?;
        Ok(all)
    }

    /// Takes `count` bytes and tells whether there were as many.
    pub(super) fn each(&mut self, count: u64, mut take: impl FnMut(&[u8])) -> Result<bool, Broken> {
        let mut left = count;
        while left > 0 {
            let piece = self.piece(left)?;
            if piece.is_empty() {
                return Ok(false);
            }
            left -= piece.len() as u64;
            take(&piece);
        }
        Ok(true)
    }

    /// Makes sure that the next byte is at hand, in the next volume if this one is at its end.
    fn fill(&mut self) -> Result<(), Broken> {
        loop {
            match &mut self.current {
                Some(current) if !current.buffer.is_empty() => return Ok(()),
                Some(current) if current.read < current.size => {
                    if let Err(error) = current.read(self.meter) {
                        let what = format!("it cannot be read there: {error}");
                        return Err(self.break_off(&what));
                    }
                }
                Some(_) => self.close(),
                None => match self.next.next() {
                    Some(number) => self.open(number)?,
                    None => return Ok(()),
                },
            }
        }
    }

    fn open(&mut self, number: usize) -> Result<(), Broken> {
        let Some(volume) = self.bundle.volume(number) else { return Err(Broken) };
        let opened = open_file(volume.path()).and_then(|(file, _)| {
            let hash = volume.sha256().map(|expected| VolumeHash::start(expected.to_owned()));
            Ok((file, hash.transpose()?))
        });
        let (path, size) = (volume.path().to_owned(), volume.size());
        match opened {
            Ok((file, hash)) => {
                let buffer = Bytes::new();
                self.current = Some(Current { number, path, file, size, read: 0, taken: 0, buffer, hash });
                Ok(())
            }
            Err(error) => {
                let content = self.content_of(number);
                self.found.push(Found { path, position: None, what: error.to_string(), content });
                Err(Broken)
            }
        }
    }

    /// A volume was read to its end.
    fn close(&mut self) {
        let Some(current) = self.current.take() else { return };
        if current.hash.is_some_and(|hash| !hash.fits()) {
            let (path, what) = (current.path, DIFFERS.to_owned());
            self.found.push(Found { path, position: None, what, content: Vec::new() });
        }
    }

    fn break_off(&mut self, what: &str) -> Broken {
        if let Some(current) = &self.current {
            let (path, position) = (current.path.clone(), Some(current.read));
            let content = self.content_of(current.number);
            self.found.push(Found { path, position, what: what.to_owned(), content });
        }
        Broken
    }

    fn content_of(&self, number: usize) -> Vec<sealift_oci::Digest> {
        let all = self.bundle.catalogue().content.iter();
        let lies = all.filter(|content| content.at.iter().any(|extent| extent.volume == number));
        lies.map(|content| content.digest).collect()
    }
}

impl Current {
    fn read(&mut self, meter: &Meter<'_>) -> io::Result<()> {
        let room = usize::try_from(self.size - self.read).unwrap_or(usize::MAX).min(READ_SIZE);
        let mut buffer = vec![0; room];
        let count = self.file.read(&mut buffer)?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends"));
        }
        buffer.truncate(count);
        self.buffer = Bytes::from(buffer);
        self.read += count as u64;
        meter.add(count as u64);
        match &self.hash {
            Some(hash) => hash.add(self.buffer.clone()),
            None => Ok(()),
        }
    }
}

/// The checksum of a volume in the making.
struct VolumeHash {
    pieces: SyncSender<Bytes>,
    thread: JoinHandle<String>,
    expected: String,
}

impl VolumeHash {
    fn start(expected: String) -> io::Result<Self> {
        let (pieces, queue) = sync_channel::<Bytes>(AHEAD);
        let thread = thread::Builder::new().spawn(move || {
            let mut hasher = Hasher::new(Algorithm::Sha256);
            queue.iter().for_each(|piece| hasher.update(&piece));
            hasher.finish().hex()
        })?;
        Ok(Self { pieces, thread, expected })
    }

    fn add(&self, piece: Bytes) -> io::Result<()> {
        self.pieces.send(piece).map_err(io::Error::other)
    }

    fn fits(self) -> bool {
        drop(self.pieces);
        self.thread.join().is_ok_and(|actual| actual == self.expected)
    }
}
