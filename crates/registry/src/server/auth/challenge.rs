//! What a client that is not let in is asked for. It says nothing of who exists here.

use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderName, Request};

use super::Auth;
use crate::server::error::WireError;
use crate::server::request::asked_registry;
use crate::server::tokens;
use crate::wire::ErrorCode;

/// For user and password: browsers ask people for them.
const PASSWORD: &str = "Basic realm=\"sealift\", charset=\"UTF-8\"";

/// What a proxy that speaks TLS in front of this server says of the client's side.
const FORWARDED_SCHEME: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// By which way somebody comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Door {
    /// The protocol, whose clients can get themselves a token.
    Api,
    /// People and what they use, who have a password.
    People,
}

impl Auth {
    /// Makes the challenge for a request: a token, where there are any and the client says by which name it
    /// found this server; else a password.
    pub(super) fn challenge<B>(&self, request: &Request<B>, is_secure: bool, door: Door) -> HeaderValue {
        let token = (door == Door::Api && self.has_tokens()).then(|| token_challenge(request, is_secure));
        token.flatten().unwrap_or(HeaderValue::from_static(PASSWORD))
    }
}

fn token_challenge<B>(request: &Request<B>, is_secure: bool) -> Option<HeaderValue> {
    let registry = asked_registry(request)?;
    let is_forwarded = request.headers().get(FORWARDED_SCHEME).is_some_and(|scheme| scheme == "https");
    let scheme = if is_secure || is_forwarded { "https" } else { "http" };
    let path = tokens::PATH;
    HeaderValue::try_from(format!("Bearer realm=\"{scheme}://{registry}{path}\",service=\"{registry}\"")).ok()
}

/// The same words whether the user is unknown or the password wrong.
pub(super) fn unauthorized(challenge: HeaderValue) -> WireError {
    let error = WireError::new(ErrorCode::Unauthorized).because("user and password are wanted");
    error.header(WWW_AUTHENTICATE, challenge)
}
