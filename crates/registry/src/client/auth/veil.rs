//! Secrets in the words of a server: some repeat what they were sent, in one form or another, whole or cut.
//!
//! A text is compared as it came, before anything is cut from it or joined in it: afterwards a secret could
//! not be known any more.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// The shortest secret that is looked for, and the shortest beginning of one where a text ends: a shorter one
/// is in every word. In characters.
const SHORTEST: usize = 4;
/// So many bytes that repeat a secret's beginning tell of it, wherever they stand.
const TELLING: usize = 8;

/// What stands in place of a secret.
const MARK: char = '…';

/// So many blanks or backslashes in a row are taken for one, which bounds the work on a text that is full of
/// them.
const LONGEST_RUN: usize = 16;

/// What may follow a text that was cut: it still counts as its end.
const CLOSING: [char; 10] = ['.', '…', '"', '\'', ')', ']', '}', '>', ' ', '\n'];

/// Secrets, to be found in any form that a server may repeat them in.
#[derive(Default)]
pub(in crate::client) struct Veil(Vec<Zeroizing<String>>);

impl fmt::Debug for Veil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Veil(…)")
    }
}

impl Veil {
    /// Looks for a secret as it is, and for its base64. What base64 is padded with says nothing.
    pub(in crate::client) fn add(&mut self, secret: &str) {
        self.add_encoded(secret);
        for form in [STANDARD_NO_PAD.encode(secret), URL_SAFE_NO_PAD.encode(secret)] {
            self.add_encoded(&form);
        }
    }

    /// Looks for something that is sent as it is: a token, or what is base64 already.
    pub(in crate::client) fn add_encoded(&mut self, secret: &str) {
        let secret = secret.trim_end_matches('=');
        if secret.chars().count() >= SHORTEST {
            self.0.push(Zeroizing::new(secret.to_owned()));
        }
    }

    /// Takes the secrets out of a text.
    pub(in crate::client) fn cover(&self, text: &str) -> String {
        let (mut covered, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(first) = rest.chars().next() {
            let length = self.0.iter().map(|secret| repeated(secret, rest)).max().unwrap_or_default();
            if length > 0 {
                covered.push(MARK);
                rest = &rest[length..];
            } else {
                covered.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        covered
    }
}

/// Returns how many bytes of the text's beginning repeat the secret, or enough of it; else zero. What encodes
/// a character may be in the secret itself, so each text is read both ways.
fn repeated(secret: &str, text: &str) -> usize {
    repeated_in(secret, text, false).max(repeated_in(secret, text, true))
}

fn repeated_in(secret: &str, text: &str, is_encoded: bool) -> usize {
    let (mut wanted, mut rest, mut found) = (secret, text, 0);
    while let Some(next) = wanted.chars().next() {
        let Some(length) = beginning(next, rest, is_encoded) else { break };
        found += 1;
        rest = &rest[length..];
        wanted = without_run(wanted, next);
    }
    let length = text.len() - rest.len();
    let is_enough = wanted.is_empty() || length >= TELLING || found >= SHORTEST && is_end(rest);
    if is_enough { length } else { 0 }
}

/// Goes on behind the first character: behind all of its kind where a server may write more or fewer of them,
/// which are blanks, that are joined, and the character that escapes others.
fn without_run(wanted: &str, first: char) -> &str {
    match first {
        '\\' => wanted.trim_start_matches('\\'),
        _ if is_blank(first) => wanted.trim_start_matches(is_blank),
        _ => &wanted[first.len_utf8()..],
    }
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// Tells whether the text ends, or a string of JSON: nothing follows but what closes it, or the half of a
/// character that was cut.
fn is_end(rest: &str) -> bool {
    const LONGEST_FORM: usize = 6;
    let is_half = rest.starts_with(['%', '\\', '&']) && rest.len() < LONGEST_FORM;
    let behind = rest.trim_start_matches(['.', '…']).strip_prefix('"');
    let is_string = behind.is_some_and(|behind| behind.starts_with([',', ':', '}', ']']));
    is_half || is_string || rest.chars().all(|c| CLOSING.contains(&c) || c == char::REPLACEMENT_CHARACTER)
}

/// Returns how many bytes of the text's beginning stand for a character; of a blank, for all that there are.
fn beginning(wanted: char, text: &str, is_encoded: bool) -> Option<usize> {
    let fits = |c: char| if is_blank(wanted) { is_blank(c) } else { c == wanted };
    let one = |text: &str| {
        let mut fitting = forms(text, is_encoded).filter(|(c, _)| fits(*c)).map(|(_, length)| length);
        if is_encoded { fitting.max() } else { fitting.next() }
    };
    let mut length = one(text)?;
    if is_blank(wanted) || wanted == '\\' {
        for _ in 1..LONGEST_RUN {
            length += one(&text[length..]).unwrap_or_default();
        }
    }
    Some(length)
}

/// Every character that the text's beginning may stand for, and how long that is: the character itself, or
/// as URLs, forms, JSON and HTML write it. A plus is a blank in forms only, where it is encoded itself.
fn forms(text: &str, is_encoded: bool) -> impl Iterator<Item = (char, usize)> {
    let literal = text.chars().next().map(|c| (c, c.len_utf8()));
    let plus = (is_encoded && text.starts_with('+')).then_some((' ', 1));
    [literal, plus, percent(text), escaped(text), entity(text)].into_iter().flatten()
}

/// `%C3%A9`, in capitals or not.
fn percent(text: &str) -> Option<(char, usize)> {
    const LONGEST_CHARACTER: usize = 4;
    let hex = |piece: &[u8]| match piece {
        [b'%', digits @ ..] => u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok(),
        _ => None,
    };
    let bytes: Vec<u8> = text.as_bytes().chunks_exact(3).map_while(hex).take(LONGEST_CHARACTER).collect();
    let valid = bytes.utf8_chunks().next()?.valid();
    let c = valid.chars().next()?;
    Some((c, 3 * c.len_utf8()))
}

/// `\"`, `\n`, `\u003d`; with more than one `\` where JSON stands in JSON.
fn escaped(text: &str) -> Option<(char, usize)> {
    let slashes = text.bytes().take(LONGEST_RUN).take_while(|byte| *byte == b'\\').count();
    let c = text[slashes..].chars().next().filter(|_| slashes > 0)?;
    match c {
        'u' => unicode(text, slashes).or(Some((c, slashes + 1))),
        'n' | 't' | 'r' => Some((' ', slashes + 1)),
        _ => Some((c, slashes + c.len_utf8())),
    }
}

/// Four digits; eight with another `\u` between them where the character needs two units of UTF-16.
fn unicode(text: &str, slashes: usize) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..)?.strip_prefix('u')?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let length = slashes + 5;
    let units = [unit(slashes)?, unit(length + slashes).unwrap_or_default()];
    let c = char::decode_utf16(units).next()?.ok()?;
    Some((c, c.len_utf16() * length))
}

/// `&amp;`, `&#39;`, `&#x27;`.
fn entity(text: &str) -> Option<(char, usize)> {
    const NAMES: [(&str, char); 6] =
        [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\''), ("nbsp", ' ')];
    const LONGEST: usize = 8;
    let text = text.strip_prefix('&')?;
    let name = &text[..text.bytes().take(LONGEST).position(|byte| byte == b';')?];
    let number = |digits: &str| match digits.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    };
    let c = match name.strip_prefix('#') {
        Some(digits) => char::from_u32(number(digits)?)?,
        None => NAMES.iter().find(|(it, _)| *it == name)?.1,
    };
    Some((c, name.len() + 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "a=b?c$d\"e  f\\g/h+i&é";

    fn veil(secret: &str) -> Veil {
        let mut veil = Veil::default();
        veil.add(secret);
        veil
    }

    /// What is told of a secret → what is left of it.
    #[test]
    fn a_secret_is_covered_in_every_form() {
        let json = serde_json::to_string(SECRET).unwrap();
        let twice = serde_json::to_string(&json).unwrap();
        let form: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        let forms = [
            SECRET.to_owned(),
            "a=b?c$d\"e f\\g/h+i&é".to_owned(),
            "a=b?c$d\"e\n\tf\\g/h+i&é".to_owned(),
            json.trim_matches('"').to_owned(),
            twice.trim_matches(['"', '\\']).to_owned(),
            r#"a\u003db?c$d\"e  f\\g\/h+i\u0026\u00e9"#.to_owned(),
            "a=b?c$d&quot;e  f\\g/h+i&amp;&#xe9;".to_owned(),
            "a%3db%3fc%24d%22e%20%20f%5cg/h%2bi%26%c3%a9".to_owned(),
            form,
            STANDARD_NO_PAD.encode(SECRET),
            URL_SAFE_NO_PAD.encode(SECRET),
        ];
        for form in forms {
            assert_eq!(veil(SECRET).cover(&format!("it is '{form}'; no")), "it is '…'; no", "{form}");
        }
        let padded = base64::engine::general_purpose::STANDARD.encode(SECRET);
        assert_eq!(veil(SECRET).cover(&padded).trim_end_matches('='), "…");
        assert_eq!(veil("🔑🔑🔑🔑").cover(r"x\ud83d\udd11\ud83d\udd11\ud83d\udd11\ud83d\udd11x"), "x…x");
    }

    #[test]
    fn a_blank_beside_a_plus_is_covered_in_every_form() {
        for form in [" +é0aaéA", "+%2B%C3%A90aa%C3%A9A", "%20+%c3%a90aa%c3%a9A", r" +\u00e90aa\u00e9A"] {
            assert_eq!(veil(" +é0aaéA").cover(&format!("({form})")), "(…)", "{form}");
        }
    }

    #[test]
    fn the_beginning_of_a_secret_is_covered() {
        let secret = "hunter2=hunter2";
        for (text, expected) in [
            ("was hunter2=, I think", "was …, I think"),
            ("was hunter, I think", "was hunter, I think"),
            ("was hunt", "was …"),
            ("was hunter…", "was ……"),
            (r#"{"message":"was hunt"}"#, r#"{"message":"was …"}"#),
            ("was hunter2%3", "was …%3"),
            ("was hun", "was hun"),
            ("hunter2=hunter2hunter2=hunter2", "……"),
        ] {
            assert_eq!(veil(secret).cover(text), expected);
        }
        assert_eq!(veil("abc").cover("abc"), "abc");
        assert!(!format!("{:?}", veil(secret)).contains("hunter"));
    }

    proptest! {
        #[test]
        fn no_form_of_any_secret_is_left(
            secret in "[ -~é]{8,40}", before in "\\PC{0,20}", after in "\\PC{0,20}",
        ) {
            prop_assume!(!before.contains(&secret) && !after.contains(&secret));
            let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let json = serde_json::to_string(&secret).unwrap();
            for form in [&secret, &form, &json, &STANDARD_NO_PAD.encode(&secret)] {
                let covered = veil(&secret).cover(&format!("{before}{form}{after}"));
                prop_assert!(!covered.contains(form), "{}", covered);
            }
        }

        #[test]
        fn any_text_is_read(secret in "\\PC{4,8}", text in "([%\\\\u&#x;0-9a-f+]|\\PC){0,40}") {
            let _ = veil(&secret).cover(&text);
        }
    }
}
