//! What the files of a bundle are called.

/// The catalogue of a bundle that is a directory.
pub(crate) const CATALOGUE: &str = "catalogue.json";
/// The same, encrypted.
pub(crate) const SEALED_CATALOGUE: &str = "catalogue.json.age";
/// The list of checksums; what makes a directory a bundle.
pub(crate) const CHECKSUMS: &str = "SHA256SUMS";
/// What is put behind the name of an encrypted file.
pub(crate) const SEALED: &str = ".age";
/// The bundle's own identity, encrypted to the recipients.
pub(crate) const KEY: &str = "key.age";
/// What is put behind the name of a signed file.
pub(crate) const SIGNATURE: &str = ".minisig";
/// The last entry of a bundle that is one file.
pub(crate) const TRAILER: &str = "sealift-trailer";
/// What is put behind the name of a bundle that is one file, for its checksum.
pub(crate) const CHECKSUM: &str = ".sha256";
/// What is whole in the volumes of an unfinished bundle.
pub(crate) const JOURNAL: &str = "pack.journal";
/// What is put behind the name of a bundle that is one file, for the same.
pub(crate) const FILE_JOURNAL: &str = ".journal";
/// What is put behind the name of a bundle that is one file, for what keeps other processes away.
pub(crate) const LOCK: &str = ".lock";
/// What is put behind the name of a file that is still written.
pub(crate) const UNFINISHED: &str = ".part";

/// The most volumes of a bundle.
pub(crate) const VOLUME_LIMIT: usize = 9999;

/// Names a volume of a finished bundle so that names sort and a person can count them.
pub(crate) fn volume(number: usize, count: usize) -> String {
    let width = count.to_string().len();
    format!("volume-{number:0width$}-of-{count}.tar")
}

/// Tells whether a file is called as volumes of finished bundles are.
pub(crate) fn is_volume(name: &str) -> bool {
    let numbers = name.strip_prefix("volume-").and_then(|rest| rest.strip_suffix(".tar"));
    let numbers = numbers.and_then(|numbers| numbers.split_once("-of-"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.is_some_and(|(number, count)| is_number(number) && is_number(count))
}

/// Names a volume while it is written.
pub(crate) fn unfinished_volume(number: usize) -> String {
    format!("volume-{number}.tar{UNFINISHED}")
}

/// Names an encrypted entry.
pub(crate) fn sealed_entry(number: u64) -> String {
    format!("sealed/{number:010}{SEALED}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_volumes_sort() {
        let names: Vec<String> = (1..=10).map(|number| volume(number, 10)).collect();
        assert_eq!(names[0], "volume-01-of-10.tar");
        assert!(names.is_sorted());
        assert_eq!(volume(1, 1), "volume-1-of-1.tar");
    }
}
