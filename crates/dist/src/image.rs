//! The container image: nothing but the static binary, a user who is not root, and a directory to work in. It is written with
//! sealift's own crates; no daemon and no base image is needed.
//!
//! The certificates of public authorities are in the binary, which takes them where the image has none of its own.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use sealift_bundle::{LayoutNames, LayoutWriter};
use sealift_oci::{Descriptor, Digest, Manifest, RepositoryName, Tag, media_type};
use sealift_store::{BlobBody, Store, put_blob};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

/// A number that stands for nobody else: what distroless images use, too.
const USER: u64 = 65532;
/// What the user and the group are called.
const USERS: &str = "root:x:0:0:root:/:/nologin\nsealift:x:65532:65532:sealift:/work:/nologin\n";
const GROUPS: &str = "root:x:0:\nsealift:x:65532:\n";
/// The name that other tools ask a layout for.
const TAG: &str = env!("CARGO_PKG_VERSION");

/// Writes the image of a binary into a layout.
pub(crate) async fn write(binary: &[u8], created: &str, to: &Path) -> Result<()> {
    let layer = layer(binary).context("the layer")?;
    let packed = gzip(&layer)?;
    let config = Bytes::from(configuration(&Digest::sha256(&layer), created).to_string());
    let (config_of, layer_of) = (
        Descriptor::of(media_type::OCI_CONFIG, &config),
        Descriptor::of(media_type::OCI_LAYER_GZIP, &packed),
    );
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": config_of,
        "layers": [layer_of],
        "annotations": labels(created),
    });
    let manifest = Manifest::parse(Some(media_type::OCI_MANIFEST), manifest.to_string().into())?;
    let repository: RepositoryName = "sealift".parse()?;
    let layout = LayoutWriter::create(to, &repository, LayoutNames::Tags).await?;
    let target = layout.target(&repository)?;
    for (descriptor, content) in [(config_of, config), (layer_of, packed)] {
        put_blob(target.as_ref(), &descriptor.digest, descriptor.size, BlobBody::from(content)).await?;
    }
    target.put_manifest(&manifest, Some(&TAG.parse::<Tag>()?)).await?;
    Ok(())
}

/// Puts the files together; owners and times are always the same.
fn layer(binary: &[u8]) -> Result<Vec<u8>> {
    let mut layer = Builder::new(Vec::new());
    for (path, mode, owner) in [("etc/", 0o755, 0), ("tmp/", 0o1777, 0), ("work/", 0o755, USER)] {
        layer.append(&header(path, EntryType::Directory, mode, owner, 0)?, &[][..])?;
    }
    for (path, mode, content) in [
        ("etc/passwd", 0o644, USERS.as_bytes()),
        ("etc/group", 0o644, GROUPS.as_bytes()),
        ("sealift", 0o755, binary),
    ] {
        layer.append(&header(path, EntryType::Regular, mode, 0, content.len() as u64)?, content)?;
    }
    Ok(layer.into_inner()?)
}

fn header(path: &str, kind: EntryType, mode: u32, owner: u64, size: u64) -> Result<Header> {
    let mut header = Header::new_gnu();
    header.set_path(path)?;
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_size(size);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}

fn gzip(layer: &[u8]) -> Result<Bytes> {
    let mut packed = GzBuilder::new().write(Vec::new(), Compression::best());
    packed.write_all(layer)?;
    Ok(packed.finish()?.into())
}

fn configuration(layer: &Digest, created: &str) -> Value {
    json!({
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": {
            "User": format!("{USER}:{USER}"),
            "Env": ["PATH=/", "HOME=/work"],
            "Entrypoint": ["/sealift"],
            "WorkingDir": "/work",
            "ExposedPorts": {"5000/tcp": {}},
            "Labels": labels(created),
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.to_string()]},
        "history": [{"created": created, "created_by": "make image", "comment": "the static binary alone"}],
    })
}

fn labels(created: &str) -> Value {
    json!({
        "org.opencontainers.image.title": "sealift",
        "org.opencontainers.image.description": "Carries container images into the registries of offline sites, byte for byte.",
        "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
        "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
        "org.opencontainers.image.source": env!("CARGO_PKG_REPOSITORY"),
        "org.opencontainers.image.created": created,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails shall say so")]

    use super::*;
    use sealift_oci::ManifestRef;

    #[tokio::test]
    async fn the_image_is_the_binary_for_a_user_who_is_not_root_and_always_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let mut digests = Vec::new();
        for name in ["a", "b"] {
            let to = directory.path().join(name);
            write(b"the binary", "2026-11-21T00:00:00Z", &to).await.unwrap();
            let repository: RepositoryName = "sealift".parse().unwrap();
            let layout = LayoutWriter::create(&to, &repository, LayoutNames::Tags).await.unwrap();
            let source = layout.source(&repository);
            let tag = ManifestRef::Tag(TAG.parse().unwrap());
            let manifest = source.manifest(&tag).await.unwrap();
            digests.push(manifest.digest());
            let config = source.open_blob(&manifest.links.blobs[0].digest, 0).await.unwrap();
            let config: Value = serde_json::from_slice(&config.collect(10_000).await.unwrap()).unwrap();
            assert_eq!(config["config"]["User"], "65532:65532");
            assert_eq!(config["config"]["Entrypoint"], json!(["/sealift"]));
            let layer = source.open_blob(&manifest.links.blobs[1].digest, 0).await.unwrap();
            let layer = layer.collect(100_000).await.unwrap();
            assert_eq!(config["rootfs"]["diff_ids"][0], unpacked(&layer).to_string());
        }
        assert_eq!(digests[0], digests[1]);
    }

    /// Reads the layer as a container's engine would, and returns what its bytes are named by.
    fn unpacked(layer: &[u8]) -> Digest {
        use std::io::Read as _;
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(layer).read_to_end(&mut plain).unwrap();
        let mut archive = tar::Archive::new(plain.as_slice());
        let entries = archive.entries().unwrap().map(Result::unwrap);
        let entries = entries.map(|it| {
            let header = it.header();
            let path = it.path().unwrap().display().to_string();
            (path, header.mode().unwrap(), header.uid().unwrap())
        });
        let entries: Vec<(String, u32, u64)> = entries.collect();
        let expected = [
            ("etc/", 0o755, 0),
            ("tmp/", 0o1777, 0),
            ("work/", 0o755, USER),
            ("etc/passwd", 0o644, 0),
            ("etc/group", 0o644, 0),
            ("sealift", 0o755, 0),
        ];
        assert_eq!(entries, expected.map(|(path, mode, owner)| (path.to_owned(), mode, owner)));
        Digest::sha256(&plain)
    }
}
