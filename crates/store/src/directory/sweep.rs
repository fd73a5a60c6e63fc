//! Mark and sweep: content that no manifest links to goes, once it is old enough. It runs beside writers: what
//! is linked is found out without keeping anybody waiting, then, with the lock held alone, what has come since
//! is added to that, and only then something is removed.

use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use sealift_oci::{Algorithm, Descriptor, Digest, RepositoryName};

use super::index::Index;
use super::paths::Paths;
use super::repository::{RENEWAL, Repository, found, is_older};
use super::{DirectoryStore, Shared, walk};
use crate::{Operation, Result, platform, sweep};

/// What a sweep is to do.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What is younger stays: a push may be about to link to it. At least ten minutes are kept.
    pub grace: Duration,
    /// Also manifests that no tag leads to go, and are attached to none that stays.
    pub untagged: bool,
    /// Uploads that rest longer go.
    pub upload_lifetime: Duration,
    /// Nothing is removed, only told.
    pub is_dry_run: bool,
    /// The time.
    pub now: SystemTime,
}

/// What a sweep did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many repositories were looked at.
    pub repositories: u64,
    /// How many manifests went because no tag leads to them.
    pub manifests: u64,
    /// How many files of blobs and manifests went.
    pub files: u64,
    /// How many bytes of the disk are free by that: of a file that other repositories have too, none.
    pub bytes: u64,
    /// How many uploads went.
    pub uploads: u64,
    /// Repositories that were left alone, and why.
    pub skipped: Vec<(RepositoryName, String)>,
}

impl DirectoryStore {
    /// Removes what nothing links to.
    ///
    /// # Errors
    /// Where the place cannot be read or written.
    pub async fn sweep(&self, wish: Wish) -> Result<Swept> {
        self.shared.blocking(Operation::DeleteBlob, move |shared| sweep_all(shared, &wish)).await
    }

    /// Removes uploads that nobody goes on with, and tells how many.
    ///
    /// # Errors
    /// Where the place cannot be read.
    pub async fn expire_uploads(&self, lifetime: Duration, now: SystemTime) -> Result<u64> {
        let expire = move |shared: &Shared| {
            let all = walk::repositories(&shared.root, |paths| paths.uploads().is_dir())?;
            let paths = all.iter().map(|name| Paths::new(&shared.root, name).uploads());
            Ok(paths.map(|uploads| sweep::sweep_uploads(&uploads, now, lifetime)).sum())
        };
        self.shared.blocking(Operation::PushBlob, expire).await
    }
}

fn sweep_all(shared: &Shared, wish: &Wish) -> io::Result<Swept> {
    let wish = Wish { grace: wish.grace.max(2 * RENEWAL), ..wish.clone() };
    let mut swept = Swept::default();
    let wanted = |paths: &Paths| walk::is_visible(paths) || paths.uploads().is_dir();
    for name in walk::repositories(&shared.root, wanted)? {
        let handle = shared.handle(&name);
        let paths = &handle.repository.paths;
        swept.uploads += match wish.is_dry_run {
            true => sweep::old_uploads(&paths.uploads(), wish.now, wish.upload_lifetime).count() as u64,
            false => sweep::sweep_uploads(&paths.uploads(), wish.now, wish.upload_lifetime),
        };
        if !wish.is_dry_run {
            let blobs = Algorithm::ALL.map(|it| paths.blobs(it));
            sweep::sweep_stages(blobs.iter().chain([&paths.layout()]), wish.now);
        }
        swept.repositories += 1;
        sweep_repository(&handle.repository, &wish, &mut swept)?;
    }
    Ok(swept)
}

fn sweep_repository(repository: &Repository, wish: &Wish, swept: &mut Swept) -> io::Result<()> {
    let mut graph = Graph::default();
    let Some(index) = repository.index()? else { return Ok(()) };
    // Most is read while others may go on. What cannot be read now may just have been deleted: the second look counts.
    let _ = graph.read(repository, &index);
    let _removing = if wish.is_dry_run { None } else { Some(repository.removing()?) };
    let Some(index) = repository.index()? else { return Ok(()) };
    if let Some(reason) = graph.read(repository, &index) {
        // Nobody knows what it links to.
        swept.skipped.push((repository.name.clone(), reason));
        return Ok(());
    }
    let kept = graph.reached(roots(repository, &index, wish)?);
    let dropped: HashSet<Digest> =
        index.manifests().map(|it| it.digest).filter(|it| !kept.contains(it)).collect();
    swept.manifests += dropped.len() as u64;
    if !wish.is_dry_run && !dropped.is_empty() {
        repository.update(|index| index.without(&dropped))?;
    }
    for (path, metadata) in unlinked(repository, &kept, wish)? {
        swept.files += 1;
        swept.bytes += if platform::has_several_names(&metadata) { 0 } else { metadata.len() };
        if !wish.is_dry_run {
            found(fs::remove_file(path))?;
        }
    }
    Ok(())
}

/// Lists the manifests that stay by themselves: all that are listed, or those with a tag and the young ones.
fn roots(repository: &Repository, index: &Index, wish: &Wish) -> io::Result<Vec<Digest>> {
    if !wish.untagged {
        return Ok(index.manifests().map(|it| it.digest).collect());
    }
    let mut roots: Vec<Digest> = index.tagged_manifests().collect();
    for manifest in index.manifests() {
        let metadata = found(fs::metadata(repository.paths.blob(&manifest.digest)))?;
        if metadata.is_some_and(|it| !is_older(&it, wish.grace, wish.now)) {
            roots.push(manifest.digest);
        }
    }
    Ok(roots)
}

/// Lists the old files of content that is not kept.
fn unlinked(
    repository: &Repository,
    kept: &HashSet<Digest>,
    wish: &Wish,
) -> io::Result<Vec<(PathBuf, Metadata)>> {
    let mut all = Vec::new();
    for algorithm in Algorithm::ALL {
        let directory = repository.paths.blobs(algorithm);
        for entry in found(fs::read_dir(directory))?.into_iter().flatten() {
            let entry = entry?;
            let name = entry.file_name();
            let digest = format!("{}:{}", algorithm.as_str(), name.to_string_lossy()).parse::<Digest>();
            let Some(metadata) = found(entry.metadata())?.filter(Metadata::is_file) else { continue };
            let is_kept = digest.is_ok_and(|digest| kept.contains(&digest));
            if digest.is_ok() && !is_kept && is_older(&metadata, wish.grace, wish.now) {
                all.push((entry.path(), metadata));
            }
        }
    }
    Ok(all)
}

/// What each manifest links to.
#[derive(Default)]
struct Graph {
    links: HashMap<Digest, Vec<Digest>>,
    /// What is attached to a manifest.
    attached: HashMap<Digest, Vec<Digest>>,
}

impl Graph {
    /// Reads the manifests that are not in it yet; returns why one that is listed cannot be read.
    fn read(&mut self, repository: &Repository, index: &Index) -> Option<String> {
        let mut waiting: Vec<Descriptor> = index.manifests().collect();
        while let Some(descriptor) = waiting.pop() {
            if self.links.contains_key(&descriptor.digest) {
                continue;
            }
            let manifest = match repository.read_manifest(&descriptor) {
                Ok(manifest) => manifest,
                // An index may lead to what is not there.
                Err(_)
                    if !repository.paths.blob(&descriptor.digest).exists()
                        && index.listed(&descriptor.digest).is_none() =>
                {
                    continue;
                }
                Err(error) => return Some(format!("{}: {error}", descriptor.digest)),
            };
            let links = &manifest.links;
            let all = links.blobs.iter().chain(&links.manifests).map(|it| it.digest);
            self.links.insert(descriptor.digest, all.collect());
            if let Some(subject) = &links.subject {
                self.attached.entry(subject.digest).or_default().push(descriptor.digest);
            }
            waiting.extend(links.manifests.iter().cloned());
        }
        None
    }

    /// Finds everything that is linked from the roots, or attached to what is.
    fn reached(&self, roots: Vec<Digest>) -> HashSet<Digest> {
        let mut waiting = roots;
        let mut reached = HashSet::new();
        while let Some(digest) = waiting.pop() {
            if reached.insert(digest) {
                waiting.extend(self.links.get(&digest).into_iter().flatten());
                waiting.extend(self.attached.get(&digest).into_iter().flatten());
            }
        }
        reached
    }
}
