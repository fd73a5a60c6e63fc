//! Puts an image set into a registry, without any registry client.
//!
//! Debian's `docker-registry` keeps its repositories as plain files; writing those files before it starts
//! costs nothing, since the blobs are hard links, and shares no code with what is tested. The layout is that
//! of distribution 2.8, `registry/storage/paths.go`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sealift_oci::Digest;

use crate::images::{Image, ImageSet};

/// Writes every image of `set` to `storage`, the root directory of a registry that does not run yet. An
/// image's repository is `prefix/name`, or `name` where the prefix is empty.
///
/// # Errors
/// When the directory cannot be written.
pub fn seed_docker_registry(storage: &Path, prefix: &str, set: &ImageSet) -> io::Result<()> {
    for image in set.images() {
        seed_image(storage, &repository_name(prefix, &image.name), set, image)?;
    }
    Ok(())
}

/// Writes one image of `set` to `storage` as `repository`.
///
/// # Errors
/// When the directory cannot be written.
pub fn seed_image(storage: &Path, repository: &str, set: &ImageSet, image: &Image) -> io::Result<()> {
    let root = storage.join("docker/registry/v2");
    let seed = Seed { repository: root.join("repositories").join(repository), root, set };
    for blob in image.blobs() {
        seed.blob(&blob.digest)?;
        seed.link("_layers", &blob.digest)?;
    }
    for manifest in image.manifests() {
        seed.blob(&manifest.digest())?;
        seed.link("_manifests/revisions", &manifest.digest())?;
    }
    let tag = format!("_manifests/tags/{}", image.tag);
    seed.link(&format!("{tag}/index"), &image.manifest.digest())?;
    write(&seed.repository.join(tag).join("current/link"), &image.manifest.digest())
}

/// Returns the repository in which [`seed_docker_registry`] puts an image.
#[must_use]
pub fn repository_name(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") }
}

struct Seed<'a> {
    root: PathBuf,
    repository: PathBuf,
    set: &'a ImageSet,
}

impl Seed<'_> {
    /// Puts the content itself where all repositories share it.
    fn blob(&self, digest: &Digest) -> io::Result<()> {
        let (hex, algorithm) = (digest.hex(), digest.algorithm().as_str());
        let directory = self.root.join("blobs").join(algorithm).join(&hex[..2]).join(&hex);
        let data = directory.join("data");
        if data.exists() {
            return Ok(());
        }
        fs::create_dir_all(&directory)?;
        let source = self.set.path(digest);
        // The storage may be on another file system than the set.
        fs::hard_link(&source, &data).or_else(|_| fs::copy(&source, &data).map(drop))
    }

    /// Says in the repository's directory `kind` that it has the content.
    fn link(&self, kind: &str, digest: &Digest) -> io::Result<()> {
        let directory = self.repository.join(kind).join(digest.algorithm().as_str());
        write(&directory.join(digest.hex()).join("link"), digest)
    }
}

fn write(link: &Path, digest: &Digest) -> io::Result<()> {
    if let Some(directory) = link.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(link, digest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::tiny_set;

    // That the registry understands what is written is shown in `docker_registry`.
    #[test]
    fn links_name_the_digests_and_shared_blobs_lie_there_once() {
        let (directory, storage) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let set = tiny_set(directory.path()).unwrap();
        seed_docker_registry(storage.path(), "arcdata", &set).unwrap();
        let root = storage.path().join("docker/registry/v2");
        let image = set.image("one").unwrap();
        let tag = root.join("repositories/arcdata/one/_manifests/tags/1/current/link");
        assert_eq!(fs::read_to_string(tag).unwrap(), image.manifest.digest().to_string());
        let mut blobs = 0;
        for shard in fs::read_dir(root.join("blobs/sha256")).unwrap() {
            blobs += fs::read_dir(shard.unwrap().path()).unwrap().count();
        }
        // Seven blobs, one plain manifest, one index with two children.
        assert_eq!(blobs, 11);
    }

    #[test]
    fn an_empty_prefix_leaves_the_name_alone() {
        assert_eq!(repository_name("", "one"), "one");
        assert_eq!(repository_name("a/b", "one"), "a/b/one");
    }
}
