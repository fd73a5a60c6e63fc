//! The machine's own files, in an order that does not change from run to run.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

/// Where the files come from, in this order; the Rust toolchain follows them.
const ROOTS: [&str; 3] = ["/usr/lib", "/usr/bin", "/usr/share"];

/// What a found entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A regular file of that many bytes, that may be executed or not.
    File { size: u64, executable: bool },
    /// A symbolic link and where it points; it is never followed.
    Link { target: PathBuf },
}

/// A file or symbolic link of this machine.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) found: Found,
}

/// Walks directories depth first, names in byte order. What cannot be read, and what is neither file, link
/// nor directory, is left out.
#[derive(Debug)]
pub(super) struct Walk {
    /// What is still to be visited, the next one last.
    pending: Vec<PathBuf>,
}

impl Walk {
    /// Walks this machine's programs, libraries and texts.
    pub(super) fn of_this_machine() -> Self {
        let mut roots: Vec<PathBuf> = ROOTS.iter().map(PathBuf::from).collect();
        roots.extend(toolchain());
        Self::of(roots)
    }

    /// Walks `roots` one after the other.
    pub(super) fn of(roots: Vec<PathBuf>) -> Self {
        Self { pending: roots.into_iter().rev().collect() }
    }

    fn descend(&mut self, directory: &PathBuf) {
        let Ok(children) = fs::read_dir(directory) else { return };
        let mut children: Vec<PathBuf> = children.flatten().map(|child| child.path()).collect();
        children.sort_unstable_by(|left, right| right.cmp(left));
        self.pending.append(&mut children);
    }
}

impl Iterator for Walk {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            let path = self.pending.pop()?;
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            if metadata.is_dir() {
                self.descend(&path);
            } else if metadata.is_symlink() {
                let Ok(target) = fs::read_link(&path) else { continue };
                return Some(Entry { path, found: Found::Link { target } });
            } else if metadata.is_file() && fs::File::open(&path).is_ok() {
                let executable = metadata.permissions().mode() & 0o111 != 0;
                return Some(Entry { path, found: Found::File { size: metadata.len(), executable } });
            }
        }
    }
}

fn toolchain() -> Option<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output();
    let path = output.and_then(|it| String::from_utf8(it.stdout).map_err(io::Error::other)).ok()?;
    let path = path.trim();
    path.starts_with('/').then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_sorted_and_links_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir(root.join("b")).unwrap();
        for name in ["b/2", "b/1", "a", "c"] {
            fs::write(root.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("b", root.join("d")).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let found: Vec<Entry> = Walk::of(vec![root.to_owned()]).collect();
        let names: Vec<_> = found.iter().map(|it| it.path.strip_prefix(root).unwrap().to_owned()).collect();
        assert_eq!(names, ["a", "b/1", "b/2", "c", "d"].map(PathBuf::from));
        assert_eq!(found[4].found, Found::Link { target: PathBuf::from("b") });
        drop(socket);
    }
}
