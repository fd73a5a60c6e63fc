//! Entries of a volume: one kind of tar header, and the padding behind the content.
//!
//! POSIX.1-1988 `ustar`; sizes from 8 GiB on in base 256, as GNU tar writes them.

use sealift_oci::Digest;
use tar::{EntryType, Header};

/// Headers, contents and the end of an archive come in multiples of this.
pub(crate) const BLOCK: u64 = 512;
/// What ends an archive: two blocks of zeros.
pub(crate) const END: [u8; 1024] = [0; 1024];

/// Returns the zeros that follow content of this many bytes.
pub(crate) fn padding(size: u64) -> &'static [u8] {
    static ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];
    let over = (size % BLOCK) as usize;
    if over == 0 { &[] } else { &ZEROS[over..] }
}

/// Returns how many bytes an entry takes: header, content and padding.
pub(crate) fn length(size: u64) -> u64 {
    BLOCK.saturating_add(size.saturating_add(BLOCK - 1) / BLOCK * BLOCK)
}

/// Names the entry of a blob or manifest, as in an OCI image layout.
pub(crate) fn name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

/// Names the entry of what is carried of a blob that is a delta.
pub(crate) fn delta_name(digest: &Digest) -> String {
    format!("deltas/{}/{}", digest.algorithm().as_str(), digest.hex())
}

/// Tells whether an entry is called as what is carried of a delta.
pub(crate) fn is_delta_name(name: &str) -> bool {
    let named = name.strip_prefix("deltas/").and_then(|rest| rest.split_once('/'));
    named.is_some_and(|(algorithm, hash)| format!("{algorithm}:{hash}").parse::<Digest>().is_ok())
}

/// Makes the header of a file. Names here have at most 100 bytes but for SHA-512, whose 140 the header
/// splits at a slash: 11 bytes before it would not leave the rest short enough, so those take a GNU long name.
pub(crate) fn header(name: &str, size: u64) -> Vec<u8> {
    let mut header = plain(size, EntryType::Regular);
    if header.set_path(name).is_ok() {
        header.set_cksum();
        return header.as_bytes().to_vec();
    }
    let mut long = plain(name.len() as u64 + 1, EntryType::GNULongName);
    // Both are short and plain.
    let _ = long.set_path("././@LongLink");
    long.set_cksum();
    let mut bytes = long.as_bytes().to_vec();
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(padding(name.len() as u64 + 1));
    let _ = header.set_path(&name[..name.len().min(SHORT_NAME)]);
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    bytes
}

/// The longest name that a plain header holds.
const SHORT_NAME: usize = 100;

fn plain(size: u64, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_oci::Algorithm;
    use std::io::Read;

    #[test]
    fn ordinary_readers_read_the_entries() {
        let contents: [&[u8]; 4] = [b"", b"x", &[7; 512], &[9; 1000]];
        let digests =
            contents.iter().flat_map(|content| Algorithm::ALL.map(|it| (Digest::of(it, content), content)));
        let digests: Vec<_> = digests.collect();
        let mut archive = Vec::new();
        for (digest, content) in &digests {
            let header = header(&name(digest), content.len() as u64);
            archive.extend_from_slice(&header);
            archive.extend_from_slice(content);
            archive.extend_from_slice(padding(content.len() as u64));
        }
        archive.extend_from_slice(&END);
        let mut read = Vec::new();
        for entry in tar::Archive::new(&archive[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            assert_eq!(entry.header().entry_type(), EntryType::Regular);
            let name = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            read.push((name, content));
        }
        let expected: Vec<_> =
            digests.iter().map(|(digest, content)| (name(digest), content.to_vec())).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn an_entry_takes_whole_blocks() {
        for (size, expected) in [(0, 512), (1, 1024), (512, 1024), (513, 1536)] {
            assert_eq!(length(size), expected);
            assert_eq!(BLOCK + size + padding(size).len() as u64, expected);
        }
    }

    #[test]
    fn sizes_beyond_eight_gibibytes_have_a_place() {
        let bytes = header("x", 20 << 30);
        let header = Header::from_byte_slice(&bytes);
        assert_eq!(header.entry_size().unwrap(), 20 << 30);
    }
}
