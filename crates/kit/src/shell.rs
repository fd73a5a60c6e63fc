//! Words in shell scripts.

/// Writes a word so that a shell takes it as it is.
pub(crate) fn quoted(word: &str) -> String {
    let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@=,+".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_harmless) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn harmless_words_stay_as_they_are() {
        for (word, expected) in [
            ("ship.lan:5000/a_b", "ship.lan:5000/a_b"),
            ("", "''"),
            ("a b", "'a b'"),
            ("[::1]:5000", "'[::1]:5000'"),
            ("$(rm)", "'$(rm)'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn a_shell_reads_the_word_back(word in "[^\u{0}]{0,20}") {
            let script = format!("printf %s {}", quoted(&word));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }
}
