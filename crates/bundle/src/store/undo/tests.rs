use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::Path;

use bytes::Bytes;
use sealift_store::Store as _;
use sealift_store::conformance::fixture::{Image, image_of, noise};
use tempfile::TempDir;

use super::*;
use crate::delta::{BlobLookup, Made, Memory, made_backwards, made_of};
use crate::fixture::Builder;
use crate::reader::OpenOptions;
use crate::store::BundleStore;

/// How many plain bytes each version has, about.
const SIZE: usize = 100_000;

/// Content by digest.
#[derive(Clone, Debug, Default)]
struct Shelf(HashMap<Digest, Bytes>);

impl Shelf {
    fn of(blobs: &[&Bytes]) -> Self {
        Self(blobs.iter().map(|blob| (Digest::sha256(blob), (*blob).clone())).collect())
    }

    fn bases(self, memory: u64) -> Bases {
        Bases { lookup: Arc::new(self), memory: Memory::new(memory), threads: NonZeroUsize::MIN }
    }
}

#[async_trait]
impl BlobLookup for Shelf {
    async fn open(&self, digest: &Digest) -> Result<BlobBody> {
        let missing = || Error::new(ErrorKind::NotFound, Operation::FetchBlob).because("it is on no shelf");
        self.0.get(digest).map(|blob| BlobBody::from(blob.clone())).ok_or_else(missing)
    }
}

/// A layer of which each version differs a little from all others.
fn version(number: u64) -> Bytes {
    let mut plain = noise("a layer", SIZE).to_vec();
    plain.iter_mut().step_by(9000).for_each(|byte| *byte = number as u8);
    plain.extend_from_slice(&number.to_be_bytes());
    Bytes::from(plain)
}

fn images(count: u64) -> Vec<(Image, Bytes)> {
    let one = |number: u64| (image_of(&number.to_string(), &[version(number)]), version(number));
    (0..count).map(one).collect()
}

/// A bundle with each image, in which the layer is a delta of another one.
async fn bundle(images: &[(Image, Bytes)], builds_on: &[(usize, usize)], root: &Path) -> Bundle {
    let mut builder = Builder::default();
    for (number, (image, _)) in images.iter().enumerate() {
        builder.image("app", &number.to_string(), image);
    }
    for &(new, old) in builds_on {
        let (blob, base) = (&images[new].1, &images[old].1);
        builder.deltas.insert(Digest::sha256(blob), made_of(base, blob));
    }
    builder.write(root);
    Bundle::open(root, &OpenOptions::default()).await.unwrap()
}

async fn read(store: &BundleStore, blob: &Bytes, offset: u64) -> Result<Bytes> {
    let source = store.source(&"app".parse().unwrap());
    source.open_blob(&Digest::sha256(blob), offset).await?.collect(blob.len()).await
}

/// Three updates, each in a bundle of its own, over the first release.
async fn updates(images: &[(Image, Bytes)]) -> (Vec<TempDir>, Vec<Bundle>) {
    let (mut roots, mut bundles) = (Vec::new(), Vec::new());
    for number in 0..images.len() {
        let root = tempfile::tempdir().unwrap();
        let has_base = number > 0;
        let listed = &images[number - usize::from(has_base)..=number];
        let mut builder = Builder::default();
        builder.image("app", &number.to_string(), &images[number].0);
        if has_base {
            let (blob, base) = (&listed[1].1, &listed[0].1);
            builder.content.insert(Digest::sha256(base), base.clone());
            builder.leave_out(Digest::sha256(base));
            builder.deltas.insert(Digest::sha256(blob), made_of(base, blob));
        }
        builder.write(root.path());
        bundles.push(Bundle::open(root.path(), &OpenOptions::default()).await.unwrap());
        roots.push(root);
    }
    (roots, bundles)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_of_a_delta_is_made_from_the_first() {
    let images = images(4);
    let (_roots, bundles) = updates(&images).await;
    let store = BundleStore::with_bases(bundles.clone(), Shelf::default().bases(1 << 30));
    for (_, blob) in &images {
        assert!(store.is_complete(&Digest::sha256(blob)));
        for offset in [0, 777, blob.len() as u64] {
            assert!(read(&store, blob, offset).await.unwrap() == blob[offset as usize..]);
        }
        let behind = read(&store, blob, blob.len() as u64 + 1).await.unwrap_err();
        assert_eq!(behind.kind(), ErrorKind::Invalid);
    }
    // More at once than a runtime has threads for what may block.
    let reads = (0..600).map(|_| read(&store, &images[3].1, 0));
    for done in futures_util::future::join_all(reads).await {
        assert!(done.unwrap() == images[3].1);
    }
    // Without the first, the place that has what it builds on serves as well; with neither, it is told.
    let rest = bundles[1..].to_vec();
    for (shelf, ends) in [(Shelf::of(&[&images[0].1]), Ok(())), (Shelf::default(), Err("it is on no shelf"))]
    {
        let store = BundleStore::with_bases(rest.clone(), shelf.bases(1 << 30));
        assert!(!store.is_complete(&Digest::sha256(&images[3].1)));
        match (read(&store, &images[3].1, 0).await, ends) {
            (Ok(all), Ok(())) => assert!(all == images[3].1),
            (Err(error), Err(words)) => {
                assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
                assert!(error.to_string().contains(words), "{error}");
            }
            (read, ends) => panic!("{read:?} and not {ends:?}"),
        }
    }
}

/// Who stands alone says the same to who asks for the size as to who reads.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_made_is_not_there() {
    let images = images(3);
    let (_roots, bundles) = updates(&images).await;
    for (held, is_readable) in [(&bundles[..], true), (&bundles[1..], false)] {
        let store = BundleStore::alone(held.to_vec(), Memory::new(1 << 30), NonZeroUsize::MIN);
        let source = store.source(&"app".parse().unwrap());
        for (_, blob) in &images {
            let (size, all) = (source.stat_blob(&Digest::sha256(blob)).await, read(&store, blob, 0).await);
            if is_readable {
                assert!(size.unwrap() == blob.len() as u64 && all.unwrap() == *blob);
            } else {
                let kinds = [size.unwrap_err().kind(), all.unwrap_err().kind()];
                assert_eq!(kinds, [ErrorKind::NotFound; 2]);
            }
        }
    }
}

/// What does not fit together is refused, and not begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_chain_takes_no_more_memory_than_deltas_may() {
    let blob = |number: u64| Bytes::from([&noise("large", 900_000)[..], &number.to_be_bytes()].concat());
    let one = |number: u64| (image_of(&number.to_string(), &[blob(number)]), blob(number));
    let images: Vec<(Image, Bytes)> = (0..3).map(one).collect();
    let (_roots, bundles) = updates(&images).await;
    let store = |memory| BundleStore::with_bases(bundles.clone(), Shelf::default().bases(memory));
    let (little, enough) = (store(2 << 20), store(3 << 20));
    assert!(read(&little, &images[1].1, 0).await.unwrap() == images[1].1);
    let refused = read(&little, &images[2].1, 0).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.to_string().contains("load the bundles one after the other"), "{refused}");
    assert!(!little.is_complete(&Digest::sha256(&images[2].1)));
    assert!(enough.is_complete(&Digest::sha256(&images[2].1)));
    assert!(read(&enough, &images[2].1, 0).await.unwrap() == images[2].1);
    // Where some place has what it builds on, nothing is made of it.
    let there = BundleStore::with_bases(bundles, Shelf::of(&[&images[1].1]).bases(2 << 20));
    assert!(read(&there, &images[2].1, 0).await.unwrap() == images[2].1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_builds_on_itself_is_refused() {
    let (root, images) = (tempfile::tempdir().unwrap(), images(3));
    let turning = bundle(&images, &[(0, 1), (1, 2), (2, 0)], root.path()).await;
    let store = BundleStore::with_bases(vec![turning.clone()], Shelf::default().bases(1 << 30));
    for (_, blob) in &images {
        assert!(!store.is_complete(&Digest::sha256(blob)));
        let error = read(&store, blob, 0).await.unwrap_err();
        assert!(error.to_string().contains("builds on itself"), "{error}");
    }
    let helped = BundleStore::with_bases(vec![turning], Shelf::of(&[&images[1].1]).bases(1 << 30));
    assert!(read(&helped, &images[0].1, 0).await.unwrap() == images[0].1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_not_longer_than_it_may_be() {
    let (root, images) = (tempfile::tempdir().unwrap(), images(CHAIN_LIMIT as u64 + 2));
    let steps: Vec<(usize, usize)> = (1..images.len()).map(|number| (number, number - 1)).collect();
    let long = bundle(&images, &steps, root.path()).await;
    let store = BundleStore::with_bases(vec![long], Shelf::default().bases(1 << 30));
    let (last, next) = (&images[CHAIN_LIMIT].1, &images[CHAIN_LIMIT + 1].1);
    assert!(store.is_complete(&Digest::sha256(last)) && !store.is_complete(&Digest::sha256(next)));
    assert!(read(&store, last, 0).await.unwrap() == *last);
    let error = read(&store, next, 0).await.unwrap_err();
    assert!(error.to_string().contains("more than 32 deltas"), "{error}");
}

/// What builds on a delta cannot have it made again and again without an end.
#[tokio::test(flavor = "multi_thread")]
async fn a_delta_is_not_made_more_often_than_it_may_be() {
    let images = images(3);
    let [base, old, new] = [0, 1, 2].map(|number: usize| &images[number].1);
    for (frames, ends) in [(2, None), (3, Some("had to be made 128 times"))] {
        let deltas: [(&Bytes, Made); 2] =
            [(old, made_of(base, old)), (new, made_backwards(old, new, frames))];
        let (root, mut builder) = (tempfile::tempdir().unwrap(), Builder::default());
        images.iter().for_each(|(image, _)| _ = builder.image("app", "1", image));
        builder.deltas.extend(deltas.map(|(blob, made)| (Digest::sha256(blob), made)));
        builder.write(root.path());
        let bundle = Bundle::open(root.path(), &OpenOptions::default()).await.unwrap();
        let store = BundleStore::with_bases(vec![bundle], Shelf::default().bases(1 << 30));
        match (read(&store, new, 0).await, ends) {
            (Ok(all), None) => assert!(all == *new),
            (Err(error), Some(words)) => assert!(error.to_string().contains(words), "{error}"),
            (read, ends) => panic!("{read:?} and not {ends:?}"),
        }
    }
}
