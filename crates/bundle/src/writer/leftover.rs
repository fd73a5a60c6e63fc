//! What a process that was stopped left in the directory of a bundle, besides what its journal knows.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{BundleError, Result};
use crate::layout::headers;
use crate::names::{self, UNFINISHED, unfinished_volume};
use crate::reader::open_file;

/// The entries of a volume's end.
const END_ENTRIES: [&str; 2] = ["oci-layout", "index.json"];

/// What is said of a volume that the journal knows nothing of.
const OTHER: &str =
    "it is no volume of the unfinished bundle there; move it elsewhere, or name another directory";

/// Gives volumes back the names of unfinished ones: the process was stopped while it named them. What the journal knows
/// nothing of is removed where it holds nothing but the end; else it is none of this bundle, and nothing is touched.
/// `number` tells which volume a file is.
pub(super) fn undo_names(directory: &Path, number: impl Fn(&Path) -> Result<Option<usize>>) -> Result<()> {
    let mut named = Vec::new();
    for path in files(directory, names::is_volume)? {
        let unfinished = number(&path)?.map(|number| directory.join(unfinished_volume(number)));
        let is_own = match &unfinished {
            // It has one name or the other, and never both.
            Some(unfinished) => !is_there(unfinished),
            None => is_end(&path).map_err(BundleError::io(&path))?,
        };
        if !is_own {
            return Err(BundleError::NotABundle { path, reason: OTHER.to_owned() });
        }
        named.push((path, unfinished));
    }
    for (path, unfinished) in named {
        let undone = match unfinished {
            Some(unfinished) => fs::rename(&path, unfinished),
            None => fs::remove_file(&path),
        };
        undone.map_err(BundleError::io(&path))?;
    }
    Ok(())
}

/// Tells whether an archive holds what comes last in a bundle and no content.
fn is_end(path: &Path) -> io::Result<bool> {
    let (mut file, length) = open_file(path)?;
    let mut has_content = false;
    let found = headers(&mut file, length, |name| has_content |= !END_ENTRIES.contains(&name));
    Ok(found.is_ended && !has_content)
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
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

/// The number in the name of an unfinished volume.
fn number(name: &str) -> Option<usize> {
    name.strip_suffix(UNFINISHED)?.strip_prefix("volume-")?.strip_suffix(".tar")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{self, END};
    use crate::names::volume;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Says which volumes these are.
    fn known(all: &[(String, usize)]) -> impl Fn(&Path) -> Result<Option<usize>> {
        move |path| Ok(all.iter().find(|(name, _)| path.ends_with(name)).map(|(_, number)| *number))
    }

    #[test]
    fn volumes_get_the_names_of_unfinished_ones_back() {
        let directory = tempfile::tempdir().unwrap();
        for name in [volume(1, 4), volume(2, 4), unfinished_volume(6), "other.tar".to_owned()] {
            fs::write(directory.path().join(&name), &name).unwrap();
        }
        let last = [entry::header("index.json", 0), END.to_vec()].concat();
        fs::write(directory.path().join(volume(4, 4)), last).unwrap();
        undo_names(directory.path(), known(&[(volume(1, 4), 2), (volume(2, 4), 4)])).unwrap();
        let expected = ["other.tar", "volume-2.tar.part", "volume-4.tar.part", "volume-6.tar.part"];
        assert_eq!(names(directory.path()), expected);
        let second = fs::read_to_string(directory.path().join("volume-4.tar.part")).unwrap();
        assert_eq!(second, volume(2, 4));
    }

    /// Nothing of another bundle is deleted or renamed.
    #[test]
    fn a_volume_of_another_bundle_is_left_alone() {
        let blob = [entry::header("blobs/sha256/00", 0), END.to_vec()].concat();
        for content in [b"something".to_vec(), blob] {
            for own in [Vec::new(), vec![(volume(1, 1), 3)]] {
                let directory = tempfile::tempdir().unwrap();
                for name in [volume(1, 1), unfinished_volume(3)] {
                    fs::write(directory.path().join(name), &content).unwrap();
                }
                let error = undo_names(directory.path(), known(&own)).unwrap_err();
                assert!(error.to_string().ends_with(&format!("volume-1-of-1.tar: {OTHER}")), "{error}");
                assert_eq!(names(directory.path()), ["volume-1-of-1.tar", "volume-3.tar.part"]);
            }
        }
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
