//! A file with credentials: read within bounds, and written so that nobody else can read it, not even on its
//! way.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use sealift_store::atomic::{self, STAGE_PREFIX};
use sealift_store::platform;
use zeroize::Zeroizing;

use super::document::Document;
use super::settings::Settings;
use super::{CredentialsError, Result, Warning};

/// The largest file that is read: thousands of entries. Who has more has something else there.
const FILE_LIMIT: u64 = 1024 * 1024;
/// Those permissions that let others read.
const READ_BY_OTHERS: u32 = 0o044;

/// What a file holds. It has no `Debug` form.
pub(super) struct AuthFile {
    path: PathBuf,
    text: Zeroizing<String>,
    mode: u32,
}

impl AuthFile {
    /// Reads a file; `None` where it is not there.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        let open = |path: &Path| {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            Ok((file, metadata))
        };
        let (file, metadata) = match open(path) {
            Ok(opened) => opened,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(CredentialsError::read(path, error)),
        };
        // Room for all of it at once: growing would leave copies of passwords behind.
        let room = usize::try_from(metadata.len().min(FILE_LIMIT)).unwrap_or_default() + 1;
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        file.take(FILE_LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| CredentialsError::read(path, error))?;
        if bytes.len() as u64 > FILE_LIMIT {
            return Err(CredentialsError::TooLarge { file: path.to_owned(), limit: FILE_LIMIT });
        }
        let text =
            std::str::from_utf8(&bytes).map_err(|error| not_text(path, &bytes, error.valid_up_to()))?;
        let text = Zeroizing::new(text.to_owned());
        Ok(Some(Self { path: path.to_owned(), text, mode: mode(&metadata) }))
    }

    /// A file that is not there yet.
    pub(super) fn empty(path: &Path) -> Self {
        Self { path: path.to_owned(), text: Zeroizing::default(), mode: 0 }
    }

    /// Returns where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what it says about credentials.
    pub(super) fn settings(&self) -> Result<Settings<'_>> {
        super::document::read(&self.text).map_err(|error| CredentialsError::malformed(&self.path, &error))
    }

    /// Returns all of it, to be changed.
    pub(super) fn document(&self) -> Result<Document<'_>> {
        Document::parse(&self.text).map_err(|error| CredentialsError::malformed(&self.path, &error))
    }

    /// Tells whether others can read what it holds.
    pub(super) fn exposure(&self) -> Option<Warning> {
        let is_exposed = self.mode & READ_BY_OTHERS != 0;
        is_exposed.then(|| Warning::Exposed { file: self.path.clone(), mode: self.mode })
    }

    /// Writes a new content in place of the old one, for nobody but the owner to read.
    pub(super) fn write(&self, document: &Document<'_>) -> Result<()> {
        let mut text = document.to_text(0);
        text.push('\n');
        write(&self.path, text.as_bytes()).map_err(|error| CredentialsError::write(&self.path, error))
    }
}

/// Also where a directory above is a file, there is no such file.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn not_text(path: &Path, bytes: &[u8], valid: usize) -> CredentialsError {
    let before = &bytes[..valid];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    CredentialsError::Malformed {
        file: path.to_owned(),
        problem: "this is not UTF-8",
        line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
        column: valid - line_start + 1,
    }
}

/// A link stays a link: people keep these files elsewhere. What is no file, such as `/dev/null`, stays what
/// it is. The owner stays the owner, also where root writes.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let there = path.metadata().ok();
    if there.as_ref().is_some_and(|it| !it.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    platform::create_private_directory(directory)?;
    let stage = directory.join(stage_name());
    let mut file = create_private(&stage)?;
    let written = file
        .write_all(content)
        .and_then(|()| there.map_or(Ok(()), |it| platform::keep_owner(&file, &it)))
        .and_then(|()| atomic::publish(&file, &stage, &path));
    if written.is_err() {
        // The first error counts. A stage that stays has passwords, but its owner's alone.
        let _ = fs::remove_file(&stage);
    }
    written
}

/// A name that is not taken; nothing secret hangs on it, since a file that is there is refused.
fn stage_name() -> String {
    format!("{STAGE_PREFIX}{:016x}", RandomState::new().hash_one(Instant::now()))
}

/// Whatever is no file, such as a pipe, keeps nothing.
fn mode(metadata: &fs::Metadata) -> u32 {
    if metadata.is_file() { platform::mode(metadata) } else { 0 }
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    platform::set_mode(&mut options, platform::PRIVATE_FILE);
    options.open(path)
}
