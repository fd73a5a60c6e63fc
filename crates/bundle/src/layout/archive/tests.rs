use super::*;
use proptest::prelude::*;
use sealift_oci::Digest;

use crate::entry::{END, padding};

/// A header as any tool may write it, with content.
fn raw(kind: u8, name: &[u8], size: u64, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(EntryType::new(kind));
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.extend_from_slice(padding(content.len() as u64));
    bytes
}

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    raw(b'0', name.as_bytes(), content.len() as u64, content)
}

fn pax(kind: u8, lines: &[(&str, &str)]) -> Vec<u8> {
    let mut said = Vec::new();
    for (key, value) in lines {
        let rest = key.len() + value.len() + 3;
        let length =
            (1..4).map(|digits| rest + digits).find(|it| it.to_string().len() + rest == *it).unwrap();
        said.extend_from_slice(format!("{length} {key}={value}\n").as_bytes());
    }
    raw(kind, b"pax", said.len() as u64, &said)
}

fn scan(parts: &[Vec<u8>]) -> Result<Entries, Problem> {
    let bytes = [&parts.concat()[..], &END].concat();
    Entries::scan(&mut io::Cursor::new(&bytes), bytes.len() as u64)
}

fn name_of(content: &[u8]) -> String {
    crate::entry::name(&Digest::sha256(content))
}

#[test]
fn the_files_of_a_layout_are_found() {
    let long = crate::entry::name(&Digest::of(Algorithm::Sha512, b"long"));
    let parts = [
        raw(b'5', b"./blobs/", 0, b""),
        file("./oci-layout", b"{}"),
        pax(b'g', &[("comment", "x")]),
        file(&name_of(b"one"), b"one"),
        raw(b'L', b"././@LongLink", long.len() as u64 + 1, format!("{long}\0").as_bytes()),
        file("short", b"long"),
        pax(b'x', &[("path", "index.json"), ("mtime", "1.5"), ("size", "5")]),
        raw(b'\0', b"other", 0, b"index"),
        file("manifest.json", b"[]"),
    ];
    let bytes = [&parts.concat()[..], &END].concat();
    let entries = scan(&parts).unwrap();
    let content = |span: Option<Span>| {
        let (offset, size) = span.unwrap();
        &bytes[usize::try_from(offset).unwrap()..][..usize::try_from(size).unwrap()]
    };
    assert_eq!(content(entries.marker), b"{}");
    assert_eq!(content(entries.index), b"index");
    assert_eq!(content(entries.blobs.get(&Digest::sha256(b"one")).copied()), b"one");
    assert_eq!(content(entries.blobs.get(&Digest::of(Algorithm::Sha512, b"long")).copied()), b"long");
    assert_eq!(entries.all().count(), 4);
}

#[test]
fn what_could_mislead_is_refused_by_name() {
    let blob = name_of(b"one");
    let upper = blob.to_uppercase();
    let absolute = format!("/{blob}");
    let cases: Vec<(Vec<Vec<u8>>, &str)> = vec![
        (vec![file("blobs/../../x", b"")], "leads upwards"),
        (vec![file("..", b"")], "leads upwards"),
        (vec![raw(b'5', b"../", 0, b"")], "leads upwards"),
        (vec![file(&absolute, b"one")], "absolute"),
        (vec![pax(b'x', &[("path", "/etc/passwd")]), file("a", b"")], "absolute"),
        (vec![raw(b'1', b"index.json", 0, b"")], "a layout has no hard link"),
        (vec![raw(b'2', blob.as_bytes(), 0, b"")], "a layout has no symbolic link"),
        (vec![raw(b'3', b"x", 0, b"")], "a layout has no device"),
        (vec![raw(b'4', b"x", 0, b"")], "a layout has no device"),
        (vec![raw(b'6', b"x", 0, b"")], "a layout has no pipe"),
        (vec![raw(b'S', b"x", 0, b"")], "a layout has no sparse file"),
        (vec![raw(b'M', b"x", 0, b"")], "a layout has no entry of the kind 'M'"),
        (vec![pax(b'x', &[("GNU.sparse.major", "1")]), file("x", b"")], "a layout has no sparse file"),
        (vec![file("INDEX.json", b"")], "only in case"),
        (vec![file(&blob, b"one"), file(&upper, b"one")], "only in case"),
        (vec![file(&blob, b"one"), file(&blob, b"two")], "it is there twice"),
        (vec![file("index.json", b""), file("./index.json", b"")], "it is there twice"),
        (vec![raw(b'0', b"x", 5000, b"y")], "it says that it has 5000 bytes"),
        (vec![pax(b'x', &[("size", "99999999999999999999")]), file("x", b"")], "malformed"),
        (vec![pax(b'x', &[("size", "18446744073709551615")]), file("x", b"")], "the file ends before"),
        (vec![pax(b'g', &[("path", "index.json")])], "malformed"),
        (vec![raw(b'x', b"pax", 3, b"abc")], "malformed"),
        (vec![raw(b'0', b"\xff\xfe", 0, b"")], "no UTF-8"),
        (vec![raw(b'L', b"l", 5000, &[b'a'; 5000]), file("x", b"")], "more than 4096 bytes"),
        (vec![raw(b'x', b"pax", 70_000, &[b'a'; 70_000])], "more than 65536 bytes"),
    ];
    for (parts, expected) in cases {
        match scan(&parts) {
            Err(Problem::Damaged(reason)) => assert!(reason.contains(expected), "{reason} / {expected}"),
            other => panic!("{other:?} / {expected}"),
        }
    }
}

#[test]
fn what_is_cut_off_or_something_else_is_told() {
    let whole = [file("oci-layout", b"{}"), file("index.json", b"{}")].concat();
    for (bytes, expected) in [(&b""[..], "no tar archive"), (&[7; 2000], "no tar archive")] {
        let problem = Entries::scan(&mut io::Cursor::new(bytes), bytes.len() as u64);
        assert!(matches!(problem, Err(Problem::Other(reason)) if reason.contains(expected)));
    }
    for cut in [whole.len(), whole.len() - 1, 1200, 600] {
        let problem = Entries::scan(&mut io::Cursor::new(&whole[..cut]), cut as u64);
        assert!(matches!(problem, Err(Problem::Damaged(_))), "{cut}: {problem:?}");
    }
    let mut flipped = [&whole[..], &END].concat();
    flipped[1030] ^= 1;
    let problem = Entries::scan(&mut io::Cursor::new(&flipped), flipped.len() as u64);
    assert!(matches!(problem, Err(Problem::Damaged(reason)) if reason.contains("the header at byte 1024")));
}

#[test]
fn compressed_archives_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tar.gz");
    std::fs::write(&path, b"\x1f\x8b\x08\0\0\0\0\0").unwrap();
    let message = Archive::open(&path).unwrap_err().to_string();
    assert!(message.ends_with("x.tar.gz: it is compressed; unpack it with gunzip first"), "{message}");
    assert!(matches!(Archive::open(directory.path()), Err(BundleError::NotABundle { .. })));
    assert!(matches!(Archive::open(&directory.path().join("none")), Err(BundleError::Io { .. })));
}

proptest! {
    #[test]
    fn any_bytes_are_scanned_within_their_bounds(
        kinds in prop::collection::vec((prop::sample::select(&b"0015LxgS2"[..]), "[a-c./]{0,8}", any::<u16>()), 0..6),
        noise in prop::collection::vec(any::<u8>(), 0..1500), flip in any::<prop::sample::Index>(),
    ) {
        let mut bytes: Vec<u8> = kinds
            .iter()
            .flat_map(|(kind, name, size)| raw(*kind, name.as_bytes(), u64::from(*size), &noise))
            .chain(END)
            .collect();
        let at = flip.index(bytes.len());
        bytes[at] ^= noise.first().copied().unwrap_or_default();
        let length = bytes.len() as u64;
        if let Ok(entries) = Entries::scan(&mut io::Cursor::new(&bytes), length) {
            for (offset, size) in entries.all() {
                prop_assert!(offset + size <= length);
            }
        }
    }
}
