//! Looking for what is broken: quickly when a server starts, thoroughly when somebody wants to know.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use sealift_oci::{Algorithm, Digest, Hasher, RepositoryName};

use super::index::Index;
use super::repository::{Repository, found};
use super::{DirectoryStore, Shared, walk};
use crate::sync::lock;
use crate::{Operation, Result, platform};

/// How much of a file is read at once.
const READ_SIZE: usize = 1024 * 1024;

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Whether every list can be read, and every manifest in it is there with its size.
    Quick,
    /// Every byte, on so many threads; and whether everything is there that manifests link to.
    Thorough {
        /// How many threads read.
        threads: usize,
    },
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// How many repositories there are.
    pub repositories: u64,
    /// How many manifests they list.
    pub manifests: u64,
    /// How many bytes were read and hashed.
    pub bytes: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// In which repository.
    pub repository: RepositoryName,
    /// The manifest or blob; `None` where the list itself is broken.
    pub digest: Option<Digest>,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.digest {
            Some(digest) => write!(f, "{}@{digest}: {}", self.repository, self.what),
            None => write!(f, "{}: {}", self.repository, self.what),
        }
    }
}

impl DirectoryStore {
    /// Looks for what is broken, and changes nothing.
    ///
    /// # Errors
    /// Where the place cannot be read.
    pub async fn check(&self, depth: Depth) -> Result<Check> {
        self.shared.blocking(Operation::FetchBlob, move |shared| check_all(shared, depth)).await
    }
}

fn check_all(shared: &Shared, depth: Depth) -> io::Result<Check> {
    let mut check = Check::default();
    let mut content = Content::default();
    for name in walk::repositories(&shared.root, walk::is_visible)? {
        check.repositories += 1;
        let handle = shared.handle(&name);
        let repository = &handle.repository;
        match repository.index() {
            Ok(Some(index)) => {
                check.manifests += index.manifests().count() as u64;
                check_listed(repository, &index, &mut check.findings);
                if depth != Depth::Quick {
                    check_links(repository, &index, &mut check.findings);
                    content.gather(repository)?;
                }
            }
            Ok(None) => {}
            Err(error) => check.findings.push(finding(repository, None, error)),
        }
    }
    if let Depth::Thorough { threads } = depth {
        let (bytes, wrong) = content.hash(threads.max(1));
        check.bytes = bytes;
        check.findings.extend(wrong);
    }
    check.findings.sort();
    check.findings.dedup();
    Ok(check)
}

fn finding(repository: &Repository, digest: Option<Digest>, what: impl fmt::Display) -> Finding {
    Finding { repository: repository.name.clone(), digest, what: what.to_string() }
}

fn check_listed(repository: &Repository, index: &Index, findings: &mut Vec<Finding>) {
    for manifest in index.manifests() {
        let what = match repository.blob_size(&manifest.digest) {
            Ok(Some(size)) if size == manifest.size => continue,
            Ok(Some(size)) => format!("the manifest has {size} bytes, not {}", manifest.size),
            Ok(None) => "the manifest is listed and not there".to_owned(),
            Err(error) => format!("the manifest cannot be read: {error}"),
        };
        findings.push(finding(repository, Some(manifest.digest), what));
    }
}

/// Sparse indexes and foreign layers are nothing wrong.
fn check_links(repository: &Repository, index: &Index, findings: &mut Vec<Finding>) {
    for descriptor in index.manifests() {
        let Ok(manifest) = repository.read_manifest(&descriptor) else {
            // A file with wrong bytes is found by its hash, and one that is missing was found before.
            continue;
        };
        for blob in manifest.links.blobs.iter().filter(|blob| !blob.is_foreign_layer()) {
            match repository.blob_size(&blob.digest) {
                Ok(Some(_)) => {}
                Ok(None) => {
                    let what = format!("the manifest {} links to it, and it is not there", descriptor.digest);
                    findings.push(finding(repository, Some(blob.digest), what));
                }
                Err(error) => findings.push(finding(repository, Some(blob.digest), error)),
            }
        }
    }
}

/// The files to hash, each once, whatever repositories link to it.
#[derive(Default)]
struct Content {
    files: BTreeMap<(u64, u64, Digest), (PathBuf, Vec<RepositoryName>)>,
}

impl Content {
    fn gather(&mut self, repository: &Repository) -> io::Result<()> {
        for algorithm in Algorithm::ALL {
            for entry in found(fs::read_dir(repository.paths.blobs(algorithm)))?.into_iter().flatten() {
                let entry = entry?;
                let name = format!("{}:{}", algorithm.as_str(), entry.file_name().to_string_lossy());
                let (Ok(digest), Some(metadata)) = (name.parse(), found(entry.metadata())?) else { continue };
                let (device, inode) = identity(&metadata, self.files.len());
                let file = self.files.entry((device, inode, digest));
                file.or_insert_with(|| (entry.path(), Vec::new())).1.push(repository.name.clone());
            }
        }
        Ok(())
    }

    /// Hashes everything; returns how many bytes that were, and what is wrong.
    fn hash(self, threads: usize) -> (u64, Vec<Finding>) {
        let files: Vec<_> = self.files.into_iter().map(|((_, _, digest), file)| (digest, file)).collect();
        let (next, bytes, wrong) = (AtomicUsize::new(0), AtomicU64::new(0), Mutex::new(Vec::new()));
        let work = || {
            while let Some((digest, (path, repositories))) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                let what = match hash(path, digest.algorithm()) {
                    Ok((actual, size)) => {
                        bytes.fetch_add(size, Ordering::Relaxed);
                        if actual == *digest {
                            continue;
                        }
                        format!("its {size} bytes have the digest {actual}")
                    }
                    // Deleted meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => format!("it cannot be read: {error}"),
                };
                let names = repositories.iter();
                lock(&wrong).extend(names.map(|name| Finding {
                    repository: name.clone(),
                    digest: Some(*digest),
                    what: what.clone(),
                }));
            }
        };
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
        (bytes.into_inner(), wrong.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// Where the system does not tell, each name counts as a file of its own.
fn identity(metadata: &Metadata, number: usize) -> (u64, u64) {
    platform::file_id(metadata).unwrap_or((0, number as u64))
}

fn hash(path: &Path, algorithm: Algorithm) -> io::Result<(Digest, u64)> {
    let (mut file, mut hasher, mut size) = (File::open(path)?, Hasher::new(algorithm), 0);
    let mut buffer = vec![0; READ_SIZE];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finish(), size)),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
