use std::io::Read;

use super::{Blocks, PigzBlocks};
use crate::{gnu, inputs, raw::RawEncoder};

#[path = "../../tests/zlib/cases.rs"]
#[allow(unreachable_pub, missing_docs, missing_debug_implementations)]
mod cases;

use cases::{cases, digest};
use inputs::{Kind, make};

/// What the originals wrote: encoder, level, and a digest of each case's stream. `examples/soak-zlib.rs` makes it again.
const GOLDEN: &str = include_str!("../../tests/zlib/golden.txt");
const BLOCK: u64 = 128 << 10;

fn begin(name: &str, level: u8) -> Option<Box<dyn RawEncoder>> {
    match name {
        "zlib" => super::encoder(level, 8),
        "zlib-9" => super::encoder(level, 9),
        "gnu" => gnu::encoder(level),
        "pigz" => super::pigz(level, Blocks::Chained, BLOCK),
        "pigz-i" => super::pigz(level, Blocks::Independent, BLOCK),
        "pigz-1" => super::pigz(level, Blocks::Continued, BLOCK),
        _ => None,
    }
}

fn encode(name: &str, level: u8, plain: &[u8], piece: usize) -> Vec<u8> {
    let (mut encoder, mut out) = (begin(name, level).unwrap(), Vec::new());
    plain.chunks(piece).for_each(|it| encoder.write(it, &mut out));
    encoder.finish(&mut out);
    out
}

fn compare_with_golden(encoders: &[&str]) {
    let plain: Vec<_> = cases().iter().map(|case| case.plain()).collect();
    let mut lines = 0;
    for line in GOLDEN.lines() {
        let (name, digests) = line.split_once(": ").unwrap();
        let (encoder, level) = name.split_once(' ').unwrap();
        if encoders.contains(&encoder) {
            let own =
                plain.iter().map(|plain| digest(&encode(encoder, level.parse().unwrap(), plain, 50_000)));
            assert_eq!(own.collect::<Vec<_>>().join(" "), digests, "{name}");
            lines += 1;
        }
    }
    assert_eq!(lines, 9 * encoders.len(), "lines of {encoders:?}");
}

#[test]
fn writes_what_zlib_wrote() {
    compare_with_golden(&["zlib", "zlib-9"]);
}

#[test]
fn zlib_rules_write_what_gnu_gzip_wrote() {
    compare_with_golden(&["gnu"]);
}

#[test]
fn writes_what_pigz_wrote() {
    compare_with_golden(&["pigz", "pigz-i", "pigz-1"]);
}

#[test]
fn how_writes_are_cut_changes_nothing() {
    let mut plain = make(Kind::Mixed, 100_000, 3);
    plain.extend(make(Kind::Zeros, 66_000, 3));
    for encoder in ["zlib", "zlib-9", "gnu", "pigz", "pigz-i", "pigz-1"] {
        for level in [1, 6] {
            let whole = encode(encoder, level, &plain, plain.len());
            for piece in [1, 4097, 65_535] {
                assert_eq!(
                    encode(encoder, level, &plain, piece),
                    whole,
                    "{encoder} {level}, pieces of {piece}"
                );
            }
        }
    }
}

#[test]
fn what_is_written_inflates_to_what_was_read() {
    for case in cases() {
        let plain = case.plain();
        for encoder in ["zlib", "zlib-9", "gnu", "pigz", "pigz-i", "pigz-1"] {
            let stream = encode(encoder, 6, &plain, 10_000);
            let mut back = Vec::new();
            flate2::read::DeflateDecoder::new(&stream[..]).read_to_end(&mut back).unwrap();
            assert!(back == plain, "{encoder}: {:?} of {}", case.kind, case.length);
        }
    }
}

#[test]
fn blocks_of_pigz_are_the_same_one_by_one() {
    for (name, blocks) in [("pigz", Blocks::Chained), ("pigz-i", Blocks::Independent)] {
        let mut single = PigzBlocks::new(6, blocks).unwrap();
        for length in [0, 1, 131_072, 131_073, 300_000] {
            let plain = make(Kind::Mixed, length, 5);
            let count = length.div_ceil(BLOCK as usize).max(1);
            let mut written = vec![Vec::new(); count];
            // The last first, as no block waits for another.
            for index in (0..count).rev() {
                let (from, to) = (index * BLOCK as usize, length.min((index + 1) * BLOCK as usize));
                single.encode(&plain[..from], &plain[from..to], index + 1 == count, &mut written[index]);
            }
            assert!(written.concat() == encode(name, 6, &plain, 1000), "{name}: {length}");
        }
    }
}

#[test]
fn zlib_has_no_other_parameters() {
    assert!(super::encoder(0, 8).is_none() && super::encoder(10, 8).is_none());
    assert!(super::encoder(6, 0).is_none() && super::encoder(6, 10).is_none());
    assert!(
        super::pigz(0, Blocks::Chained, BLOCK).is_none() && super::pigz(11, Blocks::Chained, BLOCK).is_none()
    );
    assert!(super::pigz(6, Blocks::Chained, (32 << 10) - 1).is_none());
    assert!(gnu::encoder(0).is_none() && gnu::encoder(10).is_none());
    assert!(PigzBlocks::new(6, Blocks::Continued).is_none());
}
