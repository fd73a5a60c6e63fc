//! Something that is wrong, before anybody asked which images need the content.

use std::collections::HashMap;
use std::path::PathBuf;

use sealift_oci::Digest;

use super::Finding;

/// Something that is wrong.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) position: Option<u64>,
    pub(crate) what: String,
    pub(crate) content: Vec<Digest>,
}

impl Found {
    /// Something is wrong with a whole file.
    pub(crate) fn whole(path: PathBuf, what: String) -> Self {
        Self::at(path, None, what)
    }

    /// Something is wrong at a place in a file.
    pub(crate) fn at(path: PathBuf, position: Option<u64>, what: String) -> Self {
        Self { path, position, what, content: Vec::new() }
    }

    /// Names the images that it hits; `users` are those that need each piece of content.
    pub(crate) fn hitting(self, users: &HashMap<Digest, Vec<usize>>) -> Finding {
        let mut images: Vec<usize> =
            self.content.iter().filter_map(|digest| users.get(digest)).flatten().copied().collect();
        images.sort_unstable();
        images.dedup();
        Finding { path: self.path, position: self.position, what: self.what, images }
    }
}
