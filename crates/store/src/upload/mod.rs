//! Uploads into files, for places that keep blobs in a directory: what has arrived lies in a file of its own
//! and is moved to its name as a blob when it is whole and right.

mod data;
mod session;

use std::path::{Path, PathBuf};

pub use data::Data;
pub use session::{Keeper, Session};

/// The length of the name of an upload: 16 random bytes in hexadecimal.
const UPLOAD_ID_LENGTH: usize = 32;

/// The paths of one upload.
#[derive(Clone, Debug)]
pub struct UploadPaths {
    directory: PathBuf,
}

impl UploadPaths {
    /// Names an upload below the directory of all uploads; `None` where the text is no name that such a place
    /// gives, such as a path.
    #[must_use]
    pub fn below(uploads: &Path, id: &str) -> Option<Self> {
        let fine = id.len() == UPLOAD_ID_LENGTH
            && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        fine.then(|| Self { directory: uploads.join(id) })
    }

    /// The directory of the upload.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What has arrived.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// How much of it is hashed, and the state of the hash.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.directory.join("state")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_a_place_gives_are_uploads() {
        let below = |id| UploadPaths::below(Path::new("/root"), id);
        assert!(below("0123456789abcdef0123456789abcdef").is_some());
        for id in
            ["", ".", "..", "../../x", "0123456789ABCDEF0123456789ABCDEF", "/123456789abcdef0123456789abcde"]
        {
            assert!(below(id).is_none(), "{id}");
        }
    }
}
