//! An answer that refuses: what it means to a caller, and in which words it is told.
//!
//! The registry's own code and message are the best explanation there is, so they are passed on; bounded,
//! without control characters, and without what may be a secret: what is known of those was taken out when the
//! answer was read.

use std::time::{Duration, SystemTime};

use http::{StatusCode, header};
use sealift_store::{ErrorKind, Operation, in_words};
use serde_json::Value;

use super::answer::Answer;
use super::creation::is_of_harbor;
use super::fault::{Fault, Purpose};
use super::retry::parse_retry_after;
use crate::wire::{ErrorBody, ErrorCode};

/// The longest message of a registry that is passed on, in characters.
pub(super) const MESSAGE_LIMIT: usize = 300;
/// The longest code.
const CODE_LIMIT: usize = 60;

/// The words in which registries say that a quota is used up (Harbor, Quay, ACR, Docker Hub).
const QUOTA_WORDS: [&str; 5] =
    ["quota", "storage limit", "upper limit", "storage resource", "limit exceeded"];
/// The words in which a full disk shows through.
const FULL_WORDS: [&str; 4] = ["no space left", "enospc", "disk full", "insufficient storage"];

/// What is said of a body that is too large; who knows how large it was puts that in its place.
pub(super) const THIS_SIZE: &str = "of this size";

/// Where Debian's registry shows the error number of its file system, and that of a full disk (ENOSPC).
const ERRNO: (&str, u64) = ("/Enclosed/Err", 28);

/// Tells whether the same request may be answered otherwise later.
pub(super) fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// Reads how long the server asks to wait. Its own `Date`, where it sends one, is the clock for a date.
pub(super) fn asked_wait(answer: &Answer, now: fn() -> SystemTime) -> Option<Duration> {
    let date = answer.header(&header::DATE).and_then(|text| httpdate::parse_http_date(text).ok());
    parse_retry_after(answer.header(&header::RETRY_AFTER)?, date.unwrap_or_else(now))
}

/// Makes the error of an answer that is not what was wanted. A `sensitive` request has signed state in its
/// URL, which a message may repeat.
pub(super) fn refusal(purpose: &Purpose, answer: &Answer, sensitive: bool, wait: Option<Duration>) -> Fault {
    // What is no error has no words, and may have anything in it.
    let is_error = !answer.status.is_success();
    let words = if is_error { Words::read(&answer.bytes(), sensitive) } else { Words::default() };
    let kind = kind(answer, &words, purpose.operation, wait);
    let purpose = if answer.is_foreign { &purpose.led_to(&answer.url) } else { purpose };
    let mut reason = reason(answer, &words, kind, purpose.operation);
    if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
        reason = format!("{reason}; it asks to come back in {}", in_words(wait));
    }
    purpose.fault(kind).because(reason).wait(wait)
}

fn reason(answer: &Answer, words: &Words, kind: ErrorKind, operation: Operation) -> String {
    let mut reason = format!("it answers {}", answer.status.as_str());
    for (separator, text) in [(" ", words.code.as_str()), (": ", words.message.as_str())] {
        if !text.is_empty() {
            reason.push_str(separator);
            reason.push_str(text);
        }
    }
    let unmade = if is_push(operation) && kind == ErrorKind::NotFound { unmade(words) } else { None };
    let unmade = unmade.map(str::to_owned);
    match unmade.or_else(|| hint(answer, kind, words, operation)) {
        Some(hint) => reason + &hint,
        None => reason,
    }
}

/// Says in plain words what the number does not.
fn hint(answer: &Answer, kind: ErrorKind, words: &Words, operation: Operation) -> Option<String> {
    let hint = match (answer.status, kind) {
        (_, ErrorKind::NoSpace) if words.has_any(&QUOTA_WORDS) => " (its quota is used up)",
        (_, ErrorKind::NoSpace) => " (its disk is full)",
        (StatusCode::PAYLOAD_TOO_LARGE, _) => {
            return Some(format!(" (the registry, or a proxy in front of it, takes no body {THIS_SIZE})"));
        }
        (StatusCode::PROXY_AUTHENTICATION_REQUIRED, _) => " (the proxy on the way wants credentials)",
        (StatusCode::UNAUTHORIZED, _) if is_about_content(operation) && is_of_harbor(&answer.headers) => {
            " (Harbor answers so, too, where the project is not there)"
        }
        (status, _) if status.is_success() => ", which is not what this request is answered with",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Tells whether what is asked for lies in a repository.
fn is_about_content(operation: Operation) -> bool {
    !matches!(operation, Operation::Connect | Operation::Authenticate | Operation::CreateRepository)
}

/// Says that something has to be made before the push: ECR wants the repository, Harbor the project.
fn unmade(words: &Words) -> Option<&'static str> {
    let is_unknown = words.code == ErrorCode::NameUnknown.as_str();
    if words.has_any(&["project"]) && (is_unknown || words.has_any(&["not found", "not exist"])) {
        Some(" (the project has to be made there first)")
    } else if is_unknown {
        Some(" (the repository has to be made there first)")
    } else {
        None
    }
}

/// The status decides where it is specific, else the code does: `400` and `404` carry many.
fn kind(answer: &Answer, words: &Words, operation: Operation, wait: Option<Duration>) -> ErrorKind {
    match answer.status.as_u16() {
        507 => ErrorKind::NoSpace,
        status if status >= 400 && words.tell_of_a_full_disk() => ErrorKind::NoSpace,
        401 | 407 => ErrorKind::Unauthenticated,
        403 | 413 if words.has_any(&QUOTA_WORDS) => ErrorKind::NoSpace,
        403 => ErrorKind::Denied,
        // Nobody's rights are in question: the way is too narrow.
        413 => ErrorKind::Unsupported,
        429 => ErrorKind::Busy,
        status if is_transient(answer.status) || status >= 500 && status != 501 && status != 505 => {
            if wait.is_some() { ErrorKind::Busy } else { ErrorKind::Unavailable }
        }
        status => kind_of_code(&words.code, operation).unwrap_or(match status {
            404 | 410 => ErrorKind::NotFound,
            405 | 501 | 505 => ErrorKind::Unsupported,
            _ => ErrorKind::Invalid,
        }),
    }
}

fn kind_of_code(code: &str, operation: Operation) -> Option<ErrorKind> {
    Some(match ErrorCode::from_name(code) {
        ErrorCode::BlobUnknown
        | ErrorCode::BlobUploadUnknown
        | ErrorCode::ManifestBlobUnknown
        | ErrorCode::ManifestUnknown
        | ErrorCode::NameUnknown => ErrorKind::NotFound,
        // A client never sends a malformed digest, so it is the content that has another one.
        ErrorCode::DigestInvalid | ErrorCode::SizeInvalid if is_push(operation) => ErrorKind::Mismatch,
        ErrorCode::Unsupported => ErrorKind::Unsupported,
        ErrorCode::Denied => ErrorKind::Denied,
        ErrorCode::Unauthorized => ErrorKind::Unauthenticated,
        ErrorCode::TooManyRequests => ErrorKind::Busy,
        _ => return None,
    })
}

fn is_push(operation: Operation) -> bool {
    matches!(operation, Operation::PushBlob | Operation::PushManifest)
}

/// What the body of an error says.
#[derive(Debug, Default)]
struct Words {
    code: String,
    message: String,
    /// The detail tells of a full disk, which the message does not.
    is_full: bool,
}

impl Words {
    /// Reads the protocol's form, and the ones that token services have.
    fn read(body: &[u8], sensitive: bool) -> Self {
        let (code, message, is_full) = match ErrorBody::parse(body).map(|body| body.errors.into_iter().next())
        {
            Some(Some(first)) => {
                let errno = first.detail.pointer(ERRNO.0).and_then(Value::as_u64);
                (first.code.as_str().to_owned(), first.message, errno == Some(ERRNO.1))
            }
            Some(None) => (String::new(), String::new(), false),
            None => (String::new(), loose_message(body).unwrap_or_default(), false),
        };
        let message = if sensitive { without_state(&message) } else { message };
        Self { code: plain(&code, CODE_LIMIT), message: plain(&message, MESSAGE_LIMIT), is_full }
    }

    fn tell_of_a_full_disk(&self) -> bool {
        self.is_full || self.has_any(&FULL_WORDS)
    }

    fn has_any(&self, words: &[&str]) -> bool {
        let message = self.message.to_ascii_lowercase();
        words.iter().any(|word| message.contains(word))
    }
}

/// Docker Hub's token service has `details`, others `message` or OAuth's fields (RFC 6749, section 5.2).
fn loose_message(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let fields = ["details", "message", "error_description", "error"];
    fields.iter().find_map(|name| value.get(name)?.as_str()).map(str::to_owned)
}

/// Cuts off what follows a `?` or `=` in each word: there is the state of an upload.
fn without_state(message: &str) -> String {
    let cut = |word: &str| match word.find(['?', '=']) {
        Some(at) => format!("{}…", &word[..at]),
        None => word.to_owned(),
    };
    message.split(' ').map(cut).collect::<Vec<_>>().join(" ")
}

/// Makes a server's text safe for a terminal: no control characters, none that turn the direction of text.
pub(super) fn plain(text: &str, limit: usize) -> String {
    let is_hidden =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let joined = words.collect::<Vec<_>>().join(" ");
    let mut visible = joined.chars().filter(|c| !is_hidden(*c));
    let mut plain: String = visible.by_ref().take(limit).collect();
    if visible.next().is_some() {
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::answer::Body;
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use std::error::Error as _;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: http::HeaderMap::new(),
            url: "https://r.example/v2/?secret".parse().unwrap(),
            is_foreign: false,
            body: Body::Whole(Bytes::copy_from_slice(body.as_bytes())),
        }
    }

    fn coded(code: &str, message: &str) -> String {
        serde_json::json!({"errors": [{"code": code, "message": message}]}).to_string()
    }

    /// What Debian's docker-registry 2.8 answers when its disk is full.
    const DEBIAN_FULL: &str = r#"{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":
        {"DriverName":"filesystem","Enclosed":{"Op":"write","Path":"/x/data","Err":28}}}]}"#;

    #[test]
    fn kinds() {
        use ErrorKind::{
            Busy, Denied, Invalid, Mismatch, NoSpace, NotFound, Unauthenticated, Unavailable, Unsupported,
        };
        let cases = [
            (404, coded("MANIFEST_UNKNOWN", ""), NotFound),
            (404, String::new(), NotFound),
            (400, coded("MANIFEST_BLOB_UNKNOWN", ""), NotFound),
            (400, coded("NAME_UNKNOWN", ""), NotFound),
            (400, coded("DIGEST_INVALID", ""), Mismatch),
            (400, coded("MANIFEST_INVALID", ""), Invalid),
            (400, "<html>".to_owned(), Invalid),
            (401, coded("DENIED", "x"), Unauthenticated),
            (403, coded("DENIED", "no"), Denied),
            (403, coded("DENIED", "will exceed the configured upper limit of 10 MiB"), NoSpace),
            (405, String::new(), Unsupported),
            (405, coded("UNSUPPORTED", ""), Unsupported),
            (404, coded("UNSUPPORTED", ""), Unsupported),
            (407, String::new(), Unauthenticated),
            (413, String::new(), Unsupported),
            (429, coded("TOOMANYREQUESTS", ""), Busy),
            (500, coded("UNKNOWN", "write /x: no space left on device"), NoSpace),
            (500, coded("UNKNOWN", ""), Unavailable),
            (501, String::new(), Unsupported),
            (503, String::new(), Unavailable),
            (507, String::new(), NoSpace),
            (500, DEBIAN_FULL.to_owned(), NoSpace),
            (200, String::new(), Invalid),
        ];
        let purpose = Purpose::of(Operation::PushBlob);
        for (status, body, kind) in cases {
            let fault = refusal(&purpose, &answer(status, &body), false, None);
            assert_eq!(fault.kind, kind, "{status} {body}");
        }
        let pulled = Purpose::of(Operation::FetchBlob);
        let refused = refusal(&pulled, &answer(400, &coded("DIGEST_INVALID", "")), false, None);
        assert_eq!(refused.kind, Invalid);
        let wait = Some(Duration::from_secs(300));
        assert_eq!(refusal(&pulled, &answer(503, ""), false, wait).at("r").wait(), wait);
        assert_eq!(refusal(&pulled, &answer(503, ""), false, wait).kind, Busy);
    }

    #[test]
    fn the_words_of_the_registry_are_passed_on() {
        let told = |status, body: &str, sensitive| {
            let purpose = Purpose::new(Operation::PushBlob, "a/b");
            let error = refusal(&purpose, &answer(status, body), sensitive, None).at("r.example");
            assert!(error.source().is_none());
            error.to_string().replace("r.example: cannot push blob a/b: ", "")
        };
        let body = coded("DENIED", "not\n\u{1b}[31myou\u{202e}");
        assert_eq!(told(403, &body, false), "it answers 403 DENIED: not [31myou");
        assert_eq!(told(404, "", false), "it answers 404");
        assert_eq!(
            told(401, r#"{"details":"incorrect password"}"#, false),
            "it answers 401: incorrect password"
        );
        let state = coded("BLOB_UPLOAD_INVALID", "bad /v2/x?_state=abc here _state=abc");
        assert_eq!(told(400, &state, true), "it answers 400 BLOB_UPLOAD_INVALID: bad /v2/x… here _state…");
        let long = told(400, &coded(&"C".repeat(500), &"m".repeat(5000)), false);
        assert!(long.chars().count() < 400, "{long}");
        let full = told(403, &coded("DENIED", "quota exceeded"), false);
        assert_eq!(full, "it answers 403 DENIED: quota exceeded (its quota is used up)");
    }

    proptest! {
        #[test]
        fn nothing_in_a_message_controls_a_terminal(text in "\\PC{0,40}|[\\x00-\\x1f\\x7f-\\x9fa ]{0,40}") {
            let plain = plain(&text, 10);
            prop_assert!(!plain.chars().any(char::is_control) && plain.chars().count() <= 11);
        }
    }
}
