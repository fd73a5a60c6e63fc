//! `/token`: where clients get what they show instead of a password (the registries' token scheme). It is there
//! where a part of what is here is for everybody.

use http::header::CACHE_CONTROL;
use http::{Method, StatusCode};
use serde::Serialize;

use super::answer::Answer;
use super::error::WireError;
use super::request::Call;
use crate::wire::RouteError;

/// Where tokens are.
pub(super) const PATH: &str = "/token";

/// The two names are for two kinds of clients.
#[derive(Serialize)]
struct Token<'a> {
    token: &'a str,
    access_token: &'a str,
    expires_in: u64,
}

/// Gives a token to who has said who they are, and to who has not. What it is wanted for is not looked at: rights
/// are looked up when it is used.
pub(super) fn handle(call: &Call) -> Result<Answer, WireError> {
    let issued = call.caller.issue().ok_or(RouteError::Unknown)?;
    // Clients that post user and password in a form come by GET when they hear this.
    if call.method != Method::GET {
        return Err(WireError::method("GET"));
    }
    let token = Token { token: &issued.token, access_token: &issued.token, expires_in: issued.seconds };
    Answer::new(StatusCode::OK).header(CACHE_CONTROL, "no-store")?.json(&token)
}
