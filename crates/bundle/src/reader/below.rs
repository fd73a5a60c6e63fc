//! What lies below a directory that is no bundle itself: who looks at that directory alone would miss it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sealift_store::index_json::MARKER;

use crate::names::{CHECKSUMS, JOURNAL, is_volume};

/// How many files and directories are looked at; who keeps more below one directory names what is meant.
const LIMIT: usize = 1_000_000;
/// The directories of a repository's own content, of which the place that has them knows.
const OWN: [&str; 2] = ["_layout", "_uploads"];

/// Lists the bundles and layouts below a directory by their names, sorted: whether they are some is not looked at. Links
/// are not followed.
///
/// # Errors
/// Where the directory itself cannot be read; what cannot be read below it is passed over.
pub fn bundles_below(root: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut seen) = (Vec::new(), 0);
    fs::read_dir(root)?;
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        let mut below = Vec::new();
        for entry in entries.flatten().take(LIMIT.saturating_sub(seen)) {
            seen += 1;
            let (name, path) = (entry.file_name(), entry.path());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !OWN.iter().any(|own| name == *own) => below.push(path),
                Ok(kind) if kind.is_file() && directory != root && marks(&name) => {
                    found.push(directory.clone());
                    below.clear();
                    break;
                }
                Ok(kind) if kind.is_file() && is_archive(&name) => found.push(path),
                _ => {}
            }
        }
        waiting.append(&mut below);
    }
    // What lies beside the files of a bundle belongs to it.
    let all = found.clone();
    found.retain(|path| path.parent().is_none_or(|parent| !all.iter().any(|other| other == parent)));
    found.sort();
    found.dedup();
    Ok(found)
}

/// Tells whether a file of that name may be a bundle or a layout by itself.
fn is_archive(name: &OsStr) -> bool {
    let name = name.to_str().unwrap_or_default();
    name.ends_with(".tar") && !is_volume(name)
}

/// Tells whether a file of that name makes its directory a bundle or a layout, or a part of one.
fn marks(name: &OsStr) -> bool {
    let name = name.to_str().unwrap_or_default();
    [CHECKSUMS, JOURNAL, MARKER.0].contains(&name) || is_volume(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_and_layouts_are_found_by_their_names() {
        let root = tempfile::tempdir().unwrap();
        for name in [
            "team/app/_layout/oci-layout",
            "team/app/_uploads/1/SHA256SUMS",
            "a/release/SHA256SUMS",
            "a/release/volume-1-of-1.tar",
            "a/release/deeper/SHA256SUMS",
            "half/pack.journal",
            "stick/volume-2-of-3.tar",
            "plain/oci-layout",
            "one.tar",
            "volume-1-of-2.tar",
            "b/one.tar",
            "b/one.tar.sha256",
            "notes.txt",
        ] {
            fs::create_dir_all(root.path().join(name).parent().unwrap()).unwrap();
            fs::write(root.path().join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(root.path(), root.path().join("circle")).unwrap();
        let found = bundles_below(root.path()).unwrap();
        let found: Vec<_> =
            found.iter().map(|it| it.strip_prefix(root.path()).unwrap().to_str().unwrap()).collect();
        assert_eq!(found, ["a/release", "b/one.tar", "half", "one.tar", "plain", "stick"]);
        assert!(bundles_below(&root.path().join("none")).is_err());
    }
}
