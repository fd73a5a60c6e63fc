//! Plain OCI image layouts as places: a directory or an `oci-archive` tar that skopeo, podman, crane, oras and
//! `BuildKit` wrote or will read. One `index.json` lists the images of all repositories.
//!
//! ```text
//! oci-layout
//! index.json                     every image, under its name
//! blobs/<algorithm>/<hex>        blobs and manifests of all repositories, each once
//! _uploads/<repository>/<id>/    what is on its way in; gone when the writing ends
//! ```
//!
//! `names` says what a name in the index means. A blob that was there when the layout was opened can be read
//! through each of its repositories; one that a [`LayoutWriter`] takes belongs to the repository that it was
//! written or linked to. A manifest is found through the index, or through an index that is listed there.
//! What is attached to an image is listed, so that other tools find it, without a name.
//!
//! skopeo passes over manifests of Docker's types in a layout; they stay what they are, for their digests'
//! sake.

mod archive;
mod graph;
mod index;
mod listing;
mod names;
mod reader;
mod source;
mod store;
mod target;
mod verify;
mod writer;

pub(crate) use archive::{Headers, headers};
pub(crate) use graph::differs;
pub use names::LayoutNames;
pub use store::{LayoutImage, LayoutStore};
pub use writer::LayoutWriter;

#[cfg(fuzzing)]
pub(crate) mod fuzzing {
    /// Reads any bytes as an `index.json`, and as written again.
    pub fn layout_index(bytes: &[u8]) {
        let Ok(main) = "main".parse() else { return };
        if let Ok(index) = super::index::Index::parse(bytes, &main) {
            assert!(
                index.to_bytes().is_ok_and(|written| super::index::Index::parse(&written, &main).is_ok())
            );
        }
    }

    /// Reads any bytes as a tar archive; what it gives lies within.
    pub fn layout_archive(bytes: &[u8]) {
        let length = bytes.len() as u64;
        if let Ok(entries) = super::archive::Entries::scan(&mut std::io::Cursor::new(bytes), length) {
            assert!(entries.all().all(|(offset, size)| offset + size <= length));
        }
    }
}
