//! Comparing a kit with the files in `tests/golden`. `UPDATE_SNAPSHOTS=1` writes them anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::{File, shapes};

/// Compares every file of a kit, and that there are no others.
pub(crate) fn check(name: &str, files: &[File]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let _ = std::fs::remove_dir_all(&root);
        for file in files {
            let path = root.join(&file.path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &file.content).unwrap();
        }
    }
    for file in files {
        let golden = std::fs::read_to_string(root.join(&file.path)).unwrap_or_default();
        assert!(golden == file.content, "{name}/{} differs:\n{}", file.path, file.content);
    }
    for file in files.iter().filter(|file| file.path.ends_with(".yaml")) {
        let mistakes = match file.path.starts_with("k3s/") {
            true => shapes::mistakes_for_k3s(&file.content),
            false => shapes::mistakes(&file.content),
        };
        assert_eq!(mistakes, [""; 0], "{name}/{}", file.path);
    }
    let wanted: BTreeSet<PathBuf> = files.iter().map(|file| root.join(&file.path)).collect();
    assert_eq!(there(&root), wanted);
}

fn there(directory: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { there(&path) } else { BTreeSet::from([path]) }).collect()
}
