//! Where the files of a repository are.

use std::path::{Path, PathBuf};

use sealift_oci::{Algorithm, Digest, RepositoryName};

use crate::index_json::MARKER;

/// The directory of a repository's OCI layout. Components of repository names begin with a letter or a
/// digit, so no repository can have this name, nor any other that begins with `_`.
pub(super) const LAYOUT: &str = "_layout";

/// The paths of one repository.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    repository: PathBuf,
}

impl Paths {
    pub(super) fn new(root: &Path, name: &RepositoryName) -> Self {
        Self { repository: root.join(name.as_str()) }
    }

    /// The directory of the repository.
    pub(super) fn repository(&self) -> &Path {
        &self.repository
    }

    /// The OCI layout.
    pub(super) fn layout(&self) -> PathBuf {
        self.repository.join(LAYOUT)
    }

    /// The file that marks the layout.
    pub(super) fn marker(&self) -> PathBuf {
        self.layout().join(MARKER.0)
    }

    /// The list of manifests.
    pub(super) fn index(&self) -> PathBuf {
        self.layout().join("index.json")
    }

    /// The directory of the blobs that are named by digests of one algorithm.
    pub(super) fn blobs(&self, algorithm: Algorithm) -> PathBuf {
        self.layout().join("blobs").join(algorithm.as_str())
    }

    /// A blob or manifest.
    pub(super) fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs(digest.algorithm()).join(digest.hex())
    }

    /// The file whose lock a process holds while it changes the index.
    pub(super) fn lock(&self) -> PathBuf {
        self.repository.join("_lock")
    }

    /// The file whose lock is shared by those who add content that nothing links to yet, and held alone by who
    /// removes content.
    pub(super) fn sweep(&self) -> PathBuf {
        self.repository.join("_sweep")
    }

    /// The directory of uploads.
    pub(super) fn uploads(&self) -> PathBuf {
        self.repository.join("_uploads")
    }
}
