//! From plain bytes to a frame.

use zstd::zstd_safe::{CCtx, CParameter, get_error_name};

use super::parameters::Frame;

/// Encodes plain bytes as one zstd frame whose prefix is `base`, in less than `limit` bytes; `None` where that is not
/// possible.
pub(super) fn encode(base: &[u8], plain: &[u8], level: i32, limit: usize) -> Result<Option<Vec<u8>>, String> {
    let window = Frame::window(base.len().max(plain.len()) as u64);
    let failed = |code| get_error_name(code).to_owned();
    let mut context = CCtx::create();
    for parameter in [
        CParameter::CompressionLevel(level),
        CParameter::WindowLog(window),
        CParameter::EnableLongDistanceMatching(true),
        CParameter::ContentSizeFlag(true),
        CParameter::ChecksumFlag(false),
        CParameter::DictIdFlag(false),
    ] {
        context.set_parameter(parameter).map_err(failed)?;
    }
    context.ref_prefix(base).map_err(failed)?;
    // Only what is written is ever touched of it.
    let mut carried = Vec::with_capacity(limit.saturating_sub(1));
    match context.compress2(&mut carried, plain) {
        Ok(_) => {
            carried.shrink_to_fit();
            Ok(Some(carried))
        }
        Err(code) if get_error_name(code) == TOO_SMALL => Ok(None),
        Err(code) => Err(failed(code)),
    }
}

/// What zstd says where there is no room for a frame.
const TOO_SMALL: &str = "Destination buffer is too small";
