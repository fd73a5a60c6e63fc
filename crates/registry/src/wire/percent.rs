//! Percent-encoding (RFC 3986, section 2.1) of path segments and query values.

use std::fmt::Write as _;

/// A text whose escapes are malformed, or that hides characters nobody needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PercentError;

/// Escapes everything except `[A-Za-z0-9_-]` and what is listed in `plain`. Dots are not in the set: a
/// segment `..` would be taken for a step up on the way.
pub(super) fn encode(text: &str, plain: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || plain.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Resolves the escapes. A `+` stays what it is: no value of this protocol has spaces, and media types have
/// plus signs. Control characters, NUL above all, are refused.
pub(super) fn decode(text: &str) -> Result<String, PercentError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => nibble(bytes.next())? << 4 | nibble(bytes.next())?,
            _ => byte,
        });
    }
    let decoded = String::from_utf8(decoded).map_err(|_| PercentError)?;
    if decoded.chars().any(char::is_control) { Err(PercentError) } else { Ok(decoded) }
}

fn nibble(digit: Option<u8>) -> Result<u8, PercentError> {
    let value = digit.and_then(|digit| char::from(digit).to_digit(16));
    value.and_then(|value| u8::try_from(value).ok()).ok_or(PercentError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn malformed_escapes_are_refused() {
        for text in ["%", "%2", "%g0", "%+1", "%00", "%0a", "%ff", "%c3", "a\u{7f}", "%é"] {
            assert_eq!(decode(text), Err(PercentError), "{text}");
        }
        for (text, decoded) in [("", ""), ("a+b", "a+b"), ("%2F%2f", "//"), ("%C3%A9", "é"), ("%25", "%")] {
            assert_eq!(decode(text).as_deref(), Ok(decoded), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes(text in "\\PC{0,40}") {
            let encoded = encode(&text, ":");
            prop_assert!(encoded.is_ascii() && !encoded.contains(['/', '.', '?', '&', '#', '+']));
            prop_assert_eq!(decode(&encoded), Ok(text));
        }

        #[test]
        fn decoding_never_panics(text in "\\PC{0,40}|(%[0-9a-f]{0,2}){0,9}") {
            let _ = decode(&text);
        }
    }
}
