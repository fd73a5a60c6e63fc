//! What a process that was stopped left in the directory of a bundle, besides what its journal knows.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{BundleError, Result};
use crate::names::{UNFINISHED, unfinished_volume};

/// Gives volumes back the names of unfinished ones: the process was stopped while it named them. Those of the
/// journal come first among them, in their order; what follows holds nothing but the end.
pub(super) fn undo_names(directory: &Path, numbers: &BTreeSet<usize>) -> Result<()> {
    for path in files(directory, |name| rank(name).is_some())? {
        let rank = path.file_name().and_then(|name| rank(name.to_str()?)).unwrap_or_default();
        let number = rank.checked_sub(1).and_then(|at| numbers.iter().nth(at));
        let unfinished = number.map(|number| directory.join(unfinished_volume(*number)));
        let undone = match unfinished.filter(|it| !it.exists()) {
            Some(unfinished) => fs::rename(&path, unfinished),
            None => fs::remove_file(&path),
        };
        undone.map_err(BundleError::io(&path))?;
    }
    Ok(())
}

/// Removes the unfinished volumes that nobody goes on with.
pub(super) fn sweep(directory: &Path, wanted: &BTreeSet<usize>) -> Result<()> {
    let is_left = |name: &str| number(name).is_some_and(|number| !wanted.contains(&number));
    for path in files(directory, is_left)? {
        fs::remove_file(&path).map_err(BundleError::io(&path))?;
    }
    Ok(())
}

fn files(directory: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let list = || {
        let mut paths = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(&is_wanted) {
                paths.push(entry.path());
            }
        }
        io::Result::Ok(paths)
    };
    list().map_err(BundleError::io(directory))
}

/// The place among all volumes that the name of a finished one tells.
fn rank(name: &str) -> Option<usize> {
    let (rank, _) = name.strip_prefix("volume-")?.strip_suffix(".tar")?.split_once("-of-")?;
    rank.parse().ok()
}

/// The number in the name of an unfinished volume.
fn number(name: &str) -> Option<usize> {
    name.strip_suffix(UNFINISHED)?.strip_prefix("volume-")?.strip_suffix(".tar")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::volume;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn volumes_get_the_names_of_unfinished_ones_back() {
        let directory = tempfile::tempdir().unwrap();
        for name in [volume(1, 4), volume(2, 4), volume(4, 4), unfinished_volume(6), "other.tar".to_owned()] {
            fs::write(directory.path().join(&name), &name).unwrap();
        }
        undo_names(directory.path(), &BTreeSet::from([2, 4, 6])).unwrap();
        let expected = ["other.tar", "volume-2.tar.part", "volume-4.tar.part", "volume-6.tar.part"];
        assert_eq!(names(directory.path()), expected);
        let second = fs::read_to_string(directory.path().join("volume-4.tar.part")).unwrap();
        assert_eq!(second, volume(2, 4));
    }

    #[test]
    fn only_volumes_that_nobody_wants_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        for name in [unfinished_volume(1), unfinished_volume(2), volume(3, 3), "pack.journal".to_owned()] {
            fs::write(directory.path().join(name), "x").unwrap();
        }
        sweep(directory.path(), &BTreeSet::from([2])).unwrap();
        assert_eq!(names(directory.path()), ["pack.journal", "volume-2.tar.part", "volume-3-of-3.tar"]);
    }
}
