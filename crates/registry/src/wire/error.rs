//! The error codes, and the JSON body that carries them ("Error Codes").

use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The largest error body that is read, in bytes; a proxy's whole page of apologies fits.
pub const ERROR_BODY_LIMIT: usize = 64 * 1024;

/// Makes the codes and the one table of their names, statuses and messages.
macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:ident, $message:literal;)*) => {
        /// What went wrong, as the wire names it.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
            /// A code that is not in the table; registries have their own.
            Other(String),
        }

        impl ErrorCode {
            /// Every code of the table.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            fn row(&self) -> (&str, StatusCode, &'static str) {
                match self {
                    $(Self::$variant => ($name, StatusCode::$status, $message),)*
                    Self::Other(name) => (name, StatusCode::INTERNAL_SERVER_ERROR, "another error"),
                }
            }
        }
    };
}

// The first fourteen are the specification's, in its order; the rest are Docker's registry's.
error_codes! {
    /// The blob is not in the repository.
    BlobUnknown = "BLOB_UNKNOWN", NOT_FOUND, "blob unknown to registry";
    /// The upload cannot go on.
    BlobUploadInvalid = "BLOB_UPLOAD_INVALID", BAD_REQUEST, "blob upload invalid";
    /// The upload is not there.
    BlobUploadUnknown = "BLOB_UPLOAD_UNKNOWN", NOT_FOUND, "blob upload unknown to registry";
    /// The content has another digest, or the digest is malformed.
    DigestInvalid = "DIGEST_INVALID", BAD_REQUEST, "provided digest did not match uploaded content";
    /// A manifest links to something that is not in the repository. The specification leaves the status
    /// open; its conformance tests and Docker's registry have both 404 and 400, and 404 says what a client
    /// can do: push what is missing.
    ManifestBlobUnknown = "MANIFEST_BLOB_UNKNOWN", NOT_FOUND,
        "manifest references a manifest or blob unknown to registry";
    /// The manifest cannot be read.
    ManifestInvalid = "MANIFEST_INVALID", BAD_REQUEST, "manifest invalid";
    /// The manifest is not in the repository.
    ManifestUnknown = "MANIFEST_UNKNOWN", NOT_FOUND, "manifest unknown to registry";
    /// The name of a repository is malformed.
    NameInvalid = "NAME_INVALID", BAD_REQUEST, "invalid repository name";
    /// The repository is not there.
    NameUnknown = "NAME_UNKNOWN", NOT_FOUND, "repository name not known to registry";
    /// The content has another length than was said.
    SizeInvalid = "SIZE_INVALID", BAD_REQUEST, "provided length did not match content length";
    /// Credentials are missing or wrong.
    Unauthorized = "UNAUTHORIZED", UNAUTHORIZED, "authentication required";
    /// Who asks may not.
    Denied = "DENIED", FORBIDDEN, "requested access to the resource is denied";
    /// The registry cannot do this.
    Unsupported = "UNSUPPORTED", METHOD_NOT_ALLOWED, "the operation is unsupported";
    /// The client asks too often.
    TooManyRequests = "TOOMANYREQUESTS", TOO_MANY_REQUESTS, "too many requests";
    /// The tag is malformed.
    TagInvalid = "TAG_INVALID", BAD_REQUEST, "invalid tag";
    /// A chunk does not begin where the last one ended, or a range is not in the blob.
    RangeInvalid = "RANGE_INVALID", RANGE_NOT_SATISFIABLE, "invalid range";
    /// The number of entries wanted is no number.
    PaginationNumberInvalid = "PAGINATION_NUMBER_INVALID", BAD_REQUEST, "invalid number of results requested";
    /// The registry asks to come back later.
    Unavailable = "UNAVAILABLE", SERVICE_UNAVAILABLE, "service unavailable";
    /// Something else failed.
    Unknown = "UNKNOWN", INTERNAL_SERVER_ERROR, "unknown error";
}

impl ErrorCode {
    /// Returns the code of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let known = Self::ALL.iter().find(|code| code.as_str() == name);
        known.cloned().unwrap_or_else(|| Self::Other(name.to_owned()))
    }

    /// Returns the name on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.row().0
    }

    /// Returns the status that usually goes with it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.row().1
    }

    /// Returns the message that usually goes with it.
    #[must_use]
    pub fn message(&self) -> &'static str {
        self.row().2
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self::from_name(&name))
    }
}

/// The body of an answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorBody {
    /// What went wrong; at least one entry where the body was parsed.
    pub errors: Vec<ErrorEntry>,
}

/// One thing that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorEntry {
    /// The code.
    pub code: ErrorCode,
    /// The message; empty where the registry gave none.
    pub message: String,
    /// Free JSON.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub detail: Value,
}

impl ErrorBody {
    /// Makes a body with one error in it.
    #[must_use]
    pub fn new(code: ErrorCode, message: &str) -> Self {
        Self { errors: vec![ErrorEntry { code, message: message.to_owned(), detail: Value::Null }] }
    }

    /// Returns the JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and JSON values cannot fail to serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a body leniently: registries and the proxies before them send all kinds of things. Entries
    /// without a code are left out; `None` where nothing remains, or the body is too long.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        if body.len() > ERROR_BODY_LIMIT {
            return None;
        }
        let mut body: Value = serde_json::from_slice(body).ok()?;
        let entries = body.get_mut("errors")?.as_array_mut()?;
        let errors: Vec<_> = entries.iter_mut().filter_map(ErrorEntry::read).collect();
        if errors.is_empty() { None } else { Some(Self { errors }) }
    }
}

impl ErrorEntry {
    fn read(entry: &mut Value) -> Option<Self> {
        let code = ErrorCode::from_name(entry.get("code")?.as_str()?);
        let message = entry.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
        let detail = entry.get_mut("detail").map(Value::take).unwrap_or_default();
        Some(Self { code, message, detail })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_table_is_whole() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_name(code.as_str()), *code);
            let upper = code.as_str().bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
            assert!(upper, "{code:?}");
            assert!(code.message().bytes().all(|b| b == b' ' || b.is_ascii_lowercase()), "{code:?}");
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code:?}");
            let body = ErrorBody::new(code.clone(), code.message());
            assert_eq!(ErrorBody::parse(&body.to_json()), Some(body));
        }
        let names: std::collections::BTreeSet<_> = ErrorCode::ALL.iter().map(ErrorCode::as_str).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        assert_eq!(ErrorCode::from_name("X"), ErrorCode::Other("X".to_owned()));
    }

    #[test]
    fn the_body_is_what_the_specification_shows() {
        let body = ErrorBody::new(ErrorCode::BlobUnknown, "gone");
        assert_eq!(body.to_json(), br#"{"errors":[{"code":"BLOB_UNKNOWN","message":"gone"}]}"#);
    }

    #[test]
    fn bodies_are_read_leniently() {
        let cases = [
            (r#"{"errors":[{"code":"DENIED","message":"no","detail":{"a":1}}]}"#, Some(("DENIED", "no"))),
            (r#"{"errors":[{"code":"MINE"}],"more":1}"#, Some(("MINE", ""))),
            (r#"{"errors":[{"code":"X","message":null},7]}"#, Some(("X", ""))),
            (r#"{"errors":[7,{"message":"m"},{"code":"Y","message":"m"}]}"#, Some(("Y", "m"))),
            (r#"{"errors":[]}"#, None),
            (r#"{"errors":{"code":"X"}}"#, None),
            (r#"{"error":"denied"}"#, None),
            (r#"[{"code":"X"}]"#, None),
            ("<html>502</html>", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let body = ErrorBody::parse(text.as_bytes());
            let first = body.as_ref().map(|it| (it.errors[0].code.as_str(), it.errors[0].message.as_str()));
            assert_eq!(first, expected, "{text}");
        }
    }

    #[test]
    fn bounds_hold() {
        let long = ErrorBody::new(ErrorCode::Denied, &"x".repeat(ERROR_BODY_LIMIT));
        assert_eq!(ErrorBody::parse(&long.to_json()), None);
        let deep = format!(r#"{{"errors":{}"#, "[".repeat(ERROR_BODY_LIMIT / 2));
        assert_eq!(ErrorBody::parse(deep.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,60}|\\{\"errors\":\\[\\{\"code\":[a-z\"{}\\[\\]0-9:,]{0,20}") {
            let _ = ErrorBody::parse(text.as_bytes());
        }
    }
}
