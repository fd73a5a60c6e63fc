//! Reading a bundle: what lies where, proven before it is understood, and which volumes are at hand.

mod below;
mod checksums;
mod damage;
mod ending;
mod extents;
mod files;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod graph;
mod hash;
mod listing;
mod medium;
mod part;
mod read;
mod trailer;
mod volumes;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use sealift_oci::Digest;

use crate::catalogue::{CATALOGUE_LIMIT, Catalogue, Content};
use crate::error::{BundleError, Result};
use crate::seal::{BundleKey, Opener, SealedKey};
use crate::sign::PublicKey;

pub use below::bundles_below;
pub use damage::Damage;
pub use listing::{ListedDelta, ListedImage, Listing};
pub use volumes::VolumeFile;

pub(crate) use extents::{Extents, Piece};
pub(crate) use files::{behind_link, open as open_file, open_with as open_file_with};
pub(crate) use graph::Graph;
pub(crate) use hash::READ_SIZE;
pub(crate) use medium::Medium;
pub(crate) use read::{beyond, blocking as blocking_read};
pub(crate) use volumes::DIFFERS;

/// Opens the key of an encrypted bundle, with identities or a passphrase that it asks for.
pub type Unlock = dyn Fn(&SealedKey) -> Result<BundleKey> + Send + Sync;

/// Is told how many bytes were read by now, and how many there are.
pub type Progress<'a> = dyn Fn(u64, u64) + Send + Sync + 'a;

/// How a bundle is opened.
#[derive(Clone, Default)]
pub struct OpenOptions {
    /// Where volumes may lie besides the bundle's own directory.
    pub volume_dirs: Vec<PathBuf>,
    /// Who must have signed it; nothing is parsed before that is proven.
    pub trust: Option<PublicKey>,
    /// What opens an encrypted bundle.
    pub unlock: Option<Arc<Unlock>>,
    /// How many threads open encrypted content at the same time even where only one blob is read; 0 counts as 1.
    pub threads: usize,
    /// Is told of each file that has to be read whole before anything of it is used.
    pub progress: Option<Arc<Progress<'static>>>,
}

impl OpenOptions {
    pub(crate) fn progress(&self) -> &Progress<'static> {
        self.progress.as_deref().unwrap_or(&|_, _| {})
    }
}

impl fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenOptions").field("volume_dirs", &self.volume_dirs).finish_non_exhaustive()
    }
}

/// A bundle to read. Clones are the same bundle.
#[derive(Clone, Debug)]
pub struct Bundle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    medium: Medium,
    catalogue: Catalogue,
    /// Where each digest stands in the catalogue.
    places: HashMap<Digest, usize>,
    volumes: Vec<VolumeFile>,
    key: Option<BundleKey>,
    opener: Option<Opener>,
    is_trusted: bool,
    graph: OnceLock<Graph>,
}

impl Bundle {
    /// Opens a directory or a file. A volume that is missing or not what it should be is no error here: see
    /// [`Bundle::damage`].
    ///
    /// # Errors
    /// [`BundleError::NotABundle`] of what is none or is unfinished, [`BundleError::Untrusted`] where the signature
    /// is not that of `trust`, [`BundleError::WrongKey`] where the bundle is encrypted and stays so,
    /// [`BundleError::Damaged`] and [`BundleError::Version`] of its small files.
    pub async fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let (path, options) = (path.to_owned(), options.clone());
        blocking(&path.clone(), move || Self::open_blocking(&path, &options)).await?
    }

    /// Tells whether a path is a bundle, whoever can open it.
    ///
    /// # Errors
    /// [`BundleError::Damaged`] of what was one, [`BundleError::Io`] where it cannot be read.
    pub async fn is_one(path: &Path, options: &OpenOptions) -> Result<bool> {
        let (path, options) = (path.to_owned(), options.clone());
        let opened = blocking(&path.clone(), move || Medium::open(&path, None, options.progress())).await?;
        match opened {
            Ok(_) | Err(BundleError::Version { .. }) => Ok(true),
            Err(BundleError::NotABundle { .. } | BundleError::Part { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    pub(crate) fn open_blocking(path: &Path, options: &OpenOptions) -> Result<Self> {
        Self::understand(Medium::open(path, options.trust.as_ref(), options.progress())?, options)
    }

    /// Reads the catalogue of what was proven.
    pub(crate) fn understand(medium: Medium, options: &OpenOptions) -> Result<Self> {
        let key = unlock(&medium, options)?;
        let catalogue = read_catalogue(&medium, key.as_ref())?;
        if catalogue.sealed != key.is_some() {
            return Err(BundleError::damaged(
                &medium.catalogue.0,
                "it says wrongly whether the bundle is encrypted",
            ));
        }
        check_listed(&medium, &catalogue)?;
        let volumes = find_volumes(&medium, &catalogue, options)?;
        let places = catalogue.content.iter().enumerate().map(|(at, it)| (it.digest, at)).collect();
        let (is_trusted, graph) = (options.trust.is_some(), OnceLock::new());
        let opener = key.clone().map(|key| Opener::new(key, options.threads));
        Ok(Self(Arc::new(Inner { medium, catalogue, places, volumes, key, opener, is_trusted, graph })))
    }

    /// Returns the path that was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.medium.path
    }

    /// Returns what is in it.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.0.catalogue
    }

    /// Returns the volumes, in the catalogue's order.
    #[must_use]
    pub fn volumes(&self) -> &[VolumeFile] {
        &self.0.volumes
    }

    /// Returns the name that the checksum beside one file gives it, where that is another: one of the two was renamed, or
    /// altered.
    #[must_use]
    pub fn other_name(&self) -> Option<&str> {
        let medium = &self.0.medium;
        let (_, checksums) = medium.checksums.as_ref().filter(|_| medium.whole.is_some())?;
        checksums
            .only()
            .map(|(name, _)| name)
            .filter(|name| medium.path.file_name().is_none_or(|it| it != *name))
    }

    /// Tells whether a signature was asked for and fits.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.0.is_trusted
    }

    /// Finds a blob or manifest in the catalogue.
    #[must_use]
    pub fn content(&self, digest: &Digest) -> Option<&Content> {
        self.0.places.get(digest).map(|&at| &self.0.catalogue.content[at])
    }

    /// Tells whether the bundle carries the content and every volume of it can be read.
    #[must_use]
    pub fn is_readable(&self, content: &Content) -> bool {
        !content.at.is_empty() && self.broken_volume(content).is_none()
    }

    /// Returns the first volume of the content that cannot be read.
    pub(crate) fn broken_volume(&self, content: &Content) -> Option<&VolumeFile> {
        let mut volumes = content.at.iter().filter_map(|extent| self.volume(extent.volume));
        volumes.find(|volume| volume.problem().is_some())
    }

    /// Returns a volume by its number, which begins with 1.
    pub(crate) fn volume(&self, number: usize) -> Option<&VolumeFile> {
        number.checked_sub(1).and_then(|at| self.0.volumes.get(at))
    }

    pub(crate) fn medium(&self) -> &Medium {
        &self.0.medium
    }

    pub(crate) fn key(&self) -> Option<&BundleKey> {
        self.0.key.as_ref()
    }

    /// Returns what opens the content of an encrypted bundle.
    fn opener(&self) -> Option<&Opener> {
        self.0.opener.as_ref()
    }
}

/// Runs blocking work; `path` stands in the error of a runtime that is shutting down.
pub(crate) async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| BundleError::Io { path: path.to_owned(), source: io::Error::other(error) })
}

fn unlock(medium: &Medium, options: &OpenOptions) -> Result<Option<BundleKey>> {
    let Some((path, bytes)) = &medium.key else { return Ok(None) };
    let closed = "the bundle is encrypted, and no identity or passphrase was given";
    let unlock = options.unlock.as_ref().ok_or_else(|| BundleError::wrong_key(&medium.path, closed))?;
    unlock(&SealedKey::parse(path, bytes.clone())?).map(Some)
}

fn read_catalogue(medium: &Medium, key: Option<&BundleKey>) -> Result<Catalogue> {
    let (path, bytes) = &medium.catalogue;
    match key {
        Some(key) => Catalogue::parse(path, &key.open(path, bytes, CATALOGUE_LIMIT)?),
        None => Catalogue::parse(path, bytes),
    }
}

/// The list of checksums and the catalogue name the same volumes with the same checksums.
fn check_listed(medium: &Medium, catalogue: &Catalogue) -> Result<()> {
    let Some((list, checksums)) = medium.checksums.as_ref().filter(|_| medium.whole.is_none()) else {
        return Ok(());
    };
    for volume in &catalogue.volumes {
        let name = &volume.name;
        let Some(listed) = checksums.of(name) else {
            return Err(BundleError::damaged(list, format_args!("{name} is not listed")));
        };
        if volume.size.is_none() || volume.sha256.as_deref() != Some(listed) {
            return Err(BundleError::damaged(
                list,
                format_args!("{name} has another checksum in the catalogue"),
            ));
        }
    }
    let is_known =
        |name: &&str| medium.is_small(name) || catalogue.volumes.iter().any(|it| it.name == **name);
    match checksums.names().find(|name| !is_known(name)) {
        Some(name) => Err(BundleError::damaged(list, format_args!("{name:?} is no file of the bundle"))),
        None => Ok(()),
    }
}

/// Lists the directories in which volumes may lie, each once, whatever it is called.
pub(crate) fn volume_places(medium: &Medium, options: &OpenOptions) -> Vec<PathBuf> {
    let mut known = HashSet::new();
    let all = std::iter::once(&medium.path).chain(&options.volume_dirs);
    all.filter(|path| known.insert(path.canonicalize().unwrap_or_else(|_| (*path).clone())))
        .cloned()
        .collect()
}

fn find_volumes(medium: &Medium, catalogue: &Catalogue, options: &OpenOptions) -> Result<Vec<VolumeFile>> {
    let Some(whole) = &medium.whole else {
        let places = volume_places(medium, options);
        let find = |volume| VolumeFile::find(volume, &places, options.progress());
        return Ok(catalogue.volumes.iter().map(find).collect());
    };
    let damaged = |reason: String| Err(BundleError::damaged(&medium.path, reason));
    let [volume] = catalogue.volumes.as_slice() else {
        return damaged(format!("its catalogue lists {} volumes and not one", catalogue.volumes.len()));
    };
    let is_behind = |content: &&Content| content.at.iter().any(|at| at.offset + at.size > whole.length);
    if let Some(content) = catalogue.content.iter().find(is_behind) {
        return damaged(format!("{} lies behind its end", content.digest));
    }
    Ok(vec![VolumeFile::whole(volume, &medium.path, whole.length, medium.whole_checksum())])
}

#[cfg(test)]
mod tests;
