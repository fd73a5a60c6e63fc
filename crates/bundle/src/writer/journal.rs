//! What is whole in the volumes of an unfinished bundle, one line for each entry, so that the next process goes
//! on from there. It is a hint: every volume is hashed again, and what does not match is written anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sealift_oci::{Algorithm, Hasher};
use serde::{Deserialize, Serialize};

use super::sealing::KeptSealing;
use super::volumes::{Mark, Volume};
use super::{leftover, publish};
use crate::catalogue::Content;
use crate::error::{BundleError, Result};
use crate::reader::{open_file, open_file_with};

const FORMAT: &str = "sealift-pack-journal";
const VERSION: u64 = 1;
/// The largest journal that is read, in bytes: as large as the catalogue that it becomes, and the marks.
const LIMIT: u64 = 256 * 1024 * 1024;
/// How much is read of a volume at once.
const READ_SIZE: usize = 1024 * 1024;

/// What must stay the same when a bundle is gone on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    format: String,
    version: u64,
    /// The bundle's id.
    pub(super) id: String,
    /// The most bytes of a volume.
    pub(super) volume_size: Option<u64>,
    /// How the content is sealed, if it is.
    pub(super) sealing: Option<KeptSealing>,
}

impl Head {
    pub(super) fn new(id: &str, volume_size: Option<u64>, sealing: Option<KeptSealing>) -> Self {
        Self { format: FORMAT.to_owned(), version: VERSION, id: id.to_owned(), volume_size, sealing }
    }
}

/// One entry.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    content: Content,
    marks: Vec<LineMark>,
}

/// How a volume stood behind the entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LineMark {
    volume: usize,
    length: u64,
    sha256: String,
}

/// The journal, open for more.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) file: File,
}

/// What an earlier process left behind.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) head: Head,
    pub(super) content: Vec<Content>,
    /// How many entries were begun at least.
    pub(super) entries: u64,
    pub(super) volumes: Vec<Volume>,
}

impl Journal {
    /// Begins a journal; whenever the process is stopped, there is none or its head is whole.
    pub(super) fn create(path: &Path, head: &Head) -> Result<Self> {
        let head = json(head).map_err(BundleError::io(path))?;
        publish::write(path, format!("{head}\n").as_bytes())?;
        let file = open_file_with(path, OpenOptions::new().append(true)).map_err(BundleError::io(path))?;
        Ok(Self { file })
    }

    /// Opens a journal to go on with.
    pub(super) fn append_to(path: &Path) -> Result<Self> {
        let file = open_file_with(path, OpenOptions::new().append(true)).map_err(BundleError::io(path))?;
        let mut journal = Self { file };
        // Should the last line be half written, the next one stands on its own.
        journal.file.write_all(b"\n").map_err(BundleError::io(path))?;
        Ok(journal)
    }

    /// Notes an entry that is whole.
    pub(super) fn note(&mut self, content: &Content, marks: &[(usize, Mark)]) -> io::Result<()> {
        let mark = |(volume, mark): &(usize, Mark)| LineMark {
            volume: *volume,
            length: mark.length,
            sha256: mark.sha256(),
        };
        let line = Line { content: content.clone(), marks: marks.iter().map(mark).collect() };
        writeln!(self.file, "{}", json(&line)?)
    }
}

fn json(value: &impl Serialize) -> io::Result<String> {
    serde_json::to_string(value).map_err(io::Error::other)
}

/// Reads a journal and proves what it says; `volume` tells where a volume lies. `None` where there is none. In a
/// `directory` of volumes, what nobody goes on with is removed.
pub(super) fn take_up(
    path: &Path,
    directory: Option<&Path>,
    volume: impl Fn(usize) -> PathBuf,
) -> Result<Option<Left>> {
    let Some(text) = read(path).map_err(BundleError::io(path))? else { return Ok(None) };
    let mut lines = text.split('\n');
    let head = parse_head(path, lines.next().unwrap_or_default())?;
    let lines = entries(lines);
    directory.map_or(Ok(()), |directory| leftover::undo_names(directory, |path| number_of(&lines, path)))?;
    let proven = prove(&lines, &volume)?;
    let is_whole = |line: &&Line| {
        let found = |mark: &LineMark| proven.get(&mark.volume)?.get(&mark.length);
        // What a later entry was written over does not count.
        let is_proven =
            |mark: &LineMark| found(mark).is_some_and(|it| it.clone().finish().hex() == mark.sha256);
        !line.marks.is_empty() && line.marks.iter().all(is_proven)
    };
    let whole: Vec<&Line> = lines.iter().filter(is_whole).collect();
    let mut ends: BTreeMap<usize, u64> = BTreeMap::new();
    for mark in whole.iter().flat_map(|line| &line.marks) {
        let end = ends.entry(mark.volume).or_default();
        *end = (*end).max(mark.length);
    }
    let mut volumes = Vec::new();
    for (number, length) in ends {
        let Some(hasher) = proven.get(&number).and_then(|it| it.get(&length)) else { continue };
        let (path, mark) = (volume(number), Mark { length, hasher: hasher.clone() });
        volumes.push(Volume::reopen(&path, number, mark).map_err(BundleError::io(&path))?);
    }
    let kept = volumes.iter().map(|volume| volume.number).collect();
    directory.map_or(Ok(()), |directory| leftover::sweep(directory, &kept))?;
    let content = whole.iter().map(|line| line.content.clone()).collect();
    Ok(Some(Left { head, content, entries: lines.len() as u64, volumes }))
}

/// Reads what a bundle is that is unfinished; `None` where there is none.
pub(super) fn head(path: &Path) -> Result<Option<Head>> {
    let text = read(path).map_err(BundleError::io(path))?;
    text.map(|text| parse_head(path, text.split('\n').next().unwrap_or_default())).transpose()
}

fn parse_head(path: &Path, line: &str) -> Result<Head> {
    let head: Head = serde_json::from_str(line).map_err(|error| BundleError::damaged(path, error))?;
    match head.format == FORMAT && head.version == VERSION {
        true => Ok(head),
        false => Err(BundleError::damaged(path, "it is of another version; delete the unfinished bundle")),
    }
}

/// A line that is half written was the last one of a process that was killed.
fn entries<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Line> {
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Returns the content that a journal notes; nothing of it is proven. None where the journal cannot be read.
pub(super) fn noted(path: &Path) -> Vec<Content> {
    let text = read(path).ok().flatten().unwrap_or_default();
    entries(text.split('\n').skip(1)).into_iter().map(|line| line.content).collect()
}

fn read(path: &Path) -> io::Result<Option<String>> {
    let file = match open_file(path) {
        Ok((file, _)) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(LIMIT).read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The hash of a volume at each length at which an entry ended.
type Proven = BTreeMap<u64, Hasher>;

/// Hashes each volume once. Where the hash at a length is the one that was noted, everything before is right too.
fn prove(lines: &[Line], volume: &impl Fn(usize) -> PathBuf) -> Result<BTreeMap<usize, Proven>> {
    let mut ends: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
    for mark in lines.iter().flat_map(|line| &line.marks) {
        ends.entry(mark.volume).or_default().insert(mark.length);
    }
    let prove = |(number, ends)| {
        let path = volume(number);
        let proven = prove_one(&path, ends).map_err(BundleError::io(&path))?;
        Ok((number, proven))
    };
    ends.into_iter().map(prove).collect()
}

/// Returns which volume a file is: one that begins as it was noted for at least one entry.
fn number_of(lines: &[Line], path: &Path) -> Result<Option<usize>> {
    let marks = || lines.iter().flat_map(|line| &line.marks);
    let proven = prove_one(path, marks().map(|mark| mark.length).collect()).map_err(BundleError::io(path))?;
    let is_found = |mark: &&LineMark| {
        proven.get(&mark.length).is_some_and(|hasher| hasher.clone().finish().hex() == mark.sha256)
    };
    Ok(marks().find(is_found).map(|mark| mark.volume))
}

fn prove_one(path: &Path, ends: BTreeSet<u64>) -> io::Result<Proven> {
    let mut proven = Proven::new();
    let mut file = match open_file(path) {
        Ok((file, _)) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(proven),
        Err(error) => return Err(error),
    };
    let (mut hasher, mut length) = (Hasher::new(Algorithm::Sha256), 0);
    let mut buffer = vec![0; READ_SIZE];
    for end in ends {
        while length < end {
            let wanted = usize::try_from(end - length).unwrap_or(READ_SIZE).min(READ_SIZE);
            let count = file.read(&mut buffer[..wanted])?;
            if count == 0 {
                return Ok(proven);
            }
            hasher.update(&buffer[..count]);
            length += count as u64;
        }
        proven.insert(end, hasher.clone());
    }
    Ok(proven)
}
