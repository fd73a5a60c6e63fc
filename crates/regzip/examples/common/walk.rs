//! Files that a command line names, and those below folders that it names.

use std::fs;
use std::path::{Path, PathBuf};

/// All regular files, in the order of their names within each folder.
pub fn files(args: &[String]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in args.iter().map(PathBuf::from) {
        if path.is_dir() { walk(&path, &mut found) } else { found.push(path) }
    }
    found
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap()).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            walk(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}
