//! Bits that flip anywhere in a bundle: whatever is loaded of it, nothing wrong and nothing half gets a tag.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealift_bundle::{Bundle, BundleStore, Image, OpenOptions};
use sealift_mirror::{Group, ImageReport, ImageRequest, Mirror, Options, Plan, RetryPolicy, Selection};
use sealift_oci::ManifestRef;
use sealift_store::conformance::fixture;
use sealift_store::{MemoryStore, Store};
use tokio::sync::watch;

use super::scene::{Gap, NAMES, files};
use crate::site::KNOWN;

/// How many bits of each bundle are flipped; `SEALIFT_SOAK=1` flips more.
const SAMPLE: usize = 150;
const SOAK: usize = 2500;

fn count() -> usize {
    if std::env::var_os("SEALIFT_SOAK").is_some() { SOAK } else { SAMPLE }
}

/// A bundle of three small images, as that form.
async fn packed(to: &str) -> Gap {
    let store = MemoryStore::new("memory");
    for name in NAMES {
        let repository = format!("arcdata/{name}").parse().unwrap();
        fixture::image(name).push(&store, &repository, Some(KNOWN)).await;
    }
    let gap = Gap::of(Arc::new(store)).await;
    gap.pack(to, &[]).await.expect(0);
    gap
}

/// Loads as `sealift load` does, and returns where it went and how many images arrived; nothing of what is no bundle.
async fn load(path: &Path) -> (Arc<MemoryStore>, usize) {
    let target = Arc::new(MemoryStore::new("target"));
    let Ok(bundle) = Bundle::open(path, &OpenOptions::default()).await else { return (target, 0) };
    let images = bundle.catalogue().images.iter().map(request).collect();
    let groups = vec![Group { name: Some(KNOWN.to_owned()), images }];
    let options =
        Options { retry: RetryPolicy { failures: 1, ..RetryPolicy::default() }, ..Options::default() };
    let source = Arc::new(BundleStore::new(vec![bundle]));
    let mirror = Mirror { source, target: target.clone(), options, observer: Arc::new(()) };
    let plan = Plan::new(mirror.survey(&Selection { groups }).await);
    let (_asked, stop) = watch::channel(false);
    let report = mirror.run(plan, stop).await;
    (target, report.images.iter().filter(|image: &&ImageReport| image.is_there()).count())
}

fn request(image: &Image) -> ImageRequest {
    ImageRequest {
        name: image.name.clone(),
        source: image.repository.clone(),
        reference: ManifestRef::from(image.digest),
        target: image.repository.clone(),
        tag: image.tag.clone(),
        optional: false,
        gate: image.gate,
    }
}

/// Counts the images that have their tag; each that has is the one that was packed, to the last blob.
async fn assert_right(target: &MemoryStore, what: &str) -> usize {
    let mut tagged = 0;
    for name in NAMES {
        let (image, source) = (fixture::image(name), target.source(&name.parse().unwrap()));
        let Ok(found) = source.resolve(&fixture::tag(KNOWN).into()).await else { continue };
        assert_eq!(found.digest, image.digest(), "{what}: {name}");
        for (blob, content) in image.manifest.links.blobs.iter().zip(&image.blobs) {
            let body = source.open_blob(&blob.digest, 0).await.unwrap();
            assert_eq!(body.collect(content.len()).await.unwrap(), content, "{what}: {name}");
        }
        tagged += 1;
    }
    tagged
}

/// The bits to flip: in even steps over all bytes of all files.
fn bits(all: &[(PathBuf, usize)]) -> impl Iterator<Item = (&Path, usize)> {
    let total: usize = all.iter().map(|(_, length)| length * 8).sum();
    (0..count()).map(move |number| {
        let mut bit = number * total / count();
        let (path, _) = all
            .iter()
            .find(|(_, length)| {
                let is_here = bit < length * 8;
                bit -= if is_here { 0 } else { length * 8 };
                is_here
            })
            .unwrap();
        (path.as_path(), bit)
    })
}

fn flip(path: &Path, bit: usize) {
    let mut content = fs::read(path).unwrap();
    content[bit / 8] ^= 1 << (bit % 8);
    fs::write(path, content).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_publishes_nothing_wrong() {
    for to in ["release", "release.tar"] {
        let gap = packed(to).await;
        let path = gap.path(to);
        let names = if path.is_dir() {
            files(&path).iter().map(|name| path.join(name)).collect()
        } else {
            vec![path.clone()]
        };
        let length = |path: PathBuf| {
            let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
            (path, length)
        };
        let all: Vec<(PathBuf, usize)> = names.into_iter().map(length).collect();
        let (whole, arrived) = load(&path).await;
        assert_eq!((arrived, assert_right(&whole, "nothing").await), (3, 3));
        let mut hit = 0;
        for (file, bit) in bits(&all) {
            flip(file, bit);
            let what = format!("bit {bit} of {}", file.display());
            let (target, arrived) = load(&path).await;
            let tagged = assert_right(&target, &what).await;
            // What has its tag is told as arrived, and nothing else.
            assert_eq!(tagged, arrived, "{what}");
            hit += usize::from(tagged < 3);
            flip(file, bit);
        }
        assert!(hit > count() / 10, "{hit} flips hit something");
    }
}
