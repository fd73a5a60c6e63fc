use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use sealift_oci::{Descriptor, Tag, media_type};
use sealift_store::conformance::fixture::{Image, image, index};
use sealift_store::{ErrorKind, Store as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::entry;

/// A layout of two images that share nothing, the second in an index.
struct World {
    root: TempDir,
    images: [Image; 2],
}

impl World {
    fn new() -> Self {
        let world =
            Self { root: tempfile::tempdir().unwrap(), images: [image("one"), index(&[image("two")])] };
        for image in &world.images {
            world.write(image);
        }
        fs::write(world.path("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        world.list(|_| {});
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, image: &Image) {
        image.children.iter().for_each(|child| self.write(child));
        for bytes in image.blobs.iter().chain([&image.manifest.bytes]) {
            self.put(&Digest::sha256(bytes), bytes);
        }
    }

    fn put(&self, digest: &Digest, bytes: &[u8]) {
        let path = self.blob(digest);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.path(&entry::name(digest))
    }

    /// Writes the list of images, after something was done to it.
    fn list(&self, change: impl Fn(&mut Value)) {
        let entries =
            self.images.iter().zip(["quay.io/org/one:1", "quay.io/org/two:2"]).map(|(image, name)| {
                let Descriptor { media_type, digest, size, .. } = &image.manifest.descriptor;
                json!({"mediaType": media_type, "digest": digest, "size": size,
                   "annotations": {"org.opencontainers.image.ref.name": name}})
            });
        let mut list = json!({"schemaVersion": 2, "manifests": entries.collect::<Vec<_>>()});
        change(&mut list);
        fs::write(self.path("index.json"), list.to_string()).unwrap();
    }

    /// Packs the directory into an archive, entry by entry.
    fn archive(&self) -> PathBuf {
        let file = self.path("layout.tar");
        let mut builder = tar::Builder::new(fs::File::create(&file).unwrap());
        for name in ["oci-layout", "index.json", "blobs"] {
            let path = self.path(name);
            match path.is_dir() {
                true => builder.append_dir_all(name, path).unwrap(),
                false => builder.append_path_with_name(path, name).unwrap(),
            }
        }
        builder.finish().unwrap();
        file
    }

    async fn findings(&self) -> Vec<Finding> {
        let store = LayoutStore::open(self.root.path(), &"main".parse().unwrap()).await.unwrap();
        store.verify(2, Arc::new(|_, _| {})).await.unwrap().findings
    }
}

#[tokio::test]
async fn a_whole_layout_has_no_findings_in_either_form() {
    let world = World::new();
    let main = "main".parse().unwrap();
    let stores = [
        LayoutStore::open(world.root.path(), &main).await.unwrap(),
        LayoutStore::open_archive(world.archive(), &main).await.unwrap(),
    ];
    for store in stores {
        let last = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&last);
        let progress = move |done, total| {
            assert!(done <= total);
            told.fetch_max(done, Ordering::Relaxed);
        };
        let verified = store.verify(2, Arc::new(progress)).await.unwrap();
        assert_eq!((verified.findings, verified.scope), (Vec::new(), Scope::Everything));
        assert_eq!(verified.images, ["quay.io/org/one:1", "quay.io/org/two:2"]);
        assert!(verified.bytes > 0 && verified.bytes == last.load(Ordering::Relaxed));
    }
}

/// What is wrong with a layout, as the path below it, the words, and the images that it hits.
type Lie<'a> = (&'a str, &'a dyn Fn(&World), &'a dyn Fn(&World) -> PathBuf, &'a str, &'a [usize]);

#[tokio::test]
async fn a_layout_that_lies_is_found() {
    let list = |world: &World| world.path("index.json");
    let layer = |world: &World| world.blob(&Digest::sha256(&world.images[0].blobs[0]));
    let child = |world: &World| world.blob(&world.images[1].children[0].digest());
    let root = |world: &World| world.blob(&world.images[1].digest());
    let manifest = |world: &World| world.blob(&world.images[0].digest());
    let cases: &[Lie] = &[
        (
            "size",
            &|it| it.list(|list| list["manifests"][0]["size"] = json!(7)),
            &list,
            "is listed with 7 bytes and has",
            &[0],
        ),
        (
            "type",
            &|it| it.list(|list| list["manifests"][1]["mediaType"] = json!(media_type::OCI_MANIFEST)),
            &list,
            "is listed as \"application/vnd.oci.image.manifest.v1+json\", and is an index of the type",
            &[1],
        ),
        (
            "absent root",
            &|it| it.list(|list| list["manifests"][0]["digest"] = json!(Digest::sha256(b"absent"))),
            &list,
            "is listed and not there",
            &[0],
        ),
        (
            "no manifest",
            &|it| {
                let blob = Digest::sha256(&it.images[0].blobs[0]);
                let size = it.images[0].blobs[0].len();
                it.list(|list| {
                    list["manifests"][0]["digest"] = json!(blob);
                    list["manifests"][0]["size"] = json!(size);
                });
            },
            &list,
            "is listed as a manifest and is none",
            &[0],
        ),
        ("flip", &|it| flip(&layer(it)), &layer, "is damaged: its bytes have the digest", &[0]),
        ("flipped manifest", &|it| flip(&child(it)), &child, "is damaged: its bytes have the digest", &[1]),
        (
            "missing layer",
            &|it| fs::remove_file(layer(it)).unwrap(),
            &manifest,
            "is listed and not there",
            &[0],
        ),
        ("missing child", &|it| fs::remove_file(child(it)).unwrap(), &root, "is listed and not there", &[1]),
        ("cut layer", &|it| fs::write(layer(it), "x").unwrap(), &manifest, "bytes and has 1", &[0]),
        (
            "link",
            &|it| {
                fs::rename(layer(it), it.path("elsewhere")).unwrap();
                symlink(it.path("elsewhere"), layer(it)).unwrap();
            },
            &manifest,
            "it is no regular file but a symbolic link; put the file itself there",
            &[0],
        ),
        (
            "stray",
            &|it| it.put(&Digest::sha256(b"stray"), b"other"),
            &|it| it.blob(&Digest::sha256(b"stray")),
            "is damaged",
            &[],
        ),
    ];
    for (name, lie, path, words, images) in cases {
        let world = World::new();
        lie(&world);
        let findings = world.findings().await;
        let hit = findings.iter().find(|it| it.path == path(&world) && it.what.contains(words));
        let hit = hit.unwrap_or_else(|| panic!("{name}: {findings:?}"));
        assert_eq!(hit.images, *images, "{name}");
    }
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn an_archive_names_the_place() {
    let world = World::new();
    flip(&world.blob(&Digest::sha256(&world.images[0].blobs[0])));
    let file = world.archive();
    let store = LayoutStore::open_archive(&file, &"main".parse().unwrap()).await.unwrap();
    let findings = store.verify(2, Arc::new(|_, _| {})).await.unwrap().findings;
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    let bytes = fs::read(&file).unwrap();
    let at = usize::try_from(finding.position.unwrap()).unwrap();
    let right = &world.images[0].blobs[0];
    let different = bytes[at..at + right.len()].iter().zip(right).filter(|(one, other)| one != other).count();
    assert_eq!((finding.path.as_path(), different, finding.images.as_slice()), (file.as_path(), 1, &[0][..]));
}

#[tokio::test]
async fn an_index_that_contains_itself_ends() {
    let world = World::new();
    // No digest can be that of its own content, so the bytes are damaged; what is read of them must still end.
    let digest = Digest::sha256(b"self");
    let entry = json!({"mediaType": media_type::OCI_INDEX, "digest": digest, "size": 999});
    let text = json!({"schemaVersion": 2, "manifests": [entry, entry]}).to_string();
    world.put(&digest, format!("{text:999}").as_bytes());
    world.list(|list| list["manifests"][0] = entry.clone());
    let findings = world.findings().await;
    assert!(findings.iter().any(|it| it.path == world.blob(&digest)), "{findings:?}");
}

#[tokio::test]
async fn the_listing_counts_what_is_there() {
    let world = World::new();
    let open = || async { LayoutStore::open(world.root.path(), &"main".parse().unwrap()).await.unwrap() };
    let listing = open().await.listing().await.unwrap();
    let [one, two] = &listing.images[..] else { panic!("{listing:?}") };
    assert_eq!((one.image.source.as_str(), one.is_readable), ("quay.io/org/one:1", true));
    let own: usize = world.images[0].blobs.iter().map(bytes::Bytes::len).sum();
    assert_eq!(one.size, (own + world.images[0].manifest.bytes.len()) as u64);
    assert_eq!(listing.carried, one.size + two.size - listing.shared);
    fs::remove_file(world.blob(&Digest::sha256(&world.images[0].blobs[0]))).unwrap();
    let listing = open().await.listing().await.unwrap();
    assert_eq!(listing.images.iter().map(|it| it.is_readable).collect::<Vec<_>>(), [false, true]);
}

/// Whoever gets it from the target would be told the wrong type.
#[tokio::test]
async fn what_is_listed_under_another_type_is_refused() {
    let world = World::new();
    for listed in ["text/plain", media_type::OCI_INDEX] {
        world.list(|list| list["manifests"][0]["mediaType"] = json!(listed));
        let store = LayoutStore::open(world.root.path(), &"main".parse().unwrap()).await.unwrap();
        let source = |name: &str| store.source(&name.parse().unwrap());
        let tag = |text: &str| text.parse::<Tag>().unwrap().into();
        let error = source("org/one").manifest(&tag("1")).await.unwrap_err();
        let words = format!("{} is listed as {listed:?}, and is an image", world.images[0].digest());
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains(&words), "{error}");
        assert_eq!(source("org/two").manifest(&tag("2")).await.unwrap(), world.images[1].manifest);
    }
}
