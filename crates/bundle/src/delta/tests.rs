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

use super::base::{Joined, OpenBase, Plain, Streams};
use super::decode::{self, DeltaError};
use super::encode::encode;
use super::make::{Level, New, Old, Raw};
use super::parameters::Frame;
use super::{Bases, BlobLookup, Candidates, Delta, DeltaPlan, ID, Made, Memory, PlannedBase, Unplanned};
use crate::catalogue::{Content, Encoding, Extent};

const ONE: NonZeroUsize = NonZeroUsize::MIN;
/// Encoders of each family, as recipes name them.
const ENCODERS: [&str; 5] = [
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
fn releases(len: usize) -> (Vec<u8>, Vec<u8>) {
    let old = noise(1, len);
    let mut new = [&old[len / 2..], &noise(2, len / 50), &old[..len / 2]].concat();
    new.iter_mut().step_by(5000).for_each(|byte| *byte ^= 1);
    (old, new)
}

fn gzip(plain: &[u8], encoder: &str) -> Bytes {
    let text = format!("1f8b08000000000000ff {encoder} {}\n", plain.len());
    let mut stream = Vec::new();
    regzip_rebuild(&Recipe::from_str(&text).unwrap(), plain, &mut stream, ONE).unwrap();
    Bytes::from(stream)
}

fn expected(blob: &[u8]) -> Expected {
    Expected::new(Digest::sha256(blob), blob.len() as u64)
}

fn try_make(old: &[u8], blob: &Bytes, limit: u64) -> Result<Made, Raw> {
    let mut all = Old::default();
    all.add(Digest::sha256(b"the base"), true, old.to_vec());
    New { blob, level: Level::Fast }.whole(&all, limit)
}

fn made(old: &[u8], blob: &Bytes) -> Made {
    try_make(old, blob, u64::MAX).unwrap()
}

/// A delta of content that is not compressed.
pub(crate) fn made_of(base: &Bytes, blob: &Bytes) -> Made {
    let mut all = Old::default();
    all.add(Digest::sha256(base), false, base.to_vec());
    New { blob, level: Level::Fast }.whole(&all, u64::MAX).unwrap()
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
    let raw = |blob: &Bytes, limit| try_make(&old, blob, limit).map(|_| ()).unwrap_err();
    assert!(matches!(raw(&blob, u64::MAX), Raw::NotSmaller));
    assert!(matches!(raw(&blob, 49_999), Raw::TooLarge));
    assert!(matches!(raw(&blob.slice(..1000), u64::MAX), Raw::NoRecipe(_)));
    // One bit that no encoder would have set so.
    let mut other = gzip(&releases(50_000).1, ENCODERS[0]).to_vec();
    other.truncate(other.len() - 8);
    other.extend_from_slice(&[0; 8]);
    assert!(matches!(raw(&Bytes::from(other), u64::MAX), Raw::NoRecipe(_)));
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
async fn read_plain(
    blob: Bytes,
    wanted: Expected,
    limit: u64,
) -> sealift_store::Result<Option<(bool, Vec<u8>)>> {
    let read = tokio::task::spawn_blocking(move || {
        let handle = tokio::runtime::Handle::current();
        let plain = Plain::new(BlobBody::from(blob), wanted.digest, wanted.size, handle)?;
        let is_gzip = plain.is_gzip;
        Ok(plain.all(limit)?.map(|bytes| (is_gzip, bytes)))
    });
    read.await.unwrap()
}

#[tokio::test]
async fn a_base_is_read_whatever_its_form() {
    let plain = noise(3, 100_000);
    let gzip = gzip(&plain, ENCODERS[3]);
    for (blob, is_gzip) in [(Bytes::from(plain.clone()), false), (gzip.clone(), true), (Bytes::new(), false)]
    {
        let read = read_plain(blob.clone(), expected(&blob), 100_000).await.unwrap().unwrap();
        assert_eq!(read, (is_gzip, if blob.is_empty() { Vec::new() } else { plain.clone() }));
    }
    assert_eq!(read_plain(gzip.clone(), expected(&gzip), 99_999).await.unwrap(), None);
    let other = Expected::new(Digest::sha256(b"x"), gzip.len() as u64);
    let error = read_plain(gzip.clone(), other, 100_000).await.unwrap_err();
    assert_eq!(error.kind(), sealift_store::ErrorKind::Mismatch);
    let cut = gzip.slice(..1000);
    let error = read_plain(cut.clone(), expected(&cut), 100_000).await.unwrap_err();
    assert_eq!(error.kind(), sealift_store::ErrorKind::Invalid);
}

/// Content that is at hand, and how often it was opened.
#[derive(Clone, Debug, Default)]
struct Shelf {
    blobs: Arc<HashMap<Digest, Bytes>>,
    opened: Arc<AtomicUsize>,
    read: Arc<AtomicU64>,
}

impl Shelf {
    fn of(blobs: &[&Bytes]) -> Self {
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

/// What a plan makes of content with that much memory.
async fn planned(old: &Bytes, blob: &Bytes, memory: u64) -> Result<Made, String> {
    planned_of(&[old], blob, memory).await
}

/// What a plan makes of content that may build on each of some.
async fn planned_of(old: &[&Bytes], blob: &Bytes, memory: u64) -> Result<Made, String> {
    let bases = old.iter().map(|old| base(old, true));
    let choice = Candidates::choose(blob.len() as u64, None, bases);
    chosen(Shelf::of(old), choice, blob, memory).await
}

fn base(blob: &Bytes, is_at_hand: bool) -> PlannedBase {
    PlannedBase { digest: Digest::sha256(blob), size: blob.len() as u64, is_at_hand }
}

/// What a plan makes of content of which it is known what it may build on.
async fn chosen(
    shelf: Shelf,
    choice: Result<Candidates, Unplanned>,
    blob: &Bytes,
    memory: u64,
) -> Result<Made, String> {
    let with = Bases { lookup: Arc::new(shelf), memory: Memory::new(memory), threads: ONE };
    let wanted = expected(blob);
    let plan = DeltaPlan::new(HashMap::from([(wanted.digest, choice)]), Level::Fast, with);
    let made = match plan.reserve(&wanted).await {
        Some(reserved) => plan.make(&wanted, blob.clone(), reserved).await,
        None => None,
    };
    made.ok_or_else(|| plan.why_raw(&wanted.digest).unwrap())
}

/// Two releases whose parts moved, of letters that compress to half, with something new here and there.
fn large_releases() -> (Vec<u8>, Vec<u8>) {
    let old: Vec<u8> = noise(1, 16_000_000).iter().map(|byte| b'a' + byte % 16).collect();
    let mut new = b"in front of everything".to_vec();
    for (number, part) in [&old[9_000_000..], &old[..9_000_000]].concat().chunks(700_000).enumerate() {
        new.extend_from_slice(part);
        new.extend_from_slice(&noise(number as u64 + 5, 3000));
    }
    (old, new)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_memory_is_cut() {
    let (old, new) = large_releases();
    let base = gzip(&old, ENCODERS[0]);
    for blob in [gzip(&new, ENCODERS[1]), Bytes::from(new.clone())] {
        let memory = 52 << 20;
        let made = planned(&base, &blob, memory).await.unwrap();
        assert!(made.carried.len() < new.len() / 100, "{}", made.carried.len());
        let delta = Delta::of(&listed(&made, &blob)).unwrap().unwrap();
        assert!(delta.frames.len() > 1 && delta.memory() < memory / 2, "{:?}", delta.frames);
        let shelf = Shelf::of(&[&base]);
        let opened = Arc::clone(&shelf.opened);
        let (carried, size) = (made.carried.clone(), blob.len() as u64);
        let undone = tokio::task::spawn_blocking(move || {
            let (mut runs, mut all) = (Streams::new(shelf, delta.bases.clone(), None), Vec::new());
            decode::rebuild(&delta, size, &mut runs, &carried, ONE, |piece| {
                all.extend_from_slice(piece);
                Ok(())
            })
            .map(|()| all)
        });
        assert!(undone.await.unwrap().unwrap() == blob);
        assert!(opened.load(Ordering::Relaxed) <= 3, "{opened:?}");
    }
    let too_little = planned(&base, &gzip(&new, ENCODERS[0]), 30 << 20).await.unwrap_err();
    assert!(too_little.contains("more memory than deltas may"), "{too_little}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_most_alike_is_the_base() {
    let parts = [1, 2, 3, 4].map(|seed| noise(seed, 300_000));
    let blobs = |parts: &[&[u8]]| gzip(&parts.concat(), ENCODERS[0]);
    let [unlike, some, most] = [
        blobs(&[&noise(9, 500_000)]),
        blobs(&[&parts[0], &noise(8, 200_000)]),
        blobs(&[&parts[1], &parts[2], &parts[3]]),
    ];
    let whole = blobs(&[&parts[1], &noise(7, 2000), &parts[3]]);
    let made = planned_of(&[&unlike, &some, &most], &whole, 1 << 30).await.unwrap();
    assert_eq!(made.bases, [Digest::sha256(&most)]);
    assert!(made.carried.len() < 4000, "{}", made.carried.len());
    // What has something of two is made of both.
    let both = blobs(&[&parts[0], &parts[1], &parts[2], &noise(6, 1000)]);
    let made = planned_of(&[&unlike, &some, &most], &both, 1 << 30).await.unwrap();
    assert_eq!(made.bases, [Digest::sha256(&some), Digest::sha256(&most)]);
    assert!(made.carried.len() < 4000, "{}", made.carried.len());
    let delta = Delta::of(&listed(&made, &both)).unwrap().unwrap();
    let (shelf, size) = (Shelf::of(&[&some, &most]), both.len() as u64);
    let undone = tokio::task::spawn_blocking(move || {
        let (mut runs, mut all) = (Streams::new(shelf, delta.bases.clone(), None), Vec::new());
        let take = |piece: &[u8]| {
            all.extend_from_slice(piece);
            Ok(())
        };
        decode::rebuild(&delta, size, &mut runs, &made.carried, ONE, take).map(|()| all)
    });
    assert!(undone.await.unwrap().unwrap() == both);
    let raw = planned_of(&[&unlike, &some], &whole, 1 << 30).await.unwrap_err();
    assert!(raw.contains("nothing that the other side has is like it"), "{raw}");
}

/// What is far is never read more often than it was said, whatever comes of it; nor is anything read where nothing comes.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_read_than_it_is_worth() {
    let parts = [1, 2, 3].map(|seed| noise(seed, 300_000));
    let blobs = |parts: &[&[u8]]| gzip(&parts.concat(), ENCODERS[0]);
    let [unlike, some, most, huge] = [
        blobs(&[&noise(9, 500_000)]),
        blobs(&[&parts[0], &noise(8, 200_000)]),
        blobs(&[&parts[1], &parts[2]]),
        blobs(&[&parts[1], &noise(7, 2_700_000)]),
    ];
    let whole = blobs(&[&parts[1], &noise(6, 2000), &parts[2]]);
    let (size, memory) = (whole.len() as u64, 1 << 30);
    let [u, s, m, h] = [&unlike, &some, &most, &huge].map(|blob| base(blob, false));
    let near = base(&most, true);
    // First, others, memory; how much is read, and why it is carried as it is.
    let cases: [(_, &[PlannedBase], u64, u64, &str); 9] = [
        (Some(m), &[u, s], memory, m.size, ""),
        (Some(u), &[s, m], memory, u.size, "would hardly be smaller"),
        (Some(u), &[near], memory, u.size + m.size, ""),
        (None, &[u, s, m], memory, u.size + s.size + 2 * m.size, ""),
        (None, &[u, s], memory, u.size + s.size, "has is like it"),
        (None, &[m], memory, m.size, ""),
        (Some(h), &[], memory, 0, "more of what it could build on would be read than it is worth"),
        (None, &[], memory, 0, "nothing that it could build on"),
        (Some(m), &[], 1 << 20, 0, "more memory"),
    ];
    for (first, others, memory, expected, why) in cases {
        let shelf = Shelf::of(&[&unlike, &some, &most, &huge]);
        let read = Arc::clone(&shelf.read);
        let choice = Candidates::choose(size, first, others.iter().copied());
        let most = choice.as_ref().map_or(0, Candidates::reads) + if others == [near] { m.size } else { 0 };
        let made = chosen(shelf, choice, &whole, memory).await;
        let raw = made.as_ref().err().map_or("", String::as_str);
        assert!(raw.contains(why) && made.is_ok() == why.is_empty(), "{first:?} {others:?}: {raw}");
        let read = read.load(Ordering::Relaxed);
        assert_eq!(read, expected, "{first:?} {others:?}");
        assert!(read <= most && most <= 5 * size, "{read} of {most}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_is_another_one_is_told() {
    let (old, new) = releases(200_000);
    let (base, other) = (gzip(&old, ENCODERS[0]), gzip(&new, ENCODERS[0]));
    let made = planned(&base, &other, 1 << 30).await.unwrap();
    let delta = Delta::of(&listed(&made, &other)).unwrap().unwrap();
    // Another one, one that ends early, and one with more behind it.
    let more = [&base[..], b"x"].concat();
    let cases =
        [Bytes::from(noise(9, base.len())), base.slice(..base.len() / 2), Bytes::new(), Bytes::from(more)];
    for wrong in cases {
        let shelf = Shelf { blobs: Arc::new(HashMap::from([(made.bases[0], wrong)])), ..Shelf::default() };
        let (delta, carried, size) = (delta.clone(), made.carried.clone(), other.len() as u64);
        let undone = tokio::task::spawn_blocking(move || {
            let mut runs = Streams::new(shelf, delta.bases.clone(), None);
            decode::rebuild(&delta, size, &mut runs, &carried, ONE, |_| Ok(()))
        });
        let error = undone.await.unwrap().unwrap_err();
        assert!(matches!(error, DeltaError::Base | DeltaError::Unreadable(_)), "{error}");
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
        match try_make(&old, &blob, u64::MAX) {
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
