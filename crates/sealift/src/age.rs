//! Ages as people type them: `7d`, `12h`, `30m`.

use std::str::FromStr;
use std::time::Duration;

/// How long something may rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age(pub(crate) Duration);

/// A text that is no age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an age reads 7d, 12h, 30m or 90s, and is at most ten years")]
pub(crate) struct AgeError;

/// Longer than anything rests; times stay what can be counted.
const LIMIT: u64 = 10 * 365 * 86_400;

impl FromStr for Age {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, AgeError> {
        let end = text.find(|c: char| !c.is_ascii_digit()).ok_or(AgeError)?;
        let (number, unit) = text.split_at(end);
        let factor = match unit {
            "d" => 86_400,
            "h" => 3_600,
            "m" => 60,
            "s" => 1,
            _ => return Err(AgeError),
        };
        let number: u64 = number.parse().map_err(|_| AgeError)?;
        let seconds = number.checked_mul(factor).filter(|seconds| *seconds <= LIMIT);
        seconds.map(|seconds| Self(Duration::from_secs(seconds))).ok_or(AgeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ages_are_read() {
        for (text, seconds) in [
            ("7d", Some(604_800)),
            ("12h", Some(43_200)),
            ("30m", Some(1_800)),
            ("0s", Some(0)),
            ("3650d", Some(LIMIT)),
            ("3651d", None),
            ("", None),
            ("7", None),
            ("d", None),
            ("7w", None),
            ("-1d", None),
            ("1.5d", None),
            ("99999999999999999999d", None),
        ] {
            assert_eq!(text.parse::<Age>().ok().map(|age| age.0.as_secs()), seconds, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,9}|[0-9]{0,24}[dhms]?") {
            let _ = text.parse::<Age>();
        }
    }
}
