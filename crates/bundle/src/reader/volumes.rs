//! Finding the volumes: they may lie in several directories, and some may be missing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::hash::hash_file;
use super::{Progress, files};
use crate::catalogue::Volume;

/// A volume, and what is wrong with it.
#[derive(Debug)]
pub struct VolumeFile {
    name: String,
    path: PathBuf,
    size: u64,
    sha256: Option<String>,
    problem: Option<String>,
    /// Other files of its name, and why they were passed over.
    passed_over: Vec<(PathBuf, String)>,
    /// Whether the whole file has its checksum; asked once.
    proof: OnceLock<Result<(), String>>,
}

impl VolumeFile {
    /// Looks for a volume in the directories, in their order; the first good one is taken. Where several have its size,
    /// their checksums tell which is good, and `progress` is told how they are read.
    pub(crate) fn find(volume: &Volume, directories: &[PathBuf], progress: &Progress<'_>) -> Self {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for directory in directories {
            let path = directory.join(&volume.name);
            match look(&path, volume.size) {
                Ok(Some(size)) => good.push(Self::new(volume, path, size, None)),
                Ok(None) => {}
                Err(problem) => bad.push((path, problem)),
            }
        }
        if let Some(found) = choose(good, &mut bad, progress) {
            return Self { passed_over: bad, ..found };
        }
        let missing = || {
            let path = directories.first().map(PathBuf::as_path).unwrap_or(Path::new("")).join(&volume.name);
            (path, "the volume is missing".to_owned())
        };
        let mut bad = bad.into_iter();
        let (path, problem) = bad.next().unwrap_or_else(missing);
        let found = Self::new(volume, path, volume.size.unwrap_or_default(), Some(problem));
        Self { passed_over: bad.collect(), ..found }
    }

    /// The volume that is the whole bundle.
    pub(crate) fn whole(volume: &Volume, path: &Path, size: u64, sha256: Option<&str>) -> Self {
        let volume = Volume { sha256: sha256.map(str::to_owned), ..volume.clone() };
        Self::new(&volume, path.to_owned(), size, None)
    }

    fn new(volume: &Volume, path: PathBuf, size: u64, problem: Option<String>) -> Self {
        let (name, sha256) = (volume.name.clone(), volume.sha256.clone());
        Self { name, path, size, sha256, problem, passed_over: Vec::new(), proof: OnceLock::new() }
    }

    /// Returns the name that the catalogue gives it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns where it lies, or where it was looked for first.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Says why it cannot be read; `None` where it can.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Returns other files of its name that were found, and why none of them was taken.
    #[must_use]
    pub fn passed_over(&self) -> &[(PathBuf, String)] {
        &self.passed_over
    }

    /// Returns the SHA-256 that it should have, where one is known.
    pub(crate) fn sha256(&self) -> Option<&str> {
        self.sha256.as_deref()
    }

    /// Compares the checksum of the whole file; it is read on the first call only.
    pub(crate) fn prove(&self) -> Result<(), String> {
        self.proof.get_or_init(|| self.compare(&|_| {})).clone()
    }

    /// Reads the whole file and compares its checksum; `progress` is told how many bytes were read more.
    pub(crate) fn compare(&self, progress: &dyn Fn(u64)) -> Result<(), String> {
        let Some(expected) = &self.sha256 else { return Ok(()) };
        let actual = hash_file(&self.path, progress).map_err(|error| error.to_string())?;
        if actual == *expected { Ok(()) } else { Err(DIFFERS.to_owned()) }
    }
}

/// Takes the first of several that has its checksum, or the first of all where none has: what is whole in it can still be
/// read. One alone is believed, and proven when it is read.
fn choose(
    good: Vec<VolumeFile>,
    bad: &mut Vec<(PathBuf, String)>,
    progress: &Progress<'_>,
) -> Option<VolumeFile> {
    if good.len() < 2 {
        return good.into_iter().next();
    }
    let mut fallback = None;
    for volume in good {
        let read = AtomicU64::new(0);
        let tell = |bytes| progress(read.fetch_add(bytes, Ordering::Relaxed) + bytes, volume.size);
        match volume.compare(&tell) {
            Ok(()) => {
                bad.extend(fallback.map(|(other, problem): (VolumeFile, String)| (other.path, problem)));
                // It was read just now.
                let _ = volume.proof.set(Ok(()));
                return Some(volume);
            }
            Err(problem) if fallback.is_none() => fallback = Some((volume, problem)),
            Err(problem) => bad.push((volume.path, problem)),
        }
    }
    fallback.map(|(volume, _)| volume)
}

/// What is said of a file that was altered.
pub(crate) const DIFFERS: &str = "it differs from its checksum";

/// Returns a file's size if it can be the volume; `None` where there is no such file.
fn look(path: &Path, expected: Option<u64>) -> Result<Option<u64>, String> {
    match files::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
        Ok((_, size)) => match expected {
            Some(expected) if expected != size => {
                Err(format!("the volume has {size} bytes and should have {expected}"))
            }
            _ => Ok(Some(size)),
        },
    }
}
