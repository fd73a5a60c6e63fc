//! Names that nobody can guess and no two uploads share.

use std::fmt::Write as _;

use crate::{Error, ErrorKind, Operation, Result, UploadId};

/// Makes 32 hexadecimal digits from the system's random numbers.
pub(crate) fn hex_name() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    let mut name = String::with_capacity(32);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    Ok(name)
}

/// Makes the name of an upload.
pub(crate) fn upload_id() -> Result<UploadId> {
    let name = hex_name().map_err(|error| Error::io(Operation::PushBlob, error))?;
    name.parse().map_err(|error| Error::new(ErrorKind::Invalid, Operation::PushBlob).caused_by(error))
}
