//! Amounts as people type them: `20GB`, `500MiB`, and a second of them, `50MiB/s`.

use std::str::FromStr;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) u64);

/// The most bytes of a volume: an amount, or the name of a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VolumeSize(pub(crate) u64);

/// A number of bytes a second; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate(pub(crate) u64);

/// A text that is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SizeError {
    /// It has another form.
    #[error("a size reads 20GB, 1.5TB, 500MiB or a number of bytes")]
    Form,
    /// The unit counts bits: lines do, and files do not.
    #[error("a small b stands for bits: write 20GB; 100 Mbit are 12.5MB")]
    Bits,
    /// It is more than can be counted.
    #[error("it is more than 18 EB")]
    TooLarge,
    /// Not even the smallest things would fit.
    #[error("a volume has at least 1 MiB")]
    SmallVolume,
    /// Nothing would ever move.
    #[error("a rate is at least one byte a second")]
    Standstill,
}

/// Decimal units by the thousand, binary ones by 1024. Upper and lower case are told apart, since a small b
/// stands for bits.
const UNITS: [(&str, u64); 13] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
];

/// More digits say nothing that a number of bytes could keep.
const DIGITS_LIMIT: usize = 20;

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let unit = unit.trim_start_matches(' ');
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
            return Err(SizeError::Form);
        }
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        let (_, factor) = known.ok_or(if is_bits(unit) { SizeError::Bits } else { SizeError::Form })?;
        amount(whole, fraction, *factor).map(Self)
    }
}

fn is_bits(unit: &str) -> bool {
    unit.contains("bit") || (unit.len() <= 3 && unit.ends_with('b'))
}

fn amount(whole: &str, fraction: &str, factor: u64) -> Result<u64, SizeError> {
    if whole.len() > DIGITS_LIMIT || fraction.len() > DIGITS_LIMIT {
        return Err(SizeError::TooLarge);
    }
    let number = |digits: &str| digits.parse::<u128>().map_err(|_| SizeError::Form);
    let factor = u128::from(factor);
    let parts = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or_default());
    let bytes = number(whole)? * factor + number(fraction)? * factor / parts;
    u64::try_from(bytes).map_err(|_| SizeError::TooLarge)
}

/// Below, most of a volume would be headers, and a release more volumes than can be counted.
const SMALLEST_VOLUME: u64 = 1 << 20;
/// FAT32 counts a file's bytes in 32 bits; it holds one less than that can count.
const FAT32: u64 = (1 << 32) - 1;
/// A single-layer DVD+R has 4700372992 bytes; the file system on it takes some.
const DVD: u64 = 4_690_000_000;

impl FromStr for VolumeSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        match text {
            "fat32" => Ok(Self(FAT32)),
            "dvd" => Ok(Self(DVD)),
            _ => match text.parse()? {
                Size(bytes) if bytes < SMALLEST_VOLUME => Err(SizeError::SmallVolume),
                Size(bytes) => Ok(Self(bytes)),
            },
        }
    }
}

impl FromStr for Rate {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        match text.strip_suffix("/s").unwrap_or(text).parse()? {
            Size(0) => Err(SizeError::Standstill),
            Size(bytes) => Ok(Self(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read() {
        use SizeError::{Bits, Form, TooLarge};
        let cases = [
            ("0", Ok(0)),
            ("1048576", Ok(1_048_576)),
            ("20GB", Ok(20_000_000_000)),
            ("20 GB", Ok(20_000_000_000)),
            ("500MiB", Ok(524_288_000)),
            ("1.5kB", Ok(1_500)),
            ("0.5KiB", Ok(512)),
            ("1.0009kB", Ok(1_000)),
            ("2TiB", Ok(2_199_023_255_552)),
            ("18446744073709551615", Ok(u64::MAX)),
            ("18446744073709551616", Err(TooLarge)),
            ("18447PB", Err(TooLarge)),
            ("999999999999999999999", Err(TooLarge)),
            ("", Err(Form)),
            ("GB", Err(Form)),
            (".5GB", Err(Form)),
            ("5.GB", Err(Form)),
            ("1.2.3GB", Err(Form)),
            ("-1GB", Err(Form)),
            ("20G", Err(Form)),
            ("20gb", Err(Bits)),
            ("100Mb", Err(Bits)),
            ("100Mbit", Err(Bits)),
            ("1e9", Err(Form)),
            ("20GB ", Err(Form)),
            ("1,5GB", Err(Form)),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Size>().map(|size| size.0), expected, "{text}");
        }
    }

    #[test]
    fn rates_are_read() {
        let cases = [
            ("50MiB/s", Ok(52_428_800)),
            ("12.5MB", Ok(12_500_000)),
            ("0MB/s", Err(SizeError::Standstill)),
            ("100Mbit/s", Err(SizeError::Bits)),
            ("1MB/h", Err(SizeError::Form)),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Rate>().map(|rate| rate.0), expected, "{text}");
        }
    }

    #[test]
    fn volumes_are_as_large_as_their_media() {
        let cases = [
            ("4000MiB", Ok(4_194_304_000)),
            ("fat32", Ok(4_294_967_295)),
            ("dvd", Ok(4_690_000_000)),
            ("1000", Err(SizeError::SmallVolume)),
            ("cd", Err(SizeError::Form)),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<VolumeSize>().map(|size| size.0), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[0-9.]{0,24}[ kKMGTPiBb/s]{0,5}") {
            let _ = text.parse::<Size>();
            let _ = text.parse::<Rate>();
        }

        #[test]
        fn a_number_of_bytes_is_that_number(bytes: u64) {
            prop_assert_eq!(bytes.to_string().parse::<Size>(), Ok(Size(bytes)));
        }
    }
}
