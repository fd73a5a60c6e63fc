//! A finished image set: a directory in OCI layout, and its manifests in memory.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sealift_oci::{Descriptor, Digest, Kind, Manifest};

/// The layout's index, which is written last: where it is, the set is whole.
pub(super) const INDEX: &str = "index.json";
/// The annotation under which the index names an image (OCI image specification 1.1, `annotations.md`).
pub(super) const NAME_ANNOTATION: &str = "org.opencontainers.image.ref.name";

/// One image of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The name, which becomes the last part of the repository's name.
    pub name: String,
    /// The tag.
    pub tag: String,
    /// What the tag points to.
    pub manifest: Manifest,
    /// The manifests of an index, in its order; empty for a plain image.
    pub children: Vec<Manifest>,
}

impl Image {
    /// Returns every manifest: the children first, in the order in which they have to be pushed.
    #[must_use]
    pub fn manifests(&self) -> Vec<&Manifest> {
        self.children.iter().chain([&self.manifest]).collect()
    }

    /// Returns each distinct configuration and layer.
    #[must_use]
    pub fn blobs(&self) -> Vec<Descriptor> {
        distinct(self.manifests().into_iter().flat_map(|it| it.links.blobs.iter()))
    }
}

/// A set of images on disk.
#[derive(Clone, Debug)]
pub struct ImageSet {
    directory: PathBuf,
    images: Vec<Image>,
}

impl ImageSet {
    /// Reads the set that lies in `directory`.
    ///
    /// # Errors
    /// When there is no whole set.
    pub fn load(directory: &Path) -> io::Result<Self> {
        let mut set = Self { directory: directory.to_owned(), images: Vec::new() };
        let index = parse(None, fs::read(directory.join(INDEX))?)?;
        for descriptor in &index.links.manifests {
            let image = set.load_image(descriptor)?;
            set.images.push(image);
        }
        Ok(set)
    }

    fn load_image(&self, descriptor: &Descriptor) -> io::Result<Image> {
        let name = descriptor.annotations.get(NAME_ANNOTATION).and_then(|name| name.split_once(':'));
        let (name, tag) = name.ok_or_else(|| io::Error::other("an image of the set has no name"))?;
        let manifest = self.load_manifest(descriptor)?;
        let children = match manifest.kind {
            Kind::Index => &manifest.links.manifests[..],
            Kind::Image => &[],
        };
        let children = children.iter().map(|child| self.load_manifest(child)).collect::<io::Result<_>>()?;
        Ok(Image { name: name.to_owned(), tag: tag.to_owned(), manifest, children })
    }

    fn load_manifest(&self, descriptor: &Descriptor) -> io::Result<Manifest> {
        parse(Some(&descriptor.media_type), self.read(&descriptor.digest)?)
    }

    /// Returns the directory, which is an OCI image layout.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the images in the order of the plan.
    #[must_use]
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// Returns the image of that name.
    #[must_use]
    pub fn image(&self, name: &str) -> Option<&Image> {
        self.images.iter().find(|image| image.name == name)
    }

    /// Returns each distinct configuration and layer of all images, in the order of first use.
    #[must_use]
    pub fn blobs(&self) -> Vec<Descriptor> {
        let manifests = self.images.iter().flat_map(Image::manifests);
        distinct(manifests.flat_map(|it| it.links.blobs.iter()))
    }

    /// Returns the bytes of all distinct blobs together: what a perfect copy of the set moves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.blobs().iter().map(|blob| blob.size).sum()
    }

    /// Returns the file that holds a blob or manifest.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.directory.join("blobs").join(digest.algorithm().as_str()).join(digest.hex())
    }

    /// Reads a blob or manifest.
    ///
    /// # Errors
    /// When the set does not hold it.
    pub fn read(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        fs::read(self.path(digest))
    }
}

fn parse(media_type: Option<&str>, bytes: Vec<u8>) -> io::Result<Manifest> {
    Manifest::parse(media_type, Bytes::from(bytes)).map_err(io::Error::other)
}

/// Keeps the first descriptor of each digest.
fn distinct<'a>(blobs: impl Iterator<Item = &'a Descriptor>) -> Vec<Descriptor> {
    let mut seen = BTreeMap::new();
    blobs.filter(|blob| seen.insert(blob.digest, ()).is_none()).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::super::tiny_plan;
    use super::*;

    #[test]
    fn shared_layers_count_once() {
        let directory = tempfile::tempdir().unwrap();
        let set = tiny_plan().build(directory.path()).unwrap();
        // Four layers and three configurations; the index has no configuration.
        assert_eq!(set.blobs().len(), 7);
        assert_eq!(set.image("one").unwrap().blobs().len(), 3);
        assert_eq!(set.image("two").unwrap().manifests().len(), 3);
        for blob in set.blobs() {
            assert_eq!(fs::metadata(set.path(&blob.digest)).unwrap().len(), blob.size);
        }
    }

    #[test]
    fn a_half_made_set_is_no_set() {
        let directory = tempfile::tempdir().unwrap();
        assert!(ImageSet::load(directory.path()).is_err());
    }
}
