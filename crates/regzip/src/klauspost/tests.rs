use sha2::{Digest, Sha256};

use super::{BLOCK_SIZE, BlockEncoder, DICTIONARY, HUFFMAN_ONLY, Pgzip, Revision, Stream};
use crate::inputs;
use crate::raw::RawEncoder;

#[path = "../../tests/klauspost/cases.rs"]
#[allow(unreachable_pub, missing_docs, missing_debug_implementations)]
mod cases;

use cases::{BLOCKS, cases};
use inputs::{Kind, make};

/// What the originals wrote: version, block, level, and a digest of each case's stream. `examples/soak-klauspost.rs`
/// makes it again.
const GOLDEN: &str = include_str!("../../tests/klauspost/golden.txt");
const VERSIONS: [&str; Revision::ALL.len()] = ["1.15.12", "1.15.15", "1.18.0", "1.18.2", "1.20.3"];
const LEVELS: std::ops::RangeInclusive<i8> = HUFFMAN_ONLY..=9;

fn encoder(revision: Revision, level: i8, block: usize) -> Box<dyn RawEncoder> {
    match block {
        0 => Box::new(Stream::new(revision, level).unwrap()),
        _ => Box::new(Pgzip::new(revision, level, block).unwrap()),
    }
}

fn encode(encoder: &mut dyn RawEncoder, plain: &[u8], piece: usize) -> Vec<u8> {
    let mut out = Vec::new();
    plain.chunks(piece).for_each(|it| encoder.write(it, &mut out));
    encoder.finish(&mut out);
    out
}

fn golden(revision: Revision, level: i8, block: usize) -> String {
    let digests = cases(block).into_iter().map(|case| {
        let stream = encode(&mut *encoder(revision, level, block), &case.plain(), 50_000);
        Sha256::digest(&stream)[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    });
    digests.collect::<Vec<_>>().join(" ")
}

#[test]
fn writes_what_the_originals_wrote() {
    for (version, revision) in VERSIONS.into_iter().zip(Revision::ALL) {
        for level in LEVELS.filter(|level| revision.canonical(*level) == revision) {
            for block in BLOCKS {
                let name = format!("{version} {block} {level}: ");
                let line = GOLDEN.lines().find_map(|it| it.strip_prefix(&name)).unwrap_or("not there");
                assert_eq!(golden(revision, level, block), line, "{name}");
            }
        }
    }
}

#[test]
fn how_writes_are_cut_changes_nothing() {
    let plain = make(Kind::Mixed, 400_000, 1);
    for level in LEVELS {
        for block in [0, 100_000] {
            let revision = Revision::V1_18_2;
            let whole = encode(&mut *encoder(revision, level, block), &plain, plain.len());
            for piece in [1000, 4097, 65_535, 65_536] {
                assert!(
                    encode(&mut *encoder(revision, level, block), &plain, piece) == whole,
                    "{level} {block} {piece}"
                );
            }
        }
    }
}

#[test]
fn pieces_of_pgzip_can_be_written_in_any_order() {
    let plain = make(Kind::Mixed, 2 * BLOCK_SIZE + 12_345, 2);
    let pieces: Vec<&[u8]> = plain.chunks(BLOCK_SIZE).collect();
    for level in [-1, 1, 8] {
        let mut encoder = BlockEncoder::new(Revision::V1_18_2, level).unwrap();
        let mut written: Vec<Vec<u8>> = Vec::new();
        for at in (0..pieces.len()).rev() {
            let dictionary = at.checked_sub(1).map_or(&[][..], |it| &pieces[it][BLOCK_SIZE - DICTIONARY..]);
            let mut out = Vec::new();
            encoder.encode(dictionary, pieces[at], at + 1 == pieces.len(), &mut out);
            written.insert(0, out);
        }
        let streamed = encode(&mut Pgzip::new(Revision::V1_18_2, level, BLOCK_SIZE).unwrap(), &plain, 77_777);
        assert!(written.concat() == streamed, "level {level}");
    }
}

#[test]
fn what_was_encoded_before_makes_no_difference() {
    let plain = make(Kind::Copies, 300_000, 3);
    for level in 1..=9 {
        let mut used = BlockEncoder::new(Revision::V1_15_15, level).unwrap();
        let mut first = Vec::new();
        used.encode(&[], &plain, true, &mut first);
        for _ in 0..3 {
            let mut again = Vec::new();
            used.encode(&[], &plain, true, &mut again);
            assert!(again == first, "level {level}");
        }
    }
}

#[test]
fn a_level_is_canonical_in_the_first_revision_that_writes_it() {
    use Revision::{V1_15_12, V1_15_15, V1_18_2, V1_20};
    for (revision, level, expected) in [
        (V1_20, HUFFMAN_ONLY, V1_15_12),
        (V1_20, 0, V1_15_12),
        (V1_20, -1, V1_18_2),
        (V1_18_2, 6, V1_18_2),
        (V1_15_15, 5, V1_15_12),
        (V1_15_15, 7, V1_15_15),
        (V1_20, 9, V1_20),
    ] {
        assert_eq!(revision.canonical(level), expected, "{revision:?} {level}");
    }
}

#[test]
fn other_levels_and_sizes_are_refused() {
    for level in [-4, -3, 10, 127, -128] {
        assert!(Stream::new(Revision::V1_20, level).is_none(), "{level}");
        assert!(BlockEncoder::new(Revision::V1_20, level).is_none(), "{level}");
    }
    assert!(Pgzip::new(Revision::V1_20, 5, 16384).is_none());
    assert!(Pgzip::new(Revision::V1_20, 5, 16385).is_some());
}
