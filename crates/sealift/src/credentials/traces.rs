//! Recognizing a secret in what a helper says of it: as it is, or in one of the forms that programs put
//! texts into.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sealift_registry::client::Secret;
use zeroize::Zeroizing;

use super::document::quoted;

/// The forms of one secret. It has no `Debug` form.
#[derive(Default)]
pub(super) struct Traces(Vec<Zeroizing<String>>);

impl Traces {
    /// Takes the secret that a helper was given.
    pub(super) fn of(secret: &Secret) -> Self {
        let text = secret.expose();
        let hex = |byte: &u8| format!("{byte:02x}");
        let mut forms = vec![
            text.to_owned(),
            quoted(text).trim_matches('"').to_owned(),
            text.bytes().map(percent).collect(),
            text.as_bytes().iter().map(hex).collect(),
        ];
        forms.extend((0..3).flat_map(|before| encoded(text, before)));
        Self(
            forms.into_iter().map(|form| Zeroizing::new(folded(&form))).filter(|it| !it.is_empty()).collect(),
        )
    }

    /// Tells whether a text has one of them in it, also where it is broken into lines.
    pub(super) fn are_in(&self, text: &str) -> bool {
        let text = Zeroizing::new(folded(text));
        self.0.iter().any(|form| text.contains(form.as_str()))
    }
}

/// What texts are compared by: nothing of blanks, line breaks and the like, and nothing of case.
fn folded(text: &str) -> String {
    let visible = text.chars().filter(|it| !it.is_whitespace() && !it.is_control());
    visible.flat_map(char::to_lowercase).collect()
}

/// The base64 of a text somewhere in a longer one, `before` bytes behind one that ends a group of three. The
/// characters at both ends hang on what stands around it and are left out.
fn encoded(text: &str, before: usize) -> [String; 2] {
    let padded = Zeroizing::new([&vec![0; before], text.as_bytes()].concat());
    let whole = padded.len() / 3 * 3;
    let first = before.div_ceil(3) * 4;
    [STANDARD_NO_PAD.encode(&padded[..whole]), URL_SAFE_NO_PAD.encode(&padded[..whole])]
        .map(|encoded| encoded.get(first..).unwrap_or_default().to_owned())
}

fn percent(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    #[test]
    fn a_secret_is_recognized_in_its_usual_forms() {
        let traces = Traces::of(&Secret::new("tr0ub4dor&3\"\\ é"));
        let is_in = |text: &str| traces.are_in(text);
        for text in [
            "cannot keep tr0ub4dor&3\"\\ é!",
            "TR0UB4DOR&3\"\\ É",
            "tr0ub4\ndor&3\"\\\u{1b} é",
            r#"{"Secret":"tr0ub4dor&3\"\\ é"}"#,
            "?p=tr0ub4dor%263%22%5C%20%C3%A9",
            "74723075623464 6f722633225c20c3a9",
        ] {
            assert!(is_in(text), "{text}");
        }
        for text in ["the keychain is locked", "tr0ub4dor", ""] {
            assert!(!is_in(text), "{text}");
        }
        assert!(!Traces::default().are_in("x") && !Traces::of(&Secret::new("")).are_in("x"));
    }

    proptest! {
        #[test]
        fn base64_of_what_has_it_in_it_is_recognized(
            before in ".{0,8}", secret in "[!-~]{6,20}", behind in ".{0,8}", width in 4..80_usize,
        ) {
            let text = format!("{before}{secret}{behind}");
            let traces = Traces::of(&Secret::new(secret));
            for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                let lines: Vec<&str> = encoded
                    .as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
                prop_assert!(traces.are_in(&lines.join("\r\n")), "{encoded}");
            }
        }
    }
}
