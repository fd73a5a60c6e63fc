//! One entry of `auths`: a user and a password in one of the forms that Docker has had over the years.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sealift_registry::client::Secret;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::Found;
use super::document::{Document, quoted};

/// Padding is wanted from nobody: files are written by hand, too.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an entry may hold. It has no `Debug` form.
#[derive(Deserialize)]
struct Entry {
    auth: Option<Zeroed>,
    identitytoken: Option<Zeroed>,
    username: Option<String>,
    password: Option<Zeroed>,
}

/// A text that is wiped from memory.
#[derive(Default, Deserialize)]
#[serde(from = "String")]
struct Zeroed(Zeroizing<String>);

impl From<String> for Zeroed {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// Reads an entry. `auth` counts before `username` and `password`, a token before a password. What is wrong
/// with an entry is told in words that repeat nothing of it.
pub(super) fn read(text: &str) -> Result<Found, &'static str> {
    let entry: Option<Entry> =
        serde_json::from_str(text).map_err(|_| "should hold texts named auth, identitytoken and the like")?;
    let Some(entry) = entry else { return Ok(Found::None) };
    let auth = entry.auth.unwrap_or_default().0;
    let (username, password) = if auth.is_empty() {
        (entry.username.unwrap_or_default(), entry.password.unwrap_or_default().0)
    } else {
        decode(&auth)?
    };
    let token = entry.identitytoken.unwrap_or_default().0;
    if token.is_empty() {
        return Ok(Found::of_password(username, Secret::new(password.as_str())));
    }
    let username = (!username.is_empty()).then_some(username);
    Ok(Found::IdentityToken { username, token: Secret::new(token.as_str()) })
}

/// Takes `user:password` apart, at the first colon. Old versions of Docker filled it up with zeros.
fn decode(auth: &str) -> Result<(String, Zeroizing<String>), &'static str> {
    const EXPECTED: &str = "should have an `auth` that is base64 of user:password";
    let bytes = Zeroizing::new(BASE64.decode(auth.trim_ascii()).map_err(|_| EXPECTED)?);
    let pair = std::str::from_utf8(&bytes).map_err(|_| EXPECTED)?;
    let (username, password) = pair.split_once(':').ok_or(EXPECTED)?;
    Ok((username.to_owned(), Zeroizing::new(password.trim_matches('\0').to_owned())))
}

/// Writes the entry that Docker writes.
pub(super) fn write(username: &str, password: &Secret, depth: usize) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{username}:{}", password.expose()));
    let auth = Zeroizing::new(BASE64.encode(pair.as_bytes()));
    let mut entry = Document::default();
    entry.set("auth", quoted(&auth));
    entry.to_text(depth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(found: &Found) -> String {
        match found {
            Found::None => "none".to_owned(),
            Found::Basic { username, password } => format!("{username}:{}", password.expose()),
            Found::IdentityToken { username, token } => {
                format!("{} token {}", username.as_deref().unwrap_or("-"), token.expose())
            }
        }
    }

    /// entry → what it is; `!` is malformed.
    #[test]
    fn entries_of_all_ages_are_read() {
        let cases = [
            (r#"{"auth":"bWU6aHVudGVyMg=="}"#, "me:hunter2"),
            (r#"{"auth":"bWU6aHVudGVyMg"}"#, "me:hunter2"),
            (r#"{"auth":" bWU6aHVudGVyMg==\n"}"#, "me:hunter2"),
            // user:pass:word, and a password that is filled up with zeros.
            (r#"{"auth":"dXNlcjpwYXNzOndvcmQ="}"#, "user:pass:word"),
            (r#"{"auth":"bWU6YQAA"}"#, "me:a"),
            (r#"{"username":"me","password":"hunter2","email":"x"}"#, "me:hunter2"),
            (r#"{"auth":"","username":"me","password":"hunter2"}"#, "me:hunter2"),
            (r#"{"auth":"bWU6aHVudGVyMg==","username":"other","password":"x"}"#, "me:hunter2"),
            (r#"{"auth":"bWU6aHVudGVyMg==","identitytoken":"t"}"#, "me token t"),
            // az acr login: a user that is none, no password, and a token.
            (
                r#"{"auth":"MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==","identitytoken":"t"}"#,
                "00000000-0000-0000-0000-000000000000 token t",
            ),
            (
                r#"{"username":"00000000-0000-0000-0000-000000000000","password":"t"}"#,
                "00000000-0000-0000-0000-000000000000 token t",
            ),
            (r#"{"username":"<token>","password":"t"}"#, "- token t"),
            (r#"{"identitytoken":"t"}"#, "- token t"),
            (r#"{"auth":"OnQ="}"#, ":t"),
            ("{}", "none"),
            ("null", "none"),
            (r#"{"auth":""}"#, "none"),
            (r#"{"auth":null,"email":null}"#, "none"),
            (r#"{"username":"me"}"#, "none"),
            (r#"{"auth":"bWU6"}"#, "none"),
            (r#"{"auth":"bWU"}"#, "!"),
            (r#"{"auth":"//79"}"#, "!"),
            (r#"{"auth":"hunter2!"}"#, "!"),
            (r#"{"auth":5}"#, "!"),
            (r#""hunter2""#, "!"),
            ("[]", "!"),
        ];
        for (text, expected) in cases {
            let read = read(text);
            assert_eq!(read.as_ref().map_or("!".to_owned(), shown), expected, "{text}");
            assert!(!format!("{read:?}").contains("hunter2"), "{read:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(username in "[^:\0]{1,9}", password in "[^\0]{1,20}") {
            let text = write(&username, &Secret::new(password.clone()), 0);
            prop_assert_eq!(shown(&read(&text).unwrap()), format!("{username}:{password}"));
        }

        #[test]
        fn any_entry_is_read_without_panic(text in ".{0,40}", auth in "[A-Za-z0-9+/=]{0,20}") {
            let _ = read(&text);
            let _ = read(&format!("{{\"auth\":\"{auth}\"}}"));
        }
    }
}
