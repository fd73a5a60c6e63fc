use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use proptest::prelude::*;
use regzip::{Recipe, rebuild as regzip_rebuild};
use sealift_oci::Digest;
use sealift_store::{BlobBody, Error, ErrorKind, Expected, Operation};
use serde_json::json;

use super::base::{Joined, OpenBase, Plain};
use super::cut::Index;
use super::decode::{self, DeltaError};
use super::encode::encode;
use super::make::{Level, New, Raw};
use super::parameters::Frame;
use super::{BlobLookup, Delta, ID, Made};
use crate::catalogue::{Content, Encoding, Extent};

pub(super) const ONE: NonZeroUsize = NonZeroUsize::MIN;
/// Encoders of each family, as recipes name them.
pub(super) const ENCODERS: [&str; 5] = [
    "go-1.19:level=6",
    "go-1.19:level=-2",
    "pgzip-1.18.2:level=5,block=1048576",
    "zlib-1.2:level=6,memory=8",
    "pigz-2:level=6,block=131072,blocks=independent",
];

/// Bytes that repeat little.
pub(super) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Two releases of one thing: some of it is changed, some is moved, some is new.
pub(super) fn releases(len: usize) -> (Vec<u8>, Vec<u8>) {
    let old = noise(1, len);
    let mut new = [&old[len / 2..], &noise(2, len / 50), &old[..len / 2]].concat();
    new.iter_mut().step_by(5000).for_each(|byte| *byte ^= 1);
    (old, new)
}

pub(super) fn gzip(plain: &[u8], encoder: &str) -> Bytes {
    let text = format!("1f8b08000000000000ff {encoder} {}\n", plain.len());
    let mut stream = Vec::new();
    regzip_rebuild(&Recipe::from_str(&text).unwrap(), plain, &mut stream, ONE).unwrap();
    Bytes::from(stream)
}

pub(super) fn expected(blob: &[u8]) -> Expected {
    Expected::new(Digest::sha256(blob), blob.len() as u64)
}

/// Makes a delta of a base with those plain bytes, in segments of 4 MiB.
fn try_make(digest: Digest, old: &[u8], blob: &Bytes) -> Result<Made, Raw> {
    let mut index = Index::default();
    index.add_all(digest, true, old);
    let joined = Joined { plain: old, begins: &[0] };
    New { blob, level: Level::Fast }.cut(&index, joined, 4 << 20)
}

fn made(old: &[u8], blob: &Bytes) -> Made {
    try_make(Digest::sha256(b"the base"), old, blob).unwrap()
}

/// A delta of content that is not compressed.
pub(crate) fn made_of(base: &Bytes, blob: &Bytes) -> Made {
    let mut index = Index::default();
    index.add_all(Digest::sha256(base), false, base);
    let joined = Joined { plain: base, begins: &[0] };
    New { blob, level: Level::Fast }.cut(&index, joined, 4 << 20).unwrap()
}

/// A delta of so many frames whose prefixes have 64 bytes of the base each, and each byte lies before the one in front.
pub(crate) fn made_backwards(base: &Bytes, blob: &Bytes, frames: usize) -> Made {
    let offsets = || (0..64).rev().map(|number| number * 2);
    let prefix: Vec<u8> = offsets().map(|offset| base[offset]).collect();
    let runs: Vec<_> = offsets().map(|offset| json!({"base": 0, "offset": offset, "size": 1})).collect();
    let (mut carried, mut written) = (Vec::new(), Vec::new());
    for plain in blob.chunks(blob.len().div_ceil(frames)) {
        let frame = encode(&prefix, plain, 3, 1 << 20).unwrap().unwrap();
        let (window, size) = (Frame::window(plain.len() as u64), frame.len());
        written.push(json!({"plain": plain.len(), "size": size, "window": window, "prefix": runs}));
        carried.extend(frame);
    }
    let parameters = json!({
        "plain": blob.len(),
        "plain_digest": Digest::sha256(blob),
        "carried_digest": Digest::sha256(&carried),
        "frames": written,
        "base_forms": [{"plain": base.len(), "gzip": false}],
    });
    let encoding = Encoding { id: ID.to_owned(), parameters };
    Made { carried: Bytes::from(carried), encoding, bases: vec![Digest::sha256(base)] }
}

/// The content as a catalogue lists it.
pub(super) fn listed(made: &Made, blob: &[u8]) -> Content {
    let at = vec![Extent { volume: 1, offset: 512, size: made.carried.len() as u64 }];
    let Expected { digest, size } = expected(blob);
    let (encoding, bases) = (Some(made.encoding.clone()), made.bases.clone());
    Content { at, encoding, bases, ..Content::elsewhere(digest, size) }
}

fn undo(delta: &Delta, size: usize, old: &[u8], carried: &[u8]) -> Result<Vec<u8>, DeltaError> {
    let mut all = Vec::new();
    let mut bases = Joined { plain: old, begins: &[0] };
    decode::rebuild(delta, size as u64, &mut bases, carried, ONE, |piece| {
        all.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(all)
}

#[test]
fn a_delta_is_small_and_gives_the_same_bytes() {
    let (old, new) = releases(400_000);
    for encoder in ENCODERS {
        let blob = gzip(&new, encoder);
        let made = made(&old, &blob);
        assert!(made.carried.len() < blob.len() / 20, "{encoder}: {} of {}", made.carried.len(), blob.len());
        let delta = Delta::of(&listed(&made, &blob)).unwrap().unwrap();
        assert_eq!(delta.gzip.as_ref().unwrap().members()[0].encoder().to_string(), encoder);
        assert_eq!(delta.encoding(), made.encoding);
        assert_eq!(undo(&delta, blob.len(), &old, &made.carried).unwrap(), blob);
    }
}

#[test]
fn what_is_not_compressed_is_a_delta_too() {
    let (old, new) = releases(100_000);
    let blob = Bytes::from(new);
    let made = made(&old, &blob);
    let delta = Delta::of(&listed(&made, &blob)).unwrap().unwrap();
    assert!(delta.gzip.is_none());
    assert_eq!(undo(&delta, blob.len(), &old, &made.carried).unwrap(), blob);
}

#[test]
fn what_gains_nothing_is_carried_as_it_is() {
    let (old, new) = (noise(1, 50_000), noise(2, 50_000));
    let blob = gzip(&new, ENCODERS[0]);
    let raw = |blob: &Bytes| try_make(Digest::sha256(b"the base"), &old, blob).map(|_| ()).unwrap_err();
    assert!(matches!(raw(&blob), Raw::NotSmaller));
    assert!(matches!(raw(&blob.slice(..1000)), Raw::NoRecipe(_)));
    // One bit that no encoder would have set so.
    let mut other = gzip(&releases(50_000).1, ENCODERS[0]).to_vec();
    other.truncate(other.len() - 8);
    other.extend_from_slice(&[0; 8]);
    assert!(matches!(raw(&Bytes::from(other)), Raw::NoRecipe(_)));
}

#[test]
fn what_was_altered_is_told() {
    let (old, new) = releases(600_000);
    let blob = gzip(&new, ENCODERS[0]);
    let made = made(&old, &blob);
    let content = listed(&made, &blob);
    let delta = Delta::of(&content).unwrap().unwrap();
    let carried = &made.carried;
    let said = |result: Result<Vec<u8>, DeltaError>| result.map(|all| all.len()).unwrap_err().to_string();
    let mut flipped = carried.to_vec();
    flipped[carried.len() / 2] ^= 1;
    assert!(said(undo(&delta, blob.len(), &old, &flipped)).contains("carries of it has the digest"));
    let cut = &carried[..carried.len() - 1];
    assert!(said(undo(&delta, blob.len(), &old, cut)).contains("carries of it has the digest"));
    assert!(said(undo(&delta, blob.len(), &old[1..], carried)).contains("what it builds on"));
    let mut other = old.clone();
    other[old.len() / 3..].iter_mut().for_each(|byte| *byte ^= 1);
    assert!(said(undo(&delta, blob.len(), &other, carried)).contains("plain bytes have the digest"));
    assert!(said(undo(&delta, blob.len() - 1, &old, carried)).contains("more than its"));
    // Where even the digest of what is carried was forged, the frame is looked at.
    for (bytes, expected) in [(cut.to_vec(), "incomplete"), ([carried, &b"x"[..]].concat(), "follows")] {
        let mut forged = delta.clone();
        forged.carried_digest = Digest::sha256(&bytes);
        forged.frames[0].size = bytes.len() as u64;
        let error = said(undo(&forged, blob.len(), &old, &bytes));
        assert!(error.contains("frame 1 is damaged") && error.contains(expected), "{error}");
    }
    for (change, expected) in [(-1_i64, "plain bytes came"), (1, "did not come")] {
        let mut forged = delta.clone();
        forged.frames[0].plain = forged.frames[0].plain.checked_add_signed(change).unwrap();
        let error = said(undo(&forged, blob.len(), &old, carried));
        assert!(error.contains(expected), "{error}");
    }
    let mut small = delta;
    small.frames[0].window = 10;
    assert!(said(undo(&small, blob.len(), &old, carried)).contains("frame 1 is damaged"));
}

#[test]
fn parameters_that_lie_are_refused() {
    let (old, new) = releases(60_000);
    let blob = gzip(&new, ENCODERS[0]);
    let content = listed(&made(&old, &blob), &blob);
    let cases = [
        ("/plain", json!(1), "plain bytes"),
        ("/plain", json!(u64::MAX), "plain bytes"),
        ("/plain_digest", json!("sha256:zz"), "digest"),
        ("/gzip", json!("1f8b08000000000000ff go-9:level=6 1"), "go-9:level=6"),
        ("/gzip", json!("x".repeat(300_000)), "recipe is too long"),
        ("/gzip", json!(null), "plain bytes"),
        ("/frames", json!([]), "0 frames"),
        ("/frames/0/plain", json!(1), "frames do not have"),
        ("/frames/0/size", json!(1), "lie there"),
        ("/frames/0/size", json!(-1), "invalid value"),
        ("/frames/0/window", json!(32), "window"),
        ("/frames/0/window", json!(10), "window"),
        ("/frames/0/prefix/0/base", json!(1), "outside"),
        ("/frames/0/prefix/0/offset", json!(u64::MAX), "outside"),
        ("/frames/0/prefix/0/size", json!(u64::MAX), "outside"),
        ("/base_forms", json!([]), "0 forms"),
        ("/base_forms/0/plain", json!(u64::MAX), "too many"),
        ("/base_forms/0/plain", json!(1), "outside"),
    ];
    for (pointer, wrong, expected) in cases {
        let mut content = content.clone();
        *content.encoding.as_mut().unwrap().parameters.pointer_mut(pointer).unwrap() = wrong;
        let error = Delta::of(&content).unwrap().unwrap_err();
        assert!(error.contains(expected), "{pointer}: {error}");
    }
    let itself = Content { bases: vec![content.digest], ..content.clone() };
    assert!(Delta::of(&itself).unwrap().unwrap_err().contains("itself"));
    let huge = Content { size: 10, ..content.clone() };
    assert!(Delta::of(&huge).unwrap().unwrap_err().contains("do not fit"));
    let encoding = Encoding { id: "delta-2".to_owned(), ..content.encoding.clone().unwrap() };
    assert!(Delta::of(&Content { encoding: Some(encoding), ..content }).is_none());
    assert_eq!(ID, "delta-1");
}

/// Reads all plain bytes of what has this digest and size, as threads do that may block.
async fn read_plain(blob: Bytes, wanted: Expected) -> sealift_store::Result<(bool, Vec<u8>)> {
    let read = tokio::task::spawn_blocking(move || {
        let handle = tokio::runtime::Handle::current();
        let plain = Plain::new(BlobBody::from(blob), wanted.digest, wanted.size, handle)?;
        let (mut index, mut all) = (Index::default(), Vec::new());
        index.read((wanted.digest, plain), u64::MAX, |piece| all.extend_from_slice(piece))?;
        assert_eq!(index.bases[0].plain, all.len() as u64);
        Ok((index.bases[0].is_gzip, all))
    });
    read.await.unwrap()
}

#[tokio::test]
async fn a_base_is_read_whatever_its_form() {
    let plain = noise(3, 100_000);
    let gzip = gzip(&plain, ENCODERS[3]);
    for (blob, is_gzip) in [(Bytes::from(plain.clone()), false), (gzip.clone(), true), (Bytes::new(), false)]
    {
        let read = read_plain(blob.clone(), expected(&blob)).await.unwrap();
        assert_eq!(read, (is_gzip, if blob.is_empty() { Vec::new() } else { plain.clone() }));
    }
    let other = Expected::new(Digest::sha256(b"x"), gzip.len() as u64);
    let error = read_plain(gzip.clone(), other).await.unwrap_err();
    assert_eq!(error.kind(), sealift_store::ErrorKind::Mismatch);
    let cut = gzip.slice(..1000);
    let error = read_plain(cut.clone(), expected(&cut)).await.unwrap_err();
    assert_eq!(error.kind(), sealift_store::ErrorKind::Invalid);
}

/// Content that is at hand, and how often it was opened.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    pub(super) blobs: Arc<HashMap<Digest, Bytes>>,
    pub(super) opened: Arc<AtomicUsize>,
    pub(super) read: Arc<AtomicU64>,
}

impl Shelf {
    pub(super) fn of(blobs: &[&Bytes]) -> Self {
        let blobs = blobs.iter().map(|blob| (Digest::sha256(blob), (*blob).clone())).collect();
        Self { blobs: Arc::new(blobs), ..Self::default() }
    }
}

#[async_trait]
impl BlobLookup for Shelf {
    async fn open(&self, digest: &Digest) -> sealift_store::Result<BlobBody> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let missing = || Error::new(ErrorKind::NotFound, Operation::FetchBlob);
        let read = Arc::clone(&self.read);
        let body = BlobBody::from(self.blobs.get(digest).ok_or_else(missing)?.clone());
        Ok(body.inspect(move |piece| {
            read.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }))
    }
}

#[async_trait]
impl OpenBase for Shelf {
    async fn open(&self, digest: &Digest) -> sealift_store::Result<(BlobBody, u64)> {
        let body = BlobLookup::open(self, digest).await?;
        let size = body.length().unwrap();
        Ok((body, size))
    }
}

/// However many segments there are, and wherever what they have in common lies, they become the content again.
#[test]
fn segments_are_parts_of_bases() {
    let old = [noise(1, 9_000_000), noise(2, 3_000_000)];
    let mut index = Index::default();
    for (number, old) in old.iter().enumerate() {
        index.add_all(Digest::sha256(&[number as u8]), true, old);
    }
    let all = old.concat();
    let (first, rest) = old[0].split_at(5_000_000);
    let new = [&old[1], &noise(3, 100_000)[..], first, &noise(4, 9000), rest].concat();
    let begins = [0, old[0].len() as u64];
    let joined = || Joined { plain: &all, begins: &begins };
    for most in [1 << 20, 4 << 20, 64 << 20] {
        let blob = gzip(&new, ENCODERS[1]);
        let made = New { blob: &blob, level: Level::Fast }.cut(&index, joined(), most).unwrap();
        let delta = Delta::of(&listed(&made, &blob)).unwrap().unwrap();
        assert!(made.carried.len() < 130_000, "{}", made.carried.len());
        assert!(delta.frames.iter().all(|frame| frame.plain <= most as u64));
        assert!(delta.memory() <= 2 * most.min(13_000_000) as u64 + made.carried.len() as u64);
        assert_eq!(delta.frames.len(), new.len().div_ceil(most / 8 * 7), "{most}");
        let mut undone = Vec::new();
        let take = |piece: &[u8]| {
            undone.extend_from_slice(piece);
            Ok(())
        };
        decode::rebuild(&delta, blob.len() as u64, &mut joined(), &made.carried, ONE, take).unwrap();
        assert!(undone == blob);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is like what, the content comes out as it was, or is carried as it is.
    #[test]
    fn what_is_made_is_undone(
        old in proptest::collection::vec(any::<u8>(), 0..3000),
        cut in 0_usize..3000,
        new in proptest::collection::vec(any::<u8>(), 0..3000),
        encoder in 0..ENCODERS.len(),
    ) {
        let new = [&old[cut.min(old.len())..], &new[..], &old[..]].concat();
        let blob = gzip(&new, ENCODERS[encoder]);
        match try_make(Digest::sha256(b"the base"), &old, &blob) {
            Ok(made) => {
                let delta = Delta::of(&listed(&made, &blob)).unwrap().unwrap();
                prop_assert_eq!(undo(&delta, blob.len(), &old, &made.carried).unwrap(), blob);
            }
            Err(raw) => prop_assert!(matches!(raw, Raw::NotSmaller), "{}", raw),
        }
    }

    /// Whatever is carried, nothing panics, and no more comes out than the parameters say.
    #[test]
    fn no_frame_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 1..300), plain in 0_u64..2000) {
        let (old, new) = releases(2000);
        let blob = gzip(&new, ENCODERS[0]);
        let mut delta = Delta::of(&listed(&made(&old, &blob), &blob)).unwrap().unwrap();
        delta.carried_digest = Digest::sha256(&bytes);
        (delta.frames[0].size, delta.frames[0].plain) = (bytes.len() as u64, plain);
        let mut count = 0;
        let done = decode::decode(&delta, &mut Joined { plain: &old, begins: &[0] }, &bytes, |piece| {
            count += piece.len() as u64;
            Ok(())
        });
        prop_assert!(done.is_err() && count <= plain);
    }
}
