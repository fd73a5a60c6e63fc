//! Amounts as people read them: three digits, decimal units.

use std::time::Duration;

const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];

/// Writes a number of bytes: `0 B`, `1.23 kB`, `45.6 MB`, `789 GB`.
pub(crate) fn bytes(count: u64) -> String {
    if count < 1000 {
        return format!("{count} B");
    }
    // Three digits are shown: what a float loses is never seen.
    #[allow(clippy::cast_precision_loss)]
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    // 999.5 would be written as four digits.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// Writes a number of bytes for a narrow column: `0`, `1.23k`, `45.6M`.
pub(crate) fn narrow_bytes(count: u64) -> String {
    bytes(count).replace([' ', 'B'], "")
}

/// Writes a time: `0.12 s`, `3.4 s`, `56 s`, `2m05s`, `3h07m`.
pub(crate) fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    match whole {
        0 => format!("{:.2} s", time.as_secs_f64()),
        1..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        _ => format!("{}h{:02}m", whole / 3600, whole / 60 % 60),
    }
}

/// Writes a number with its noun: `1 image`, `2 images`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (12_345, "12.3 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (123_456_789, "123 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(bytes(count), text);
            assert_eq!(narrow_bytes(count), text.replace([' ', 'B'], ""));
        }
    }

    #[test]
    fn times_are_short() {
        for (millis, text) in [
            (0, "0.00 s"),
            (120, "0.12 s"),
            (3_400, "3.4 s"),
            (56_900, "56 s"),
            (125_000, "2m05s"),
            (11_220_000, "3h07m"),
        ] {
            assert_eq!(seconds(Duration::from_millis(millis)), text);
        }
    }
}
