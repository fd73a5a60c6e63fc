//! Where the files of a repository are.

use std::path::{Path, PathBuf};

use sealift_oci::{Algorithm, Digest, RepositoryName};

/// The directory of a repository's OCI layout. Components of repository names begin with a letter or a
/// digit, so no repository can have this name, nor any other that begins with `_`.
pub(super) const LAYOUT: &str = "_layout";
/// The file that marks a directory as a layout, and its content: OCI image specification 1.1,
/// `image-layout.md`, "oci-layout file".
pub(super) const MARKER: (&str, &str) = ("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);

/// The length of the name of an upload: 16 random bytes in hexadecimal.
const UPLOAD_ID_LENGTH: usize = 32;

/// The paths of one repository.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    repository: PathBuf,
}

/// The paths of one upload.
#[derive(Clone, Debug)]
pub(super) struct UploadPaths {
    /// The directory of the upload.
    pub(super) directory: PathBuf,
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

    /// The directory of uploads.
    pub(super) fn uploads(&self) -> PathBuf {
        self.repository.join("_uploads")
    }

    /// One upload; `None` where the text is no name that this place gives, such as a path.
    pub(super) fn upload(&self, id: &str) -> Option<UploadPaths> {
        let fine = id.len() == UPLOAD_ID_LENGTH
            && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        fine.then(|| UploadPaths { directory: self.uploads().join(id) })
    }
}

impl UploadPaths {
    /// What has arrived.
    pub(super) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// How much of it is hashed, and the state of the hash.
    pub(super) fn state(&self) -> PathBuf {
        self.directory.join("state")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_this_place_gives_are_uploads() {
        let paths = Paths::new(Path::new("/root"), &"a/b".parse().unwrap());
        assert!(paths.upload("0123456789abcdef0123456789abcdef").is_some());
        for id in
            ["", ".", "..", "../../x", "0123456789ABCDEF0123456789ABCDEF", "/123456789abcdef0123456789abcde"]
        {
            assert!(paths.upload(id).is_none(), "{id}");
        }
    }
}
