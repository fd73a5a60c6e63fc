//! What is read from files and read again when they change, so that who renews a certificate or changes a
//! password need not restart the server.
//!
//! A file has changed when its time, its size or its inode is another; that is looked at when the value is
//! wanted, at most once a second. What cannot be read or used is reported once, and the value before stays.

use std::fmt::{self, Display};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use sealift_store::{lock, platform};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Hears, a line each, what who keeps the server should know although no request failed by it.
pub type Notices = Arc<dyn Fn(&str) + Send + Sync>;

/// How long a value is given out without a look at its files.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The largest file that is read, in bytes: certificates, a key, a list of some thousand users.
const FILE_LIMIT: u64 = 1024 * 1024;

/// A file that cannot be used, and why; nothing of its content is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct FileError {
    path: PathBuf,
    reason: String,
}

impl FileError {
    pub(super) fn new(path: &Path, reason: impl Display) -> Self {
        Self { path: path.to_owned(), reason: reason.to_string() }
    }

    /// Returns the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What tells one content of a file from the next.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
    file: Option<(u64, u64)>,
}

impl Stamp {
    /// Looks at a file; what cannot be looked at has no stamp.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let file = platform::file_id(&metadata);
        Some(Self { modified: metadata.modified().ok(), size: metadata.len(), file })
    }
}

type Load<T> = Box<dyn Fn() -> Result<T, FileError> + Send + Sync>;

/// A value that follows its files.
pub(super) struct Reloaded<T> {
    paths: Vec<PathBuf>,
    load: Load<T>,
    notices: Notices,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    stamps: Vec<Option<Stamp>>,
    looked: Instant,
}

impl<T> Reloaded<T> {
    /// Reads the value for the first time.
    pub(super) fn open(
        paths: Vec<PathBuf>,
        notices: Notices,
        load: impl Fn() -> Result<T, FileError> + Send + Sync + 'static,
    ) -> Result<Self, FileError> {
        // Looked at before they are read: what changes in between is read again.
        let stamps = stamps(&paths);
        let value = Arc::new(load()?);
        let state = Mutex::new(State { value, stamps, looked: Instant::now() });
        Ok(Self { paths, load: Box::new(load), notices, state })
    }

    /// Returns the value as its files are at `now`, give or take a second. The files are small, and read so
    /// seldom that it is not worth a thread of their own.
    pub(super) fn get(&self, now: Instant) -> Arc<T> {
        let mut state = lock(&self.state);
        if now.saturating_duration_since(state.looked) >= LOOK_INTERVAL {
            state.looked = now;
            let stamps = stamps(&self.paths);
            if stamps != state.stamps {
                state.stamps = stamps;
                self.replace(&mut state);
            }
        }
        Arc::clone(&state.value)
    }

    fn replace(&self, state: &mut State<T>) {
        match (self.load)() {
            Ok(value) => {
                state.value = Arc::new(value);
                (self.notices)(&format!("{}: read again, since it has changed", self.names()));
            }
            Err(error) => (self.notices)(&format!("{error}; what was read before stays in use")),
        }
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.paths.iter().map(|path| path.display().to_string()).collect();
        names.join(", ")
    }
}

impl<T> fmt::Debug for Reloaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloaded").field("paths", &self.paths).finish_non_exhaustive()
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Option<Stamp>> {
    paths.iter().map(|path| Stamp::of(path)).collect()
}

/// Reads a file that may have secrets in it.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let mut content = Zeroizing::new(Vec::new());
    let file = File::open(path).map_err(|error| FileError::new(path, error))?;
    file.take(FILE_LIMIT + 1).read_to_end(&mut content).map_err(|error| FileError::new(path, error))?;
    if content.len() as u64 > FILE_LIMIT {
        return Err(FileError::new(path, format_args!("it is larger than {FILE_LIMIT} bytes")));
    }
    Ok(content)
}

/// Reads a file that must be text.
pub(super) fn read_text(path: &Path) -> Result<Zeroizing<String>, FileError> {
    let content = read(path)?;
    let text = std::str::from_utf8(&content).map_err(|_| FileError::new(path, "it is no UTF-8 text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notices that are kept.
    fn kept() -> (Notices, Arc<Mutex<Vec<String>>>) {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&lines);
        (Arc::new(move |line: &str| heard.lock().unwrap().push(line.to_owned())), lines)
    }

    #[tokio::test]
    async fn what_changes_is_read_again_and_what_is_broken_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("number");
        fs::write(&path, "1").unwrap();
        let (notices, lines) = kept();
        let file = path.clone();
        let load = move || {
            let text = read_text(&file)?;
            text.parse::<u32>().map_err(|_| FileError::new(&file, "it is no number"))
        };
        let value = Reloaded::open(vec![path.clone()], notices, load).unwrap();
        let start = Instant::now();
        let get = |seconds| *value.get(start + Duration::from_secs(seconds));
        assert_eq!(get(2), 1);
        fs::write(&path, "22").unwrap();
        assert_eq!(get(2), 1, "it was looked at in this second");
        assert_eq!(get(4), 22);
        fs::write(&path, "broken").unwrap();
        assert_eq!(get(6), 22);
        assert_eq!(get(8), 22);
        fs::remove_file(&path).unwrap();
        assert_eq!(get(10), 22);
        fs::write(&path, "333").unwrap();
        assert_eq!(get(12), 333);
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(
            lines[1].ends_with("number: it is no number; what was read before stays in use"),
            "{lines:?}"
        );
    }

    #[test]
    fn files_are_bounded_and_must_be_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        for (content, expected) in [
            (vec![b'x'; FILE_LIMIT as usize], Ok(FILE_LIMIT as usize)),
            (vec![b'x'; FILE_LIMIT as usize + 1], Err("it is larger than 1048576 bytes")),
            (vec![0xff], Err("it is no UTF-8 text")),
        ] {
            fs::write(&path, content).unwrap();
            let read = read_text(&path).map(|text| text.len()).map_err(|error| error.reason);
            assert_eq!(read, expected.map_err(str::to_owned));
        }
        assert!(read(&directory.path().join("absent")).is_err());
    }
}
