use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use sealift_oci::Digest;

use super::super::base::Streams;
use super::super::decode::{self, DeltaError};
use super::super::tests::{ENCODERS, ONE, Shelf, expected, gzip, listed, noise, releases};
use super::super::{Bases, Delta, Level, Made, Memory};
use super::{Candidates, DeltaPlan, PlannedBase, Unplanned};

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
        Some(reserved) => plan.make(&wanted, blob.clone(), &reserved).await,
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
        let memory = 84 << 20;
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
