//! Finding the repositories below a directory.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use sealift_oci::RepositoryName;

use super::paths::Paths;
use super::repository::found;

/// Tells whether there is a repository that can be seen.
pub(super) fn is_visible(paths: &Paths) -> bool {
    paths.index().is_file()
}

/// Lists every repository that is `wanted` in lexical order. Links are not followed, so a walk never leaves the directory nor
/// runs in circles; and what cannot be a part of a repository's name is not entered.
pub(super) fn repositories(
    root: &Path,
    wanted: impl Fn(&Paths) -> bool,
) -> io::Result<BTreeSet<RepositoryName>> {
    let mut all = BTreeSet::new();
    let mut waiting: Vec<Option<RepositoryName>> = vec![None];
    while let Some(above) = waiting.pop() {
        let path = above.as_ref().map_or(root.to_owned(), |name| root.join(name.as_str()));
        // A directory that has gone since it was seen is not there.
        let Some(entries) = found(fs::read_dir(path))? else { continue };
        for entry in entries {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                continue;
            }
            let Some(name) = name_below(above.as_ref(), &entry.file_name()) else { continue };
            if wanted(&Paths::new(root, &name)) {
                all.insert(name.clone());
            }
            waiting.push(Some(name));
        }
    }
    Ok(all)
}

fn name_below(above: Option<&RepositoryName>, component: &std::ffi::OsStr) -> Option<RepositoryName> {
    let component = component.to_str()?;
    match above {
        Some(above) => format!("{above}/{component}").parse().ok(),
        None => component.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found_below(root: &Path) -> Vec<String> {
        repositories(root, is_visible).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_layouts_are_repositories() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a/b/_layout", "a-b/_layout", "a/_uploads/x/_layout", "Upper/_layout", "a/empty"] {
            fs::create_dir_all(root.path().join(name)).unwrap();
        }
        assert!(found_below(root.path()).is_empty());
        for name in ["a/b", "a-b", "a/_uploads/x", "Upper"] {
            fs::write(root.path().join(name).join("_layout/index.json"), "{}").unwrap();
        }
        assert_eq!(found_below(root.path()), ["a-b", "a/b"]);
        assert!(found_below(&root.path().join("missing")).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("real/_layout")).unwrap();
        fs::write(root.path().join("real/_layout/index.json"), "{}").unwrap();
        std::os::unix::fs::symlink(root.path(), root.path().join("circle")).unwrap();
        assert_eq!(found_below(root.path()), ["real"]);
    }
}
