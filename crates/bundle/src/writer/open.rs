//! Beginning a bundle, or going on with one: what lies at the destination decides.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use super::journal::{self, Head, Journal};
use super::place::{Place, refuse_finished};
use super::prefetch::{self, Prefetch};
use super::sealing::KeptSealing;
use super::shape::Shape;
use super::state::State;
use super::volumes::{Output, Volumes};
use super::{BundleWriter, Destination, Shared, WriterOptions};
use crate::error::{BundleError, Result};
use crate::names::{FILE_JOURNAL, JOURNAL, UNFINISHED};
use crate::seal::Lock;

/// Puts something behind a file's name.
pub(crate) fn behind(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Where the files of a bundle are, before anything is made there.
struct Site {
    place: Place,
    output: Output,
    /// Where it is said what is whole; a pipe has no such place.
    journal: Option<PathBuf>,
    volume_size: Option<u64>,
    writers: usize,
}

impl Site {
    fn of(destination: Destination, options: &WriterOptions) -> Self {
        match destination {
            Destination::Directory(path) => Self {
                place: Place::Directory(path.clone()),
                journal: Some(path.join(JOURNAL)),
                output: Output::Directory(path),
                volume_size: options.volume_size,
                writers: options.writers.max(1),
            },
            Destination::File(path) => Self {
                output: Output::File(behind(&path, UNFINISHED)),
                journal: Some(behind(&path, FILE_JOURNAL)),
                place: Place::File(path),
                volume_size: None,
                writers: 1,
            },
            Destination::Pipe(pipe) => Self {
                place: Place::Pipe,
                output: Output::Pipe(Arc::new(pipe)),
                journal: None,
                volume_size: None,
                writers: 1,
            },
        }
    }

    /// Makes a directory; beside a finished file nothing is made, not even for a moment.
    fn prepare(&self) -> Result<()> {
        match (&self.place, &self.journal) {
            (Place::Directory(path), _) => {
                sealift_store::atomic::create_dir_all(path).map_err(BundleError::io(path))
            }
            (Place::File(path), journal) => {
                refuse_name(path)?;
                match journal {
                    Some(journal) if !journal.exists() => refuse_finished(path, path),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

/// Finds what forbids to write a bundle of that shape at the destination. Nothing is changed.
pub(super) fn check(destination: &Destination, shape: &Shape) -> Result<()> {
    let (place, journal) = match destination {
        Destination::Directory(path) => (Place::Directory(path.clone()), path.join(JOURNAL)),
        Destination::File(path) => (Place::File(path.clone()), behind(path, FILE_JOURNAL)),
        Destination::Pipe(_) => return Ok(()),
    };
    match &place {
        Place::Directory(path) => refuse_file(path)?,
        Place::File(path) => refuse_name(path)?,
        Place::Pipe => {}
    }
    if let Some(left) = journal::head(&journal)? {
        return shape.check(&journal, &left);
    }
    let is_new = matches!(&place, Place::Directory(path) if !path.is_dir());
    if is_new { Ok(()) } else { place.refuse_others() }
}

/// Its checksum stands beside one file, in a list that names it: a line of text.
fn refuse_name(path: &Path) -> Result<()> {
    let name = path.file_name().and_then(OsStr::to_str);
    match name.is_some_and(|name| !name.contains(char::is_control)) {
        true => Ok(()),
        false => Err(BundleError::NotABundle {
            path: path.to_owned(),
            reason: "its name cannot stand in a list of checksums; give it a name of letters and digits"
                .to_owned(),
        }),
    }
}

/// A file that is there is no directory, and none takes its place.
fn refuse_file(path: &Path) -> Result<()> {
    match path.exists() && !path.is_dir() {
        true => Err(BundleError::NotABundle {
            path: path.to_owned(),
            reason: "it is a file; a bundle is a directory, or a file that ends in .tar".to_owned(),
        }),
        false => Ok(()),
    }
}

pub(super) fn open(destination: Destination, options: WriterOptions) -> Result<BundleWriter> {
    let site = Site::of(destination, &options);
    site.prepare()?;
    let name = site.place.name();
    let volumes = Volumes::new(site.output, site.volume_size, site.writers);
    let mut state = State { base: options.base, ..State::default() };
    let held = site.place.hold()?;
    site.place.take_back()?;
    site.place.refuse_others()?;
    let draw = |lock: &Lock| KeptSealing::draw(Path::new(&name), lock);
    let mut head = Head::new(&options.id, site.volume_size, options.lock.as_ref().map(draw).transpose()?);
    let mut entries = 0;
    let mut journal = None;
    if let Some(path) = &site.journal {
        if let Some(left) = journal::head(path)? {
            let shape = Shape::new(site.volume_size, options.lock.as_ref());
            shape.check_with(path, &left, options.lock.as_ref())?;
        }
        journal = Some(Mutex::new(
            match journal::take_up(path, volumes.directory(), |number| volumes.path(number))? {
                Some(left) => {
                    entries = left.entries;
                    state.take_up(left.content);
                    volumes.adopt(left.volumes);
                    head = left.head;
                    Journal::append_to(path)?
                }
                None => Journal::create(path, &head)?,
            },
        ));
    }
    let shared = Shared {
        place: name,
        destination: site.place,
        id: head.id,
        volumes: Arc::new(volumes),
        sealing: head.sealing.map(|kept| kept.take_up(entries)).transpose()?,
        state: Mutex::new(state),
        journal,
        uploads: Mutex::default(),
        deltas: options.deltas,
        prefetch: Prefetch::new(prefetch::LIMIT),
        counter: AtomicU64::new(1),
        manifests: tokio::sync::Mutex::default(),
        _held: held,
    };
    Ok(BundleWriter { shared: Arc::new(shared) })
}
