//! How an age file is laid out, as far as sizes and bounds need it: a header of lines, the last of which begins
//! with `---`; 16 bytes of nonce; chunks of 64 KiB with a tag of 16 bytes each, and at least one chunk.

use std::io::{self, BufRead, Read};

/// The plain bytes of a chunk.
pub(super) const CHUNK: u64 = 64 * 1024;
/// What a chunk takes more when it is sealed.
const TAG: u64 = 16;
/// The bytes of a sealed chunk that is not the last one.
pub(super) const SEALED_CHUNK: usize = (CHUNK + TAG) as usize;
/// What stands between the header and the first chunk.
pub(super) const FILE_NONCE: usize = 16;

/// Returns how many chunks content has.
pub(super) fn chunk_count(plain: u64) -> u64 {
    plain.div_ceil(CHUNK).max(1)
}

/// Returns how many bytes the chunks of sealed content take.
pub(super) fn chunks_size(plain: u64) -> u64 {
    plain.saturating_add(chunk_count(plain).saturating_mul(TAG))
}

/// Returns how many plain bytes lie in chunks of that many bytes; `None` where no content has as many: only the one chunk of
/// empty content is empty.
pub(super) fn plain_size(chunks: u64) -> Option<u64> {
    let count = chunks.div_ceil(CHUNK + TAG);
    let plain = chunks.checked_sub(count.checked_mul(TAG)?)?;
    (chunks_size(plain) == chunks).then_some(plain)
}

/// Reads a header and its nonce, of at most `limit` bytes; `None` where nothing ends like one. age's own reader has no bound,
/// and reads what passes here once more: whether it is a header is for it to say.
pub(super) fn read_header(input: &mut impl BufRead, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let (mut header, mut lines) = (Vec::new(), input.take(limit));
    loop {
        let start = header.len();
        if lines.read_until(b'\n', &mut header)? == 0 {
            return Ok(None);
        }
        if header[start..].starts_with(b"--- ") {
            break;
        }
    }
    let nonce = input.take(FILE_NONCE as u64).read_to_end(&mut header)?;
    Ok((nonce == FILE_NONCE).then_some(header))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_go_both_ways() {
        for (plain, chunks) in
            [(0, 16), (1, 17), (65_535, 65_551), (65_536, 65_552), (65_537, 65_569), (131_072, 131_104)]
        {
            assert_eq!(chunks_size(plain), chunks);
            assert_eq!(plain_size(chunks), Some(plain));
        }
        for chunks in [0, 15, 65_553, 65_552 + 16] {
            assert_eq!(plain_size(chunks), None, "{chunks}");
        }
    }

    proptest! {
        #[test]
        fn any_size_is_read_or_refused(size: u64) {
            if let Some(plain) = plain_size(size) {
                prop_assert_eq!(chunks_size(plain), size);
            }
            prop_assert!(size > u64::MAX / 2 || plain_size(chunks_size(size)) == Some(size));
        }

        #[test]
        fn any_header_is_read_or_refused(bytes: Vec<u8>, limit in 0..200_u64) {
            let read = read_header(&mut &bytes[..], limit).unwrap();
            prop_assert!(read.is_none_or(|header| header.len() as u64 <= limit + FILE_NONCE as u64));
        }
    }
}
