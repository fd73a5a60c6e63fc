//! Sizes, times and kinds in words for people.

use std::time::SystemTime;

use time::OffsetDateTime;

/// Writes a size with three digits: `1.23 GB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    // Sixteen digits are exact, and three are shown.
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// Writes a time to the minute, in the time of Greenwich.
pub(super) fn time(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    let (month, day, hour, minute) = (u8::from(at.month()), at.day(), at.hour(), at.minute());
    format!("{:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC", at.year())
}

/// Shortens a time as configurations have it (RFC 3339) to the minute. What is no such time is not shown.
pub(super) fn written_time(text: &str) -> Option<String> {
    let (day, rest) = text.split_once('T')?;
    let minute = rest.get(..5)?;
    let fine = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || b"-:".contains(&byte));
    (day.len() == 10 && fine(day) && fine(minute)).then(|| format!("{day} {minute}"))
}

/// Says how many there are of something.
pub(super) fn count(number: usize, one: &str, more: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {more}") }
}

/// Says what an artifact is, where its type is one that people meet.
#[must_use]
pub fn artifact(artifact_type: &str) -> &'static str {
    let has = |part: &str| artifact_type.contains(part);
    match artifact_type {
        _ if has("cosign") && has("sig") || has("dev.sigstore.bundle") => "Signature (Sigstore)",
        _ if has("notary.signature") => "Signature (Notation)",
        _ if has("spdx") || has("cyclonedx") || has("sbom") => "List of contents (SBOM)",
        _ if has("in-toto") || has("slsa") || has("attest") => "Attestation",
        _ if has("sarif") || has("vuln") => "Report of weaknesses",
        _ => "Artifact",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn sizes_have_three_digits() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (9_994, "9.99 kB"),
            (9_996, "10.0 kB"),
            (99_960, "100 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (1_234_567_890, "1.23 GB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn times_are_short_and_only_times() {
        assert_eq!(time(SystemTime::UNIX_EPOCH + Duration::from_secs(1_791_640_536)), "2026-10-10 13:55 UTC");
        let cases = [
            ("2026-10-10T13:55:36.123Z", Some("2026-10-10 13:55")),
            ("2026-10-10", None),
            ("<b>T13:55", None),
            ("2026-10-10T<b>xx", None),
            ("2026-10-10Té", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(written_time(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn artifacts_have_words() {
        let cases = [
            ("application/vnd.dev.cosign.artifact.sig.v1+json", "Signature (Sigstore)"),
            ("application/vnd.dev.sigstore.bundle.v0.3+json", "Signature (Sigstore)"),
            ("application/vnd.cncf.notary.signature", "Signature (Notation)"),
            ("application/spdx+json", "List of contents (SBOM)"),
            ("application/vnd.in-toto+json", "Attestation"),
            ("application/sarif+json", "Report of weaknesses"),
            ("application/x", "Artifact"),
        ];
        for (artifact_type, expected) in cases {
            assert_eq!(artifact(artifact_type), expected, "{artifact_type}");
        }
        assert_eq!((count(1, "tag", "tags"), count(0, "tag", "tags")), ("1 tag".into(), "0 tags".into()));
    }
}
