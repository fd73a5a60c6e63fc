//! One file of a bundle that is a directory, given in place of the bundle.

use std::fs;
use std::path::Path;

use super::checksums::{CHECKSUMS_LIMIT, Checksums};
use super::files;
use crate::names::{CATALOGUE, CHECKSUMS, KEY, SEALED_CATALOGUE, is_volume};

/// Says of which bundle a file is a part; `None` of what may be a bundle of its own. One volume that is everything and
/// has no list of checksums beside it is a layout of its own.
pub(super) fn of_a_bundle(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if is_beside_its_list(directory, name) {
        return Some(format!("it is one file of the bundle {}", directory.display()));
    }
    let is_small = [CATALOGUE, SEALED_CATALOGUE, KEY, CHECKSUMS].contains(&name);
    let is_one_of_many = is_volume(name) && !name.ends_with("-of-1.tar");
    if !is_small && !is_one_of_many {
        return None;
    }
    let others = if is_one_of_many { volumes_beside(directory, name) } else { Vec::new() };
    let beside = match others.as_slice() {
        [] => String::new(),
        [other] => format!("; {other} lies beside it"),
        [first, .., last] => format!("; {first} to {last} lie beside it"),
    };
    Some(format!("it is one file of a bundle, and {CHECKSUMS} is not beside it{beside}"))
}

fn is_beside_its_list(directory: &Path, name: &str) -> bool {
    let list = directory.join(CHECKSUMS);
    let Ok(Some(bytes)) = files::read_small(&list, CHECKSUMS_LIMIT) else { return false };
    name == CHECKSUMS || Checksums::parse(&list, &bytes).is_ok_and(|sums| sums.of(name).is_some())
}

/// Lists other volumes of the same bundle, by their number of volumes.
fn volumes_beside(directory: &Path, name: &str) -> Vec<String> {
    let count = |name: &str| name.split_once("-of-").map(|(_, count)| count.to_owned());
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut all: Vec<String> =
        names.filter(|it| it != name && is_volume(it) && count(it) == count(name)).collect();
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Builder;
    use crate::{BundleError, OpenOptions};
    use sealift_store::conformance::fixture::{image_of, noise};

    #[test]
    fn one_file_in_place_of_the_bundle_is_told() {
        let place = tempfile::tempdir().unwrap();
        let mut builder = Builder { volume_size: Some(4096), ..Builder::default() };
        builder.image("app", "1", &image_of("app", &[noise("a", 6000)]));
        let written = builder.write(place.path());
        let last = &written.volumes[written.volumes.len() - 1].name;
        let reason = |name: &str| {
            let error = crate::Bundle::open_blocking(&place.path().join(name), &OpenOptions::default());
            match error.unwrap_err() {
                BundleError::Part { reason, .. } => reason,
                other => panic!("{other}"),
            }
        };
        for name in [last, "SHA256SUMS", "catalogue.json"] {
            assert_eq!(reason(name), format!("it is one file of the bundle {}", place.path().display()));
        }
        std::fs::remove_file(place.path().join("SHA256SUMS")).unwrap();
        let words = "it is one file of a bundle, and SHA256SUMS is not beside it";
        assert_eq!(reason("catalogue.json"), words);
        let first = &written.volumes[0].name;
        let second_last = &written.volumes[written.volumes.len() - 2].name;
        let beside = match written.volumes.len() {
            2 => format!("{words}; {first} lies beside it"),
            _ => format!("{words}; {first} to {second_last} lie beside it"),
        };
        assert_eq!(reason(last), beside);
        std::fs::copy(place.path().join(last), place.path().join("volume-1-of-1.tar")).unwrap();
        assert_eq!(of_a_bundle(&place.path().join("volume-1-of-1.tar")), None);
        assert_eq!(of_a_bundle(&place.path().join("other.tar")), None);
    }
}
