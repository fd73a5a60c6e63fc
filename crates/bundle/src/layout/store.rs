//! A layout that is read: a directory or an archive.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use sealift_oci::{Descriptor, Digest, ManifestRef, RepositoryName, Tag};
use sealift_store::index_json::MARKER;
use sealift_store::{
    Admin, Error, ErrorKind, Operation, Page, PageRequest, Source, Store, Target, cannot_delete,
};
use serde::Deserialize;

use super::archive::Archive;
use super::index::{INDEX_LIMIT, Index};
use super::reader::{Directory, Handle, Layout, Piece, find_file};
use crate::{BundleError, Result};

/// The list of images.
pub(super) const INDEX: &str = "index.json";
/// The largest file `oci-layout` that is read, in bytes; it has about thirty.
const MARKER_LIMIT: u64 = 4096;
/// The version of layouts that is read.
const LAYOUT_VERSION: &str = "1.0.0";

/// A plain OCI image layout to read.
#[derive(Clone, Debug)]
pub struct LayoutStore {
    layout: Arc<Layout>,
}

/// An image of a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutImage {
    /// The repository that it is found in.
    pub repository: RepositoryName,
    /// Its tag; without one it is found by its digest.
    pub tag: Option<Tag>,
    /// Media type, digest and size.
    pub descriptor: Descriptor,
    /// Where it came from, if its name says so: `mcr.microsoft.com/arcdata/x`.
    pub source: Option<String>,
}

impl LayoutImage {
    /// Returns what it is called: where it came from, if its name says so, and its tag or digest.
    #[must_use]
    pub fn name(&self) -> String {
        let repository = self.source.clone().unwrap_or_else(|| self.repository.to_string());
        match &self.tag {
            Some(tag) => format!("{repository}:{tag}"),
            None => format!("{repository}@{}", self.descriptor.digest),
        }
    }
}

impl LayoutStore {
    /// Opens a directory. Images whose name says no repository are in `main`.
    ///
    /// # Errors
    /// Where it is no layout, or `index.json` is malformed.
    pub async fn open(directory: impl Into<PathBuf>, main: &RepositoryName) -> Result<Self> {
        let (root, main) = (directory.into(), main.clone());
        blocking(root.clone(), move || {
            let index = open_directory(&root, &main)?;
            Ok(Self::over(Layout::new(&root, Directory { root: root.clone() }, index, false)))
        })
        .await
    }

    /// Opens an `oci-archive`: a tar file of a layout. Images whose name says no repository are in `main`. All headers
    /// are read once; nothing is unpacked.
    ///
    /// # Errors
    /// Where it is no such archive, is compressed, or contains what no layout does: links, devices, sparse files,
    /// names that are absolute or lead upwards, or one name twice.
    pub async fn open_archive(file: impl Into<PathBuf>, main: &RepositoryName) -> Result<Self> {
        let (path, main) = (file.into(), main.clone());
        blocking(path.clone(), move || {
            let archive = Archive::open(&path)?;
            check_marker(&path, archive.piece(archive.entries.marker))?;
            let index = read_index(&path, archive.piece(archive.entries.index), &main)?;
            Ok(Self::over(Layout::new(&path, archive, index, false)))
        })
        .await
    }

    pub(super) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    fn over(layout: Layout) -> Self {
        Self { layout: Arc::new(layout) }
    }

    /// Lists the images in the order of their repositories and tags, without what is attached to them.
    ///
    /// # Errors
    /// None of the layout: what cannot be read is listed, and its reading then says why.
    pub async fn images(&self) -> sealift_store::Result<Vec<LayoutImage>> {
        let layout = Arc::clone(&self.layout);
        let listed = tokio::task::spawn_blocking(move || images(&layout)).await;
        listed.map_err(|error| Error::new(ErrorKind::Io, Operation::ListTags).caused_by(error))
    }

    /// Returns where the images of a repository came from, if their names say it: `mcr.microsoft.com/arcdata/x`.
    #[must_use]
    pub fn source_of(&self, repository: &RepositoryName) -> Option<String> {
        self.layout.index().held(repository)?.source()
    }
}

impl Store for LayoutStore {
    fn place(&self) -> &str {
        &self.layout.place
    }

    fn source(&self, repository: &RepositoryName) -> Arc<dyn Source> {
        Arc::new(self.layout.handle(repository))
    }

    fn target(&self, _: &RepositoryName) -> sealift_store::Result<Arc<dyn Target>> {
        Err(Error::new(ErrorKind::ReadOnly, Operation::Connect).at(&self.layout.place))
    }

    fn admin(&self) -> Arc<dyn Admin> {
        Arc::new(self.layout.handle(self.layout.index().main()))
    }
}

#[async_trait]
impl Admin for Handle {
    async fn repositories(&self, page: &PageRequest) -> sealift_store::Result<Page<RepositoryName>> {
        let (page, operation) = (page.clone(), Operation::ListRepositories);
        let list = move |it: &Self| {
            let index = it.layout.index();
            let names = index.repositories().map(|(name, _)| name);
            let names = names.filter(|name| it.layout.is_repository(&index, name)).cloned();
            Ok(Page::of_sorted(names, &page, ToString::to_string))
        };
        self.blocking(operation, list).await.map_err(|error| error.at(&self.layout.place))
    }

    async fn delete_manifest(&self, _: &RepositoryName, _: &ManifestRef) -> sealift_store::Result<()> {
        Err(cannot_delete(&self.layout.place, Operation::DeleteManifest))
    }

    async fn delete_blob(&self, _: &RepositoryName, _: &Digest) -> sealift_store::Result<()> {
        Err(cannot_delete(&self.layout.place, Operation::DeleteBlob))
    }
}

/// Lists the images of a layout.
pub(super) fn images(layout: &Layout) -> Vec<LayoutImage> {
    let index = layout.index();
    let mut all = Vec::new();
    for (repository, held) in index.repositories() {
        let image = |tag: Option<&Tag>, descriptor| LayoutImage {
            repository: repository.clone(),
            tag: tag.cloned(),
            descriptor,
            source: held.source(),
        };
        let tagged = held.tags().filter_map(|tag| Some(image(Some(tag), index.tagged(repository, tag)?)));
        all.extend(tagged);
        let unnamed = index.unnamed().filter(|_| repository == index.main());
        let mut plain: Vec<Descriptor> = index.untagged(repository).chain(unnamed).collect();
        plain.retain(|descriptor| layout.subject(descriptor).is_none());
        plain.sort_by_key(|descriptor| descriptor.digest);
        all.extend(plain.into_iter().map(|descriptor| image(None, descriptor)));
    }
    all
}

async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(BundleError::Io { path, source: std::io::Error::other(error) }))
}

/// Checks that a directory is a layout, and reads its list of images.
pub(super) fn open_directory(root: &Path, main: &RepositoryName) -> Result<Index> {
    if !root.is_dir() {
        // Says whether it is missing, forbidden or a file.
        std::fs::read_dir(root).map_err(BundleError::io(root))?;
    }
    let find = |name: &str| {
        let path = root.join(name);
        find_file(&path).map_err(BundleError::io(&path))
    };
    check_marker(root, find(MARKER.0)?)?;
    read_index(root, find(INDEX)?, main)
}

/// What marks a layout: OCI image specification 1.1, `image-layout.md`, "oci-layout file".
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

fn check_marker(path: &Path, piece: Option<Piece>) -> Result<()> {
    let other = |reason: String| BundleError::NotABundle { path: path.to_owned(), reason };
    let piece = piece.ok_or_else(|| other("it is no OCI image layout: oci-layout is missing".to_owned()))?;
    let bytes =
        piece.read(MARKER_LIMIT).map_err(|error| BundleError::damaged(path, named(MARKER.0, &error)))?;
    let marker: Marker = serde_json::from_slice(&bytes)
        .map_err(|error| BundleError::damaged(path, named(MARKER.0, &error)))?;
    if marker.image_layout_version == LAYOUT_VERSION {
        return Ok(());
    }
    Err(other(format!("its layout has version {:?}, not {LAYOUT_VERSION}", marker.image_layout_version)))
}

fn read_index(path: &Path, piece: Option<Piece>, main: &RepositoryName) -> Result<Index> {
    let reason = "it is no OCI image layout: index.json is missing".to_owned();
    let piece = piece.ok_or_else(|| BundleError::NotABundle { path: path.to_owned(), reason })?;
    let bytes = piece.read(INDEX_LIMIT).map_err(|error| BundleError::damaged(path, named(INDEX, &error)))?;
    Index::parse(&bytes, main).map_err(|error| BundleError::damaged(path, named(INDEX, &error)))
}

fn named(name: &str, error: &dyn std::fmt::Display) -> String {
    format!("{name}: {error}")
}
