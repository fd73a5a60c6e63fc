//! A layout in a tar archive: where its files lie, found in one pass over the headers. Nothing is unpacked.
//!
//! An archive is an outside input that other tools unpack, so what could mislead one of them is refused whole:
//! links, devices, sparse files, absolute names, `..`, names that differ from a layout's only in case, and one
//! name twice. Files that are none of a layout, such as Docker's `manifest.json`, are passed over.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sealift_oci::{Algorithm, Digest};
use sealift_store::index_json::MARKER;
use tar::{EntryType, Header, PaxExtensions};

use super::reader::{Medium, Piece};
use super::store::INDEX;
use crate::entry::{BLOCK, length};
use crate::reader::{behind_link, open_file};
use crate::{BundleError, Result};

/// The most headers that are read: as many as a bundle may have content.
const HEADER_LIMIT: usize = 1_000_000;
/// The longest name, and the most that may stand in an extended header, in bytes.
const NAME_LIMIT: u64 = 4096;
const EXTENSION_LIMIT: u64 = 64 * 1024;
/// How compressed files begin, and what unpacks them.
const COMPRESSED: [(&[u8], &str); 4] =
    [(b"\x1f\x8b", "gunzip"), (b"\x28\xb5\x2f\xfd", "unzstd"), (b"BZh", "bunzip2"), (b"\xfd7zXZ", "unxz")];

/// Where something lies: its offset and its size.
pub(super) type Span = (u64, u64);

/// A layout that is an archive.
#[derive(Debug)]
pub(super) struct Archive {
    path: PathBuf,
    pub(super) entries: Entries,
}

/// Where the files of a layout lie in an archive.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) marker: Option<Span>,
    pub(super) index: Option<Span>,
    blobs: HashMap<Digest, Span>,
}

impl Archive {
    /// Reads the headers of an archive.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let path = &behind_link(path)?;
        let other = |reason: String| BundleError::NotABundle { path: path.to_owned(), reason };
        let (mut file, length) = open_file(path).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => other(error.to_string()),
            _ => BundleError::io(path)(error),
        })?;
        if let Some(tool) = compression(&mut file).map_err(BundleError::io(path))? {
            return Err(other(format!("it is compressed; unpack it with {tool} first")));
        }
        let entries = Entries::scan(&mut file, length).map_err(|problem| match problem {
            Problem::Io(source) => BundleError::Io { path: path.to_owned(), source },
            Problem::Other(reason) => other(reason),
            Problem::Damaged(reason) => BundleError::damaged(path, reason),
        })?;
        Ok(Self { path: path.to_owned(), entries })
    }

    /// Returns where something lies.
    pub(super) fn piece(&self, span: Option<Span>) -> Option<Piece> {
        span.map(|(offset, size)| Piece { path: self.path.clone(), offset, size })
    }
}

impl Medium for Archive {
    fn find(&self, digest: &Digest) -> io::Result<Option<Piece>> {
        Ok(self.piece(self.entries.blobs.get(digest).copied()))
    }

    fn all(&self) -> io::Result<Vec<Digest>> {
        let mut all: Vec<Digest> = self.entries.blobs.keys().copied().collect();
        all.sort_unstable();
        Ok(all)
    }

    fn index_file(&self) -> PathBuf {
        self.path.clone()
    }
}

fn compression(file: &mut File) -> io::Result<Option<&'static str>> {
    let mut start = Vec::new();
    file.by_ref().take(8).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(COMPRESSED.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, tool)| *tool))
}

/// Why an archive cannot be read.
#[derive(Debug)]
pub(super) enum Problem {
    Io(io::Error),
    /// It is something else.
    Other(String),
    /// It is broken, or could mislead.
    Damaged(String),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What extended headers say of the entry behind them.
#[derive(Debug, Default)]
struct Extension {
    name: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Entries {
    /// Reads the headers of an archive of `length` bytes.
    pub(super) fn scan(input: &mut (impl Read + Seek), length: u64) -> Result<Self, Problem> {
        let mut scan = Scan { input, length, offset: 0, extension: Extension::default() };
        let mut entries = Self::default();
        for _ in 0..HEADER_LIMIT {
            let Some(header) = scan.header()? else { return Ok(entries) };
            if let Some((name, span)) = scan.entry(&header)? {
                entries.add(&name, span)?;
            }
        }
        Err(Problem::Damaged(format!("it has more than {HEADER_LIMIT} entries")))
    }

    /// Lists where everything lies.
    #[cfg(any(test, fuzzing))]
    pub(super) fn all(&self) -> impl Iterator<Item = Span> + '_ {
        self.blobs.values().copied().chain(self.marker).chain(self.index)
    }

    fn add(&mut self, name: &str, span: Span) -> Result<(), Problem> {
        let plain = name.to_ascii_lowercase();
        let before = match plain.as_str() {
            it if it == MARKER.0 => self.marker.replace(span),
            it if it == INDEX => self.index.replace(span),
            it => match blob(it) {
                Some(digest) => self.blobs.insert(digest, span),
                None => return Ok(()),
            },
        };
        if plain != name {
            return Err(damaged(name, format_args!("its name differs from {plain:?} only in case")));
        }
        match before {
            Some(_) => Err(damaged(name, "it is there twice")),
            None => Ok(()),
        }
    }
}

/// How far the headers of a file lead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Headers {
    /// Where the reading ended.
    pub(crate) end: u64,
    /// Whether a block of zeros stands there, as at the end of an archive.
    pub(crate) is_ended: bool,
}

/// Shows the names of all files in what may be an archive of `length` bytes, as far as its headers can be read.
pub(crate) fn headers(input: &mut (impl Read + Seek), length: u64, mut see: impl FnMut(&str)) -> Headers {
    let mut scan = Scan { input, length, offset: 0, extension: Extension::default() };
    for _ in 0..HEADER_LIMIT {
        let at = scan.offset;
        let entry = match scan.header() {
            Ok(Some(header)) => scan.entry(&header),
            Ok(None) => return Headers { end: at, is_ended: true },
            Err(_) => break,
        };
        match entry {
            Ok(Some((name, _))) => see(&name),
            Ok(None) => {}
            Err(_) => return Headers { end: at, is_ended: false },
        }
    }
    Headers { end: scan.offset, is_ended: false }
}

/// Reads the name of a blob.
fn blob(name: &str) -> Option<Digest> {
    let (algorithm, hex) = name.strip_prefix("blobs/")?.split_once('/')?;
    let algorithm: Algorithm = algorithm.parse().ok()?;
    format!("{}:{hex}", algorithm.as_str()).parse().ok()
}

fn damaged(name: &str, reason: impl std::fmt::Display) -> Problem {
    Problem::Damaged(format!("entry {name:?}: {reason}"))
}

/// The reading of headers, one after another.
struct Scan<'a, R> {
    input: &'a mut R,
    length: u64,
    /// Where the next header begins.
    offset: u64,
    extension: Extension,
}

impl<R: Read + Seek> Scan<'_, R> {
    /// Reads the next header; `None` at the end.
    fn header(&mut self) -> Result<Option<Header>, Problem> {
        let at = self.offset;
        if self.length.saturating_sub(at) < BLOCK {
            return Err(match at {
                0 => Problem::Other("it is no tar archive".to_owned()),
                _ => {
                    Problem::Damaged(format!("it is cut off at byte {at}: the end of the archive is missing"))
                }
            });
        }
        let mut header = Header::new_old();
        self.input.seek(SeekFrom::Start(at))?;
        self.input.read_exact(header.as_mut_bytes())?;
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if header.cksum().ok() != Some(checksum(&header)) {
            return Err(match at {
                0 => Problem::Other("it is no tar archive".to_owned()),
                _ => Problem::Damaged(format!("the header at byte {at} differs from its checksum")),
            });
        }
        Ok(Some(header))
    }

    /// Takes in one header, and passes over its content. Returns a file's name and place.
    fn entry(&mut self, header: &Header) -> Result<Option<(String, Span)>, Problem> {
        let kind = header.entry_type();
        let extension = match kind {
            EntryType::GNULongName | EntryType::XHeader | EntryType::XGlobalHeader => None,
            _ => Some(std::mem::take(&mut self.extension)),
        };
        let name = self.name(header, extension.as_ref())?;
        let said = header.entry_size().map_err(|_| damaged(&name, "its size is malformed"))?;
        let size = extension.and_then(|extension| extension.size).unwrap_or(said);
        let start = self.offset + BLOCK;
        let end = self.offset.checked_add(length(size)).filter(|end| *end <= self.length);
        self.offset = end.ok_or_else(|| {
            damaged(&name, format_args!("it says that it has {size} bytes, and the file ends before"))
        })?;
        match kind {
            EntryType::Regular => return Ok(Some((name, (start, size)))),
            EntryType::Directory => {}
            EntryType::GNULongName => {
                let mut long = self.read(start, size, NAME_LIMIT)?;
                long.truncate(long.iter().position(|byte| *byte == 0).unwrap_or(long.len()));
                self.extension.name = Some(long);
            }
            EntryType::XHeader | EntryType::XGlobalHeader => {
                let said = self.read(start, size, EXTENSION_LIMIT)?;
                self.extend(kind, &said)?;
            }
            _ => return Err(damaged(&name, format_args!("a layout has no {}", kind_name(kind)))),
        }
        Ok(None)
    }

    /// Reads what an extended header holds.
    fn read(&mut self, start: u64, size: u64, limit: u64) -> Result<Vec<u8>, Problem> {
        if size > limit {
            let reason = format!("the extended header before byte {start} has more than {limit} bytes");
            return Err(Problem::Damaged(reason));
        }
        self.input.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        self.input.by_ref().take(size).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Takes in an extended header of POSIX.1-2001: `length key=value` lines.
    fn extend(&mut self, kind: EntryType, said: &[u8]) -> Result<(), Problem> {
        let broken = || Problem::Damaged("an extended header is malformed".to_owned());
        for line in PaxExtensions::new(said) {
            let line = line.map_err(|_| broken())?;
            match line.key_bytes() {
                b"path" | b"size" if kind == EntryType::XGlobalHeader => return Err(broken()),
                b"path" => self.extension.name = Some(line.value_bytes().to_vec()),
                b"size" => {
                    let size = line.value().ok().and_then(|value| value.parse().ok());
                    self.extension.size = Some(size.ok_or_else(broken)?);
                }
                key if key.starts_with(b"GNU.sparse.") => {
                    return Err(Problem::Damaged("a layout has no sparse file".to_owned()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns an entry's name without `./` in front. Names of extended headers themselves mean nothing.
    fn name(&self, header: &Header, extension: Option<&Extension>) -> Result<String, Problem> {
        let Some(extension) = extension else {
            return Ok(format!("extended header at byte {}", self.offset));
        };
        let plain = header.path_bytes();
        let bytes = extension.name.as_deref().unwrap_or(&plain);
        let malformed = |reason| damaged(&String::from_utf8_lossy(bytes), reason);
        if bytes.len() as u64 > NAME_LIMIT {
            return Err(Problem::Damaged(format!(
                "the name of the entry at byte {} is too long",
                self.offset
            )));
        }
        let name = std::str::from_utf8(bytes).map_err(|_| malformed("its name is no UTF-8"))?;
        if name.starts_with('/') {
            return Err(malformed("its name is absolute"));
        }
        if name.split('/').any(|part| part == "..") {
            return Err(malformed("its name leads upwards"));
        }
        let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        Ok(parts.join("/"))
    }
}

/// The sum of a header's bytes, with spaces in the place of the sum itself.
fn checksum(header: &Header) -> u32 {
    let bytes = header.as_bytes();
    let spaces = 8 * u32::from(b' ');
    bytes[..148].iter().chain(&bytes[156..]).map(|byte| u32::from(*byte)).sum::<u32>() + spaces
}

fn kind_name(kind: EntryType) -> String {
    let name = match kind {
        EntryType::Link => "hard link",
        EntryType::Symlink | EntryType::GNULongLink => "symbolic link",
        EntryType::Char | EntryType::Block => "device",
        EntryType::Fifo => "pipe",
        EntryType::GNUSparse => "sparse file",
        other => return format!("entry of the kind {:?}", char::from(other.as_byte())),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests;
