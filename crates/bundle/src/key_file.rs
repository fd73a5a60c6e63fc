//! Reading the small files that people keep keys in.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{BundleError, Result};

/// The largest key file that is read, in bytes. Keys have some hundred; comments and several identities have room.
pub(crate) const KEY_FILE_LIMIT: u64 = 64 * 1024;

/// Reads a key file as text. It may be a pipe, as a shell's `<(…)` makes one.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>> {
    let file = File::open(path).map_err(BundleError::io(path))?;
    // What outgrows its memory leaves a copy behind that nobody wipes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_FILE_LIMIT as usize + 1));
    file.take(KEY_FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(BundleError::io(path))?;
    if bytes.len() as u64 > KEY_FILE_LIMIT {
        return Err(BundleError::wrong_key(path, format_args!("it has more than {KEY_FILE_LIMIT} bytes")));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(BundleError::wrong_key(path, "it is no text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_small_text_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("some.key");
        let limit = KEY_FILE_LIMIT as usize;
        for (content, expected) in [
            (vec![b'a'; limit], Ok(limit)),
            (vec![b'a'; limit + 1], Err("it has more than 65536 bytes")),
            (vec![0xff; 4], Err("it is no text")),
        ] {
            std::fs::write(&path, content).unwrap();
            let read = read(&path).map(|text| text.len()).map_err(|error| error.to_string());
            assert_eq!(read, expected.map_err(|reason| format!("{}: {reason}", path.display())));
        }
        let missing = read(&directory.path().join("missing")).unwrap_err();
        assert!(matches!(missing, BundleError::Io { .. }));
    }
}
