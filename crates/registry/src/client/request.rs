//! One request as a value, with the facts that decide how it is sent.

use std::fmt;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use super::auth::Scopes;
use super::fault::Purpose;
use super::redirect::forwarded;
use super::retry::Repeat;
use crate::wire::ERROR_BODY_LIMIT;

/// A request without a body, or with a small one that can be sent again.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    /// What it needs a token for; `None` sends no credentials.
    pub(super) scopes: Option<Scopes>,
    pub(super) purpose: Purpose,
    pub(super) repeat: Repeat,
    /// Whether the URL has signed state in it.
    pub(super) is_sensitive: bool,
    /// How many times the stall timeout the answer may take, once all of the request is sent.
    pub(super) patience: u32,
    pub(super) reading: Reading,
}

/// What is read of the body of an answer that is a success. The bodies of refusals are always read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// All of it, and no more than so many bytes.
    Whole(usize),
    /// None here: it is a stream.
    Stream,
}

/// The URL may carry signed state and the body a password, so neither is printed.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("host", &self.url.host_str())
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

impl Request {
    /// Starts a request that may be repeated, whose answer's body is of no interest.
    pub(super) fn new(method: Method, url: Url, purpose: &Purpose) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
            scopes: None,
            purpose: purpose.clone(),
            repeat: Repeat::Always,
            is_sensitive: false,
            patience: 1,
            reading: Reading::Whole(ERROR_BODY_LIMIT),
        }
    }

    /// Adds a header; a value that no header can have is left out.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Adds the types of content that are wanted, as it is: a proxy that compressed it would change its
    /// digest.
    pub(super) fn accept(self, types: &str) -> Self {
        self.header(ACCEPT, types).header(ACCEPT_ENCODING, "identity")
    }

    pub(super) fn scopes(mut self, scopes: &Scopes) -> Self {
        self.scopes = Some(scopes.clone());
        self
    }

    pub(super) fn body(mut self, body: Bytes) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    pub(super) fn sensitive(mut self) -> Self {
        self.is_sensitive = true;
        self
    }

    pub(super) fn patience(mut self, patience: u32) -> Self {
        self.patience = patience;
        self
    }

    pub(super) fn reading(mut self, reading: Reading) -> Self {
        self.reading = reading;
        self
    }

    /// Makes what goes out. Another host sees neither credentials nor headers that are not its business.
    pub(super) fn build(
        &self,
        url: &Url,
        authorization: Option<&HeaderValue>,
        is_foreign: bool,
    ) -> reqwest::Request {
        let mut request = reqwest::Request::new(self.method.clone(), url.clone());
        let headers = request.headers_mut();
        *headers = if is_foreign { forwarded(&self.headers) } else { self.headers.clone() };
        if let Some(authorization) = authorization.filter(|_| !is_foreign) {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        match self.body.clone() {
            Some(body) => *request.body_mut() = Some(body.into()),
            // Without a body POST and PUT still say so: some servers answer 411 otherwise.
            None if matches!(self.method, Method::POST | Method::PUT) => {
                request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            None => {}
        }
        request
    }
}
