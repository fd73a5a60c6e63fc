//! Content that the client may have already: what it is told apart by, and whether it has it (RFC 9110, sections
//! 8.8.3 and 13.1).

use http::StatusCode;
use http::header::{ETAG, IF_NONE_MATCH, IF_RANGE};
use sealift_oci::Digest;

use super::answer::Answer;
use super::error::WireError;
use super::request::Call;
use crate::wire::header::DOCKER_CONTENT_DIGEST;

/// What has this digest never changes.
pub(super) fn entity_tag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// Tells whether a range holds: it does only for the content that the client has the beginning of.
pub(super) fn is_beginning_known(call: &Call, digest: &Digest) -> bool {
    call.header(IF_RANGE).is_none_or(|tag| tag == entity_tag(digest))
}

/// Answers a client that has the content already; `None` where it has not, or does not say so.
pub(super) fn not_modified(call: &Call, digest: &Digest) -> Result<Option<Answer>, WireError> {
    let own = entity_tag(digest);
    let values = call.headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = values.flat_map(|value| value.split(',')).map(str::trim);
    if !known.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == own) {
        return Ok(None);
    }
    let answer = Answer::new(StatusCode::NOT_MODIFIED).header(ETAG, own)?;
    answer.header(DOCKER_CONTENT_DIGEST, digest).map(Some)
}
