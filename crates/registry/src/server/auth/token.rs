//! Tokens: who somebody is, told for some minutes by the server to itself.
//!
//! They are wanted where some repositories are for everybody and others are not. Docker signs in only where `/v2/` refuses
//! it, and there is no way to be nobody by HTTP's Basic scheme; a token is given to everybody, for a password or without
//! one. It says who asks and not what they may do, which is looked up at each request. Nothing is kept of it.

use std::time::Duration;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::Instant;

use super::htpasswd::Users;

/// How long a token is good. Clients ask for another one in time.
pub(super) const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The parts of a token: when it ends, the seal, and the rest is the name of the user.
const TIME_SIZE: usize = 8;
const SEAL_SIZE: usize = 32;

/// Makes tokens, and knows its own again. Another process does not.
#[derive(Debug)]
pub(super) struct Tokens {
    key: hmac::Key,
    /// What times are counted from.
    start: Instant,
}

/// Whom a token is of; nobody in particular has one, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bearer(pub(super) Option<String>);

impl Tokens {
    pub(super) fn new(start: Instant) -> Result<Self, Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        Ok(Self { key, start })
    }

    /// Makes a token. It ends with the password, too.
    pub(super) fn issue(&self, user: Option<&str>, users: &Users, now: Instant) -> String {
        let end = (now - self.start + LIFETIME).as_secs().to_be_bytes();
        let name = user.unwrap_or_default();
        let seal = hmac::sign(&self.key, &sealed(end, name, users));
        URL_SAFE_NO_PAD.encode([&end, seal.as_ref(), name.as_bytes()].concat())
    }

    /// Reads a token; `None` of what is none, or is over.
    pub(super) fn read(&self, token: &str, users: &Users, now: Instant) -> Option<Bearer> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (end, rest) = bytes.split_first_chunk::<TIME_SIZE>()?;
        let (seal, name) = rest.split_first_chunk::<SEAL_SIZE>()?;
        let name = std::str::from_utf8(name).ok()?;
        hmac::verify(&self.key, &sealed(*end, name, users), seal).ok()?;
        let is_good = (now - self.start).as_secs() < u64::from_be_bytes(*end);
        let is_there = name.is_empty() || users.has(name);
        (is_good && is_there).then(|| Bearer((!name.is_empty()).then(|| name.to_owned())))
    }
}

/// No name has a colon and no hash has one, so no two tokens are sealed over the same bytes.
fn sealed(end: [u8; TIME_SIZE], name: &str, users: &Users) -> Vec<u8> {
    let hash = users.hash(name).unwrap_or_default();
    [&end, name.as_bytes(), b":", hash.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(password: &str) -> Users {
        let parts = bcrypt::hash_with_salt(password, 4, [7; 16]).unwrap();
        let hash = parts.format_for_version(bcrypt::Version::TwoY);
        Users::parse(&format!("me:{hash}\nyou:{hash}\n")).unwrap()
    }

    #[test]
    fn a_token_is_good_for_its_user_its_password_and_its_time() {
        let (users, start) = (users("x"), Instant::now());
        let tokens = Tokens::new(start).unwrap();
        let later = start + Duration::from_secs(100);
        let (mine, nobodys) = (tokens.issue(Some("me"), &users, later), tokens.issue(None, &users, later));
        let me = Some(Bearer(Some("me".to_owned())));
        for (token, seconds, expected) in
            [(&mine, 399, me), (&mine, 400, None), (&nobodys, 399, Some(Bearer(None))), (&nobodys, 400, None)]
        {
            assert_eq!(
                tokens.read(token, &users, start + Duration::from_secs(seconds)),
                expected,
                "{seconds}"
            );
        }
        let (changed, other) = (self::users("y"), Tokens::new(start).unwrap());
        assert_eq!(tokens.read(&mine, &changed, later), None, "the password is another one");
        assert_eq!(tokens.read(&nobodys, &changed, later), Some(Bearer(None)));
        assert_eq!(other.read(&mine, &users, later), None, "the process is another one");
        let stranger = tokens.issue(Some("stranger"), &users, later);
        assert_eq!(tokens.read(&stranger, &users, later), None, "the user is not there");
    }

    #[test]
    fn what_was_changed_is_no_token() {
        let (users, now) = (users("x"), Instant::now());
        let tokens = Tokens::new(now).unwrap();
        let token = tokens.issue(Some("me"), &users, now);
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(tokens.read(&URL_SAFE_NO_PAD.encode(&changed), &users, now), None, "{at}");
            assert_eq!(tokens.read(&URL_SAFE_NO_PAD.encode(&bytes[..at]), &users, now), None, "{at}");
        }
        let renamed = [&bytes[..TIME_SIZE + SEAL_SIZE], b"you"].concat();
        for text in ["", "x", "!", &URL_SAFE_NO_PAD.encode(renamed), &format!("{token}=")] {
            assert_eq!(tokens.read(text, &users, now), None, "{text}");
        }
    }
}
