//! What a handler fails with, and the one table from a store's errors to the wire's.

use std::error::Error as _;
use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use sealift_store::{Error, ErrorKind, Operation};

use super::answer::{Answer, Body};
use crate::wire::{ErrorBody, ErrorCode, RouteError};

/// How long a client is asked to wait where the store does not say.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);

/// What a client reads that writes where nothing is written.
const READ_ONLY: &str = "this registry is served read-only";

/// The error of a request.
#[derive(Debug)]
pub(super) struct WireError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: ErrorCode,
    status: StatusCode,
    /// What the client reads.
    message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What who keeps the server reads, where that is more.
    log: Option<String>,
}

impl WireError {
    /// Makes an error with the code's usual status and message.
    pub(super) fn new(code: ErrorCode) -> Self {
        let (status, message) = (code.status(), code.message().to_owned());
        Self(Box::new(Inner { code, status, message, headers: Vec::new(), log: None }))
    }

    /// Makes an error that is nobody's fault but this side's; the client does not read the reason.
    pub(super) fn internal(reason: impl Display) -> Self {
        let mut error = Self::new(ErrorCode::Unknown);
        error.0.log = Some(reason.to_string());
        error
    }

    /// Refuses a method, and says which ones there are (RFC 9110, section 15.5.6).
    pub(super) fn method(allowed: &'static str) -> Self {
        Self::new(ErrorCode::Unsupported).header(ALLOW, HeaderValue::from_static(allowed))
    }

    /// Tells whether a status is what the client gets.
    pub(super) fn is(&self, status: StatusCode) -> bool {
        self.0.status == status
    }

    /// Says more than the code's usual message.
    pub(super) fn because(mut self, reason: impl Display) -> Self {
        self.0.message = reason.to_string();
        self
    }

    pub(super) fn status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Translates what a store failed with. `operation` is what the handler was doing: stores that stand
    /// on other stores may name another one.
    pub(super) fn from_store(operation: Operation, error: &Error) -> Self {
        let (code, status) = translate(operation, error.kind());
        let mut translated = Self::new(code).status(status);
        // Who pushes may have somebody to tell.
        if status.is_client_error() || error.kind() == ErrorKind::NoSpace {
            translated.0.message = without_place(error);
        }
        translated.0.log = Some(with_causes(error));
        if error.kind() == ErrorKind::ReadOnly {
            // Stores say it of the way to them; who pushes knows of this registry alone.
            translated.0.message = READ_ONLY.to_owned();
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            translated = translated.header(ALLOW, HeaderValue::from_static(allowed_beside(operation)));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = error.wait().unwrap_or(RETRY_AFTER_DEFAULT).as_secs().max(1);
            translated = translated.header(RETRY_AFTER, seconds.into());
        }
        translated
    }

    /// Makes the answer and the line for the log: the only place that does.
    pub(super) fn into_answer(self) -> (http::Response<Body>, String) {
        let Inner { code, status, message, headers, log } = *self.0;
        let body = ErrorBody::new(code.clone(), &message).to_json();
        let mut response = Answer::new(status).bytes(body.into()).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().extend(headers);
        (response, format!("{}: {}", code.as_str(), log.unwrap_or(message)))
    }
}

/// Names the operation for `map_err`.
pub(super) fn during(operation: Operation) -> impl Fn(Error) -> WireError {
    move |error| WireError::from_store(operation, &error)
}

impl From<RouteError> for WireError {
    fn from(error: RouteError) -> Self {
        let translated = Self::new(error.code()).because(error);
        match error {
            RouteError::TooManyTags => translated.status(StatusCode::URI_TOO_LONG),
            RouteError::Limit => translated.status(StatusCode::BAD_REQUEST),
            _ => translated,
        }
    }
}

/// The table: what a client is told of each kind of error, by what was done.
fn translate(operation: Operation, kind: ErrorKind) -> (ErrorCode, StatusCode) {
    let is_write = matches!(operation, Operation::PushBlob | Operation::MountBlob | Operation::PushManifest);
    let code = match kind {
        ErrorKind::NotFound => not_found(operation),
        // Reading is supported; what cannot be given is asked for elsewhere, as what is not here.
        ErrorKind::Unsupported if is_read(operation) => not_found(operation),
        // Who asks the registry cannot better the credentials that its store has for another place, and a
        // 401 without a challenge would only confuse.
        ErrorKind::Denied | ErrorKind::Unauthenticated => ErrorCode::Denied,
        ErrorKind::ReadOnly | ErrorKind::Unsupported => ErrorCode::Unsupported,
        ErrorKind::Mismatch if is_write => ErrorCode::DigestInvalid,
        ErrorKind::Invalid if operation == Operation::PushManifest => ErrorCode::ManifestInvalid,
        ErrorKind::Invalid if is_write => ErrorCode::BlobUploadInvalid,
        ErrorKind::Busy | ErrorKind::Unavailable => ErrorCode::Unavailable,
        ErrorKind::NoSpace => return (ErrorCode::Unknown, StatusCode::INSUFFICIENT_STORAGE),
        // What is wrong in the store's own content is no fault of who reads it.
        _ => ErrorCode::Unknown,
    };
    let status = code.status();
    (code, status)
}

/// What may still be done where a store cannot do this.
fn allowed_beside(operation: Operation) -> &'static str {
    match operation {
        Operation::PushManifest | Operation::DeleteManifest | Operation::DeleteBlob => "GET, HEAD",
        _ => "",
    }
}

fn is_read(operation: Operation) -> bool {
    use Operation::{CheckBlob, FetchBlob, FetchManifest, Resolve};
    matches!(operation, Resolve | FetchManifest | CheckBlob | FetchBlob)
}

fn not_found(operation: Operation) -> ErrorCode {
    match operation {
        Operation::Resolve | Operation::FetchManifest | Operation::DeleteManifest => {
            ErrorCode::ManifestUnknown
        }
        Operation::CheckBlob | Operation::FetchBlob | Operation::MountBlob | Operation::DeleteBlob => {
            ErrorCode::BlobUnknown
        }
        Operation::PushBlob => ErrorCode::BlobUploadUnknown,
        Operation::PushManifest => ErrorCode::ManifestBlobUnknown,
        _ => ErrorCode::NameUnknown,
    }
}

/// Prints an error for a client, who need not know which directory or registry is behind this one.
fn without_place(error: &Error) -> String {
    let text = error.to_string();
    let rest = error.place().and_then(|place| text.strip_prefix(place)?.strip_prefix(": "));
    rest.map(str::to_owned).unwrap_or(text)
}

/// Prints an error and everything it comes from.
pub(super) fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.0.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_become_codes_by_operation() {
        use ErrorKind as Kind;
        use Operation as Op;
        let cases = [
            (Op::Resolve, Kind::NotFound, 404, "MANIFEST_UNKNOWN"),
            (Op::FetchManifest, Kind::NotFound, 404, "MANIFEST_UNKNOWN"),
            (Op::CheckBlob, Kind::NotFound, 404, "BLOB_UNKNOWN"),
            (Op::FetchBlob, Kind::NotFound, 404, "BLOB_UNKNOWN"),
            (Op::PushBlob, Kind::NotFound, 404, "BLOB_UPLOAD_UNKNOWN"),
            (Op::PushManifest, Kind::NotFound, 404, "MANIFEST_BLOB_UNKNOWN"),
            (Op::DeleteManifest, Kind::NotFound, 404, "MANIFEST_UNKNOWN"),
            (Op::DeleteBlob, Kind::NotFound, 404, "BLOB_UNKNOWN"),
            (Op::DeleteBlob, Kind::Unsupported, 405, "UNSUPPORTED"),
            (Op::FetchBlob, Kind::Unsupported, 404, "BLOB_UNKNOWN"),
            (Op::FetchManifest, Kind::Unsupported, 404, "MANIFEST_UNKNOWN"),
            (Op::ListTags, Kind::NotFound, 404, "NAME_UNKNOWN"),
            (Op::PushBlob, Kind::Mismatch, 400, "DIGEST_INVALID"),
            (Op::PushManifest, Kind::Mismatch, 400, "DIGEST_INVALID"),
            (Op::FetchManifest, Kind::Mismatch, 500, "UNKNOWN"),
            (Op::PushManifest, Kind::Invalid, 400, "MANIFEST_INVALID"),
            (Op::PushBlob, Kind::Invalid, 400, "BLOB_UPLOAD_INVALID"),
            (Op::FetchManifest, Kind::Invalid, 500, "UNKNOWN"),
            (Op::PushBlob, Kind::ReadOnly, 405, "UNSUPPORTED"),
            (Op::ListRepositories, Kind::Unsupported, 405, "UNSUPPORTED"),
            (Op::FetchBlob, Kind::Denied, 403, "DENIED"),
            (Op::FetchBlob, Kind::Unauthenticated, 403, "DENIED"),
            (Op::PushBlob, Kind::NoSpace, 507, "UNKNOWN"),
            (Op::PushBlob, Kind::Busy, 503, "UNAVAILABLE"),
            (Op::FetchBlob, Kind::Unavailable, 503, "UNAVAILABLE"),
            (Op::FetchBlob, Kind::Io, 500, "UNKNOWN"),
        ];
        for (operation, kind, status, code) in cases {
            let (found, found_status) = translate(operation, kind);
            assert_eq!((found_status.as_u16(), found.as_str()), (status, code), "{operation:?} {kind:?}");
        }
    }

    #[test]
    fn clients_read_less_than_the_log() {
        let error = |kind| {
            let error = Error::new(kind, Operation::PushManifest).at("/srv/secret").object("a:t");
            WireError::from_store(Operation::PushManifest, &error.caused_by("the cause"))
        };
        assert_eq!(error(ErrorKind::NotFound).0.message, "cannot push manifest a:t: it is not there");
        let failed = error(ErrorKind::Io);
        assert_eq!(failed.0.message, "unknown error");
        let expected = "/srv/secret: cannot push manifest a:t: reading or writing failed: the cause";
        assert_eq!(failed.0.log.as_deref(), Some(expected));
    }

    #[test]
    fn what_cannot_be_written_is_said_in_words_of_this_registry() {
        let reply = |operation, kind| {
            let error = Error::new(kind, Operation::Connect).at("/srv/secret");
            WireError::from_store(operation, &error)
        };
        let refused = reply(Operation::PushBlob, ErrorKind::ReadOnly);
        assert_eq!((refused.0.status.as_u16(), refused.0.message.as_str()), (405, READ_ONLY));
        let full = reply(Operation::PushBlob, ErrorKind::NoSpace);
        assert!(full.0.message.ends_with("there is no space left"), "{}", full.0.message);
        for (operation, allowed) in [
            (Operation::PushBlob, ""),
            (Operation::PushManifest, "GET, HEAD"),
            (Operation::DeleteBlob, "GET, HEAD"),
        ] {
            let (response, _) = reply(operation, ErrorKind::ReadOnly).into_answer();
            assert_eq!(response.headers()[ALLOW], allowed);
        }
    }

    #[test]
    fn who_is_asked_to_wait_is_told_how_long() {
        for (wait, expected) in [(None, "1"), (Some(Duration::from_secs(7)), "7")] {
            let busy = Error::new(ErrorKind::Busy, Operation::PushBlob).retry_after(wait);
            let (response, _) = WireError::from_store(Operation::PushBlob, &busy).into_answer();
            assert_eq!(response.headers()[RETRY_AFTER], expected);
        }
    }
}
