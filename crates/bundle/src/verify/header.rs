//! Headers of entries, read back strictly: one that this format would not write so is damaged.

use tar::{EntryType, Header};

use super::tape::{Broken, Tape};
use crate::entry::{self, BLOCK};

/// The longest name that is read, in bytes: more than that of a blob with a SHA-512.
const NAME_LIMIT: u64 = 512;

/// What stands where an entry should begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A block of zeros.
    Zeros,
    /// An entry's name, and the size of its content.
    Entry(String, u64),
    /// Something else.
    Damaged,
}

/// Takes a header off the tape.
pub(super) fn read(tape: &mut Tape<'_>) -> Result<Read, Broken> {
    let mut raw = tape.exact(BLOCK)?;
    if raw.iter().all(|byte| *byte == 0) {
        return Ok(if raw.len() as u64 == BLOCK { Read::Zeros } else { Read::Damaged });
    }
    let Some(mut header) = parse(&raw) else { return Ok(Read::Damaged) };
    let mut long_name = None;
    if header.entry_type() == EntryType::GNULongName {
        let Ok(size @ 2..=NAME_LIMIT) = header.entry_size() else { return Ok(Read::Damaged) };
        let name = tape.exact(entry::length(size) - BLOCK)?;
        raw.extend_from_slice(&name);
        long_name = name.get(..size as usize - 1).map(<[u8]>::to_vec);
        let block = tape.exact(BLOCK)?;
        raw.extend_from_slice(&block);
        let Some(real) = parse(&block) else { return Ok(Read::Damaged) };
        header = real;
    }
    let name = long_name.unwrap_or_else(|| header.path_bytes().into_owned());
    let (Ok(name), Ok(size)) = (String::from_utf8(name), header.entry_size()) else {
        return Ok(Read::Damaged);
    };
    Ok(if entry::header(&name, size) == raw { Read::Entry(name, size) } else { Read::Damaged })
}

fn parse(block: &[u8]) -> Option<Header> {
    (block.len() as u64 == BLOCK).then(|| Header::from_byte_slice(block).clone())
}
