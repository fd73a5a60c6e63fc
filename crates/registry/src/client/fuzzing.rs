//! What fuzz targets reach of the client's own readers. It is built for the fuzzer only (`--cfg fuzzing`).

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, header};
use tokio::time::Instant;

use super::auth::{Tokens, challenges, offered_scopes};
use super::retry::parse_retry_after;

/// Reads the challenges of a `WWW-Authenticate` header, and a `Retry-After`.
pub fn challenge(value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        let offered = challenges(&HeaderMap::from_iter([(header::WWW_AUTHENTICATE, value.clone())]));
        let _ = offered_scopes(&offered);
        let _ = value.to_str().map(|text| parse_retry_after(text, SystemTime::UNIX_EPOCH));
    }
}

/// Reads the answer of a token service.
pub fn token(body: &[u8]) {
    let _ = Tokens::default().read(body, Instant::now(), None);
}
