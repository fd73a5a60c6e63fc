//! What a request says of who asks: user and password (RFC 7617), or a token (RFC 6750).

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

/// The longest credentials that are looked at, in bytes as they are sent.
const LIMIT: usize = 4096;

/// Who a client says it is. It does not print its password.
pub(super) struct Given {
    pub(super) user: String,
    pub(super) password: Zeroizing<String>,
}

/// What stands in the `Authorization` of a request.
pub(super) enum Credentials {
    /// Nothing that names anybody.
    None,
    Password(Given),
    Token(String),
}

/// What no credentials can be read of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Credentials {
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Unreadable> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Ok(Self::None) };
        if values.next().is_some() || value.len() > LIMIT {
            return Err(Unreadable);
        }
        let value = value.to_str().map_err(|_| Unreadable)?;
        let (scheme, rest) = value.split_once(' ').ok_or(Unreadable)?;
        if scheme.eq_ignore_ascii_case("Basic") {
            return Ok(Given::read(rest)?.map_or(Self::None, Self::Password));
        }
        let is_token = scheme.eq_ignore_ascii_case("Bearer");
        is_token.then(|| Self::Token(rest.trim().to_owned())).ok_or(Unreadable)
    }
}

impl Given {
    /// Clients that have no credentials may send an empty user with an empty password, which counts as nothing.
    fn read(encoded: &str) -> Result<Option<Self>, Unreadable> {
        let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).map_err(|_| Unreadable)?);
        let text = std::str::from_utf8(&decoded).map_err(|_| Unreadable)?;
        let (user, password) = text.split_once(':').ok_or(Unreadable)?;
        let given = Self { user: user.to_owned(), password: Zeroizing::new(password.to_owned()) };
        Ok(Some(given).filter(|given| !given.user.is_empty() || !given.password.is_empty()))
    }

    /// Makes what a success is remembered by: of no use to who does not have the key, which is this process's.
    pub(super) fn seal(&self, key: &hmac::Key) -> hmac::Tag {
        let mut context = hmac::Context::with_key(key);
        // No user has a colon, so no two pairs are one text.
        context.update(self.user.as_bytes());
        context.update(b":");
        context.update(self.password.as_bytes());
        context.sign()
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    /// A token reads as a user of that name.
    fn read(values: &[&str]) -> Result<Option<(String, String)>, Unreadable> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Ok(match Credentials::read(&headers)? {
            Credentials::None => None,
            Credentials::Password(given) => Some((given.user.clone(), given.password.to_string())),
            Credentials::Token(token) => Some((token, "a token".to_owned())),
        })
    }

    fn basic(text: impl AsRef<[u8]>) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn credentials_are_read_strictly() {
        let pair = |user: &str, password: &str| Ok(Some((user.to_owned(), password.to_owned())));
        let long = basic("x".repeat(LIMIT));
        let (simple, colons, empty) = (basic("me:x"), basic("me:a:b"), basic(":"));
        let cases: [(&[&str], _); 16] = [
            (&[], Ok(None)),
            (&[&empty], Ok(None)),
            (&[&simple], pair("me", "x")),
            (&[&simple.replace("Basic", "bAsIc")], pair("me", "x")),
            (&[&colons], pair("me", "a:b")),
            (&[&basic("é:ü")], pair("é", "ü")),
            (&[&basic("me:")], pair("me", "")),
            (&[&simple, &simple], Err(Unreadable)),
            (&[&long], Err(Unreadable)),
            (&[&basic("me")], Err(Unreadable)),
            (&[&basic([0xff, b':'])], Err(Unreadable)),
            (&["Basic !"], Err(Unreadable)),
            (&["Basic"], Err(Unreadable)),
            (&["bearer abc"], pair("abc", "a token")),
            (&["Bearer abc", &simple], Err(Unreadable)),
            (&["Digest abc"], Err(Unreadable)),
        ];
        for (values, expected) in cases {
            assert_eq!(read(values), expected, "{values:?}");
        }
    }

    #[test]
    fn a_password_is_not_printed_and_seals_differ() {
        let key = |bytes: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let given = |user: &str, password: &str| Given {
            user: user.to_owned(),
            password: Zeroizing::new(password.to_owned()),
        };
        let seal = |given: Given, bytes: &[u8]| given.seal(&key(bytes)).as_ref().to_vec();
        assert!(!format!("{:?}", given("me", "hunter2")).contains("hunter2"));
        let first = seal(given("me", "x"), b"1");
        assert_eq!(seal(given("me", "x"), b"1"), first);
        for (other, bytes) in [(given("me", "y"), b"1"), (given("m", "ex"), b"1"), (given("me", "x"), b"2")] {
            assert_ne!(seal(other, bytes), first);
        }
    }
}
