//! What Go's encoder wrote, frozen: a change that alters one byte of any level fails here.
//!
//! `golden/go.txt` has a line for each level and input with the SHA-256 of the raw DEFLATE stream. It was written by
//! `cargo run --release -p regzip --example soak -- ORACLE golden`, where `ORACLE` is the program in
//! `tests/oracle/go`, built with any Go from 1.19 to 1.26 (`go build main.go`).

use regzip::Encoder;
use sha2::{Digest, Sha256};

use super::inputs;

#[test]
fn go_streams_are_those_of_go() {
    let golden = include_str!("../golden/go.txt");
    let mut levels = std::collections::BTreeSet::new();
    for line in golden.lines() {
        let [level, kind, len, digest] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        levels.insert(level);
        let kind = inputs::KINDS.into_iter().find(|it| format!("{it:?}") == kind).unwrap();
        let plain = inputs::make(kind, len.parse().unwrap(), inputs::GOLDEN_SEED);
        let encoder: Encoder = format!("go-1.19:level={level}").parse().unwrap();
        let mut stream = Vec::new();
        let mut deflate = encoder.deflate();
        // How the bytes are cut must not matter.
        plain.chunks(10_007).for_each(|it| deflate.write(it, &mut stream));
        deflate.finish(&mut stream);
        let own: String = Sha256::digest(&stream).iter().map(|it| format!("{it:02x}")).collect();
        assert_eq!(own, digest, "{line}");
    }
    assert_eq!(levels.len(), 11);
}

/// Small streams, each in full, as Go wrote them.
#[test]
fn small_go_streams_are_those_of_go() {
    let cases = include_str!("../golden/go-small.txt");
    for line in cases.lines() {
        let [level, plain, stream] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let encoder: Encoder = format!("go-1.19:level={level}").parse().unwrap();
        let mut own = Vec::new();
        let mut deflate = encoder.deflate();
        deflate.write(plain.trim_matches('"').as_bytes(), &mut own);
        deflate.finish(&mut own);
        let own: String = own.iter().map(|it| format!("{it:02x}")).collect();
        assert_eq!(own, stream, "{line}");
    }
    assert!(cases.lines().count() >= 33);
}
