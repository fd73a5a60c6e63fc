//! Removing what nobody will go on with: uploads that were left alone, and stages of killed processes.

use std::fs::{self, DirEntry};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::atomic::STAGE_PREFIX;

/// How long an upload may rest. Registries keep them for a week too, and a site may be offline for days.
pub const LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Removes the uploads in a directory of uploads that rest longer than `lifetime`, and tells how many. Whatever
/// fails here and below fails again for who needs it, and that one reports it.
pub fn sweep_uploads(uploads: &Path, now: SystemTime, lifetime: Duration) -> u64 {
    old_uploads(uploads, now, lifetime).filter(|entry| fs::remove_dir_all(entry.path()).is_ok()).count()
        as u64
}

/// Lists the uploads that rest longer than `lifetime`.
pub fn old_uploads(uploads: &Path, now: SystemTime, lifetime: Duration) -> impl Iterator<Item = DirEntry> {
    entries(uploads).filter(move |entry| is_old(&entry.path().join("data"), entry, now, lifetime))
}

/// Removes the old stages in some directories.
pub fn sweep_stages(directories: impl IntoIterator<Item = impl AsRef<Path>>, now: SystemTime) {
    for directory in directories {
        let stages = entries(directory.as_ref()).filter(is_stage);
        for entry in stages.filter(|entry| is_old(&entry.path(), entry, now, LIFETIME)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn entries(directory: &Path) -> impl Iterator<Item = DirEntry> {
    fs::read_dir(directory).into_iter().flatten().flatten()
}

fn is_stage(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(STAGE_PREFIX.as_bytes())
}

/// The file that is written to tells the age; the entry itself does where that file is missing.
fn is_old(written: &Path, entry: &DirEntry, now: SystemTime, lifetime: Duration) -> bool {
    let metadata = fs::symlink_metadata(written).or_else(|_| entry.metadata());
    let modified = metadata.and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age > lifetime))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upload::UploadPaths;

    #[test]
    fn only_what_is_old_goes() {
        let root = tempfile::tempdir().unwrap();
        let uploads = root.path().join("uploads");
        let upload = UploadPaths::below(&uploads, &"0".repeat(32)).unwrap();
        let directories = ["blobs", "layout"].map(|name| root.path().join(name));
        for directory in directories.iter().map(|it| it.as_path()).chain([upload.directory()]) {
            fs::create_dir_all(directory).unwrap();
        }
        let stages = [directories[0].join(".stage-1"), directories[1].join(".stage-2")];
        for path in stages.iter().chain([&upload.data(), &directories[0].join("abc")]) {
            fs::write(path, "x").unwrap();
        }
        let sweep = |now| {
            sweep_uploads(&uploads, now, LIFETIME);
            sweep_stages(&directories, now);
        };
        sweep(SystemTime::now());
        assert!(upload.data().exists() && stages.iter().all(|stage| stage.exists()));
        sweep(SystemTime::now() + 2 * LIFETIME);
        assert!(!upload.directory().exists() && !stages.iter().any(|stage| stage.exists()));
        assert!(directories[0].join("abc").exists());
    }
}
