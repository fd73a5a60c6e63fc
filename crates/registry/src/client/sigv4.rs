//! Amazon's signatures, version 4, of a request that its query protocols know: a `POST` to `/` without a
//! query, whose body is whole. Pure: the time comes in, and the headers come out.
//!
//! The secret key never leaves this machine: a key of a day, a region and a service is made of it, and that
//! signs the request ("Create a signed AWS API request").

use std::fmt::Write as _;
use std::time::SystemTime;

use aws_lc_rs::{digest, hmac};
use http::HeaderValue;

use super::Secret;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const ENDING: &str = "aws4_request";

/// Keys of Amazon's APIs, as its own tools take them from the environment.
#[derive(Clone, Debug)]
pub struct AmazonKeys {
    /// The access key's name (`AWS_ACCESS_KEY_ID`).
    pub id: String,
    /// The access key (`AWS_SECRET_ACCESS_KEY`).
    pub secret: Secret,
    /// What goes with a key that was given for some hours (`AWS_SESSION_TOKEN`).
    pub session: Option<Secret>,
}

/// For what a request is signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// When, as [`timestamp`] writes it.
    pub(super) time: &'a str,
}

impl Scope<'_> {
    fn date(&self) -> &str {
        self.time.split('T').next().unwrap_or_default()
    }

    fn text(&self) -> String {
        format!("{}/{}/{}/{ENDING}", self.date(), self.region, self.service)
    }
}

impl AmazonKeys {
    /// Makes the value of `Authorization` for a request with these headers, whose names are in lower case and
    /// in alphabetical order; `None` where no header can carry it.
    pub(super) fn sign(
        &self,
        scope: &Scope<'_>,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<HeaderValue> {
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let to_sign =
            [ALGORITHM, scope.time, &scope.text(), &sha256(canonical(headers, &names, body))].join("\n");
        let signature = hex(mac(&self.day_key(scope), &to_sign).as_ref());
        let (id, scope) = (&self.id, scope.text());
        let value =
            format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        let mut value = HeaderValue::from_str(&value).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn day_key(&self, scope: &Scope<'_>) -> hmac::Key {
        let first = zeroize::Zeroizing::new(format!("AWS4{}", self.secret.expose()));
        let parts = [scope.date(), scope.region, scope.service, ENDING];
        parts.iter().fold(key(first.as_bytes()), |signer, part| key(mac(&signer, part).as_ref()))
    }
}

/// The request in the form that both sides sign.
fn canonical(headers: &[(&str, &str)], names: &str, body: &[u8]) -> String {
    let mut lines = String::from("POST\n/\n\n");
    for (name, value) in headers {
        lines.push_str(&format!("{name}:{}\n", value.trim()));
    }
    lines + "\n" + names + "\n" + &sha256(body)
}

/// Writes a point in time as `20150830T123600Z`.
pub(super) fn timestamp(time: SystemTime) -> String {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    // `Sun, 06 Nov 1994 08:49:37 GMT`: the one calendar that is here.
    let text = httpdate::fmt_http_date(time);
    let parts: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, day, month, year, clock, _] = parts[..] else { return String::new() };
    let month = MONTHS.find(month).unwrap_or_default() / 3 + 1;
    format!("{year}{month:02}{day}T{}Z", clock.replace(':', ""))
}

fn key(bytes: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, bytes)
}

fn mac(key: &hmac::Key, text: &str) -> hmac::Tag {
    hmac::sign(key, text.as_bytes())
}

fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(digest::digest(&digest::SHA256, bytes.as_ref()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const TIME: &str = "20150830T123600Z";
    const SESSION: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

    fn keys() -> AmazonKeys {
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        AmazonKeys { id: "AKIDEXAMPLE".to_owned(), secret, session: None }
    }

    /// Amazon's own `aws-sig-v4-test-suite`: post-vanilla, post-x-www-form-urlencoded, post-sts-header-before.
    #[test]
    fn signatures_are_those_of_the_test_suite() {
        let base = [("host", "example.amazonaws.com"), ("x-amz-date", TIME)];
        let form = ("content-type", "application/x-www-form-urlencoded");
        let cases = [
            (base.to_vec(), "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (
                [&[form][..], &base].concat(),
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            (
                [&base[..], &[("x-amz-security-token", SESSION)]].concat(),
                "",
                "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            ),
        ];
        for (headers, body, signature) in cases {
            let scope = Scope { region: "us-east-1", service: "service", time: TIME };
            let signed = keys().sign(&scope, &headers, body.as_bytes()).unwrap();
            let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={}, Signature={signature}",
                names.join(";")
            );
            assert_eq!(signed.to_str().unwrap(), expected);
            assert!(signed.is_sensitive());
        }
    }

    #[test]
    fn times_are_written_as_amazon_wants_them() {
        let cases = [
            (0, "19700101T000000Z"),
            (1_440_938_160, TIME),
            (1_709_164_800, "20240229T000000Z"),
            (1_735_689_599, "20241231T235959Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn keys_are_never_printed() {
        let keys = AmazonKeys { session: Some(Secret::new(SESSION)), ..keys() };
        let text = format!("{keys:?}");
        assert!(!text.contains("wJalr") && !text.contains("AQoD"), "{text}");
    }
}
