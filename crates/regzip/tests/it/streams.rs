//! Streams of every encoder are recognised, and written again.

use std::num::NonZeroUsize;

use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use regzip::{Encoder, IdentifyError, Member, Recipe};

use super::inputs::{self, Kind};

const HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
const GNU_HEADER: &[u8] = b"\x1f\x8b\x08\x08\x71\xdc\x01\x6b\x00\x03layer.tar\0";
const KLAUSPOST_HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 9, 0x6e, 0x88, 0, 255];

/// One of each encoder and class, with a header as it writes it.
fn encoders() -> Vec<(Encoder, &'static [u8])> {
    let texts: &[(&str, &[u8])] = &[
        ("go-1.19:level=6", HEADER),
        ("go-1.19:level=1", HEADER),
        ("go-1.19:level=9", HEADER),
        ("go-1.19:level=-2", HEADER),
        ("pgzip-1.15.12:level=5,block=1048576", KLAUSPOST_HEADER),
        ("pgzip-1.18.2:level=5,block=1048576", KLAUSPOST_HEADER),
        ("klauspost-1.18.2:level=5", KLAUSPOST_HEADER),
        ("zlib-1.2:level=6,memory=8", GNU_HEADER),
        ("pigz-2:level=6,block=131072,blocks=chained", GNU_HEADER),
        ("pigz-2:level=2,block=131072,blocks=independent", GNU_HEADER),
        ("gnu-gzip-1:level=6", GNU_HEADER),
        ("gnu-gzip-1:level=1", GNU_HEADER),
    ];
    texts.iter().map(|(text, header)| (text.parse().unwrap(), *header)).collect()
}

fn encode(recipe: &Recipe, plain: &[u8], threads: usize) -> Vec<u8> {
    let mut stream = Vec::new();
    let len = regzip::rebuild(recipe, plain, &mut stream, NonZeroUsize::new(threads).unwrap()).unwrap();
    assert_eq!(len, stream.len() as u64);
    stream
}

fn identify(stream: &[u8]) -> (Result<Recipe, IdentifyError>, Vec<u8>) {
    let mut plain = Vec::new();
    let recipe = regzip::identify(stream, 1 << 26, |piece| {
        plain.extend_from_slice(piece);
        Ok(())
    });
    (recipe, plain)
}

fn one(encoder: &Encoder, header: &[u8], plain: u64) -> Member {
    Member::new(header.to_vec(), encoder.clone(), plain).unwrap()
}

#[test]
fn every_encoder_is_found_by_what_it_wrote() {
    let plain = inputs::make(Kind::Mixed, 1_300_000, 11);
    for (encoder, header) in encoders() {
        let recipe = Recipe::new(vec![one(&encoder, header, plain.len() as u64)], vec![]).unwrap();
        let stream = encode(&recipe, &plain, 1);
        let (found, inflated) = identify(&stream);
        assert_eq!(found.unwrap(), recipe);
        assert!(inflated == plain, "{encoder}");
    }
}

#[test]
fn several_threads_write_what_one_writes() {
    for len in [0, 131_072, 131_073, 1 << 20, (1 << 20) + 1, 3 << 20, 9_500_000] {
        let plain = inputs::make(Kind::Text, len, 3);
        for (encoder, header) in encoders().into_iter().filter(|it| it.0.to_string().contains("block=")) {
            let recipe = Recipe::new(vec![one(&encoder, header, len as u64)], vec![]).unwrap();
            assert!(encode(&recipe, &plain, 1) == encode(&recipe, &plain, 2), "{encoder}, {len}");
        }
    }
}

#[test]
fn members_headers_and_what_follows_are_kept() {
    let plain = inputs::make(Kind::Text, 200_000, 5);
    let mut members: Vec<_> =
        encoders().iter().map(|(encoder, header)| one(encoder, header, 10_000)).collect();
    members.push(one(&encoders()[0].0, HEADER, 0));
    let trailing = vec![0; 512];
    let recipe = Recipe::new(members, trailing).unwrap();
    let plain = &plain[..recipe.plain() as usize];
    let stream = encode(&recipe, plain, 1);
    let (found, inflated) = identify(&stream);
    // Where a short member is the same from two encoders, either may be named.
    assert!(encode(&found.unwrap(), &inflated, 1) == stream);
    assert_eq!(inflated, plain);
}

#[test]
fn streams_that_no_encoder_wrote_have_no_recipe() {
    // Nobody stores two bytes in two blocks.
    let stored = [HEADER, &[0, 1, 0, 0xfe, 0xff, b'x', 0, 1, 0, 0xfe, 0xff, b'x', 3, 0], &[0; 8]].concat();
    assert!(matches!(identify(&[]).0, Err(IdentifyError::NotGzip)));
    assert!(matches!(identify(b"PK\x03\x04").0, Err(IdentifyError::NotGzip)));
    assert!(matches!(identify(HEADER).0, Err(IdentifyError::Damaged(_))));
    assert!(matches!(identify(&stored).0, Err(IdentifyError::NoEncoder)));
    let mut stream = encode(&Recipe::new(vec![one(&encoders()[0].0, HEADER, 3)], vec![]).unwrap(), b"abc", 1);
    let (cut, _) = identify(&stream[..stream.len() - 1]);
    assert!(matches!(cut, Err(IdentifyError::Damaged(_))));
    stream.extend_from_slice(&vec![0; regzip::MAX_TRAILING + 1]);
    assert!(matches!(identify(&stream).0, Err(IdentifyError::TooManyParts)));
}

#[test]
fn the_callers_limit_holds() {
    let plain = vec![0; 3 << 20];
    let recipe = Recipe::new(vec![one(&encoders()[0].0, HEADER, plain.len() as u64)], vec![]).unwrap();
    let stream = encode(&recipe, &plain, 1);
    let mut taken = 0;
    let found = regzip::identify(&stream[..], 1 << 20, |piece| {
        taken += piece.len();
        Ok(())
    });
    assert!(matches!(found, Err(IdentifyError::TooLarge { limit }) if limit == 1 << 20));
    assert!(taken <= 1 << 20, "{taken}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    /// Of a stream with a wrong byte nothing is claimed that is not so.
    #[test]
    fn a_wrong_byte_is_never_accepted(which in any::<usize>(), at in any::<usize>(), bit in 0..8u32, seed in any::<u64>()) {
        let (encoder, header) = encoders().swap_remove(which % 12);
        let plain = inputs::make(Kind::Mixed, 20_000, seed);
        let recipe = Recipe::new(vec![one(&encoder, header, 20_000)], vec![]).unwrap();
        let mut stream = encode(&recipe, &plain, 1);
        let at = at % stream.len();
        stream[at] ^= 1 << bit;
        if let (Ok(found), inflated) = identify(&stream) {
            prop_assert_eq!(encode(&found, &inflated, 1), stream);
        }
    }

    #[test]
    fn what_comes_out_of_any_bytes_is_true(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let stream = [HEADER, &bytes].concat();
        if let (Ok(found), inflated) = identify(&stream) {
            prop_assert_eq!(encode(&found, &inflated, 1), stream);
        }
    }
}
