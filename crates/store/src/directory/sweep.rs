//! Removing what nobody will go on with: uploads that were left alone, and stages of killed processes.

use std::fs::{self, DirEntry};
use std::path::Path;
use std::time::{Duration, SystemTime};

use sealift_oci::Algorithm;

use super::paths::Paths;
use crate::atomic::STAGE_PREFIX;

/// How long an upload may rest. Registries keep them for a week too, and a site may be offline for days.
pub(super) const LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Removes old uploads and stages of a repository. Whatever fails here fails again for who needs it, and
/// that one reports it.
pub(super) fn sweep(paths: &Paths, now: SystemTime) {
    for entry in entries(&paths.uploads()).filter(|entry| is_old(&entry.path().join("data"), entry, now)) {
        let _ = fs::remove_dir_all(entry.path());
    }
    let blobs = Algorithm::ALL.map(|algorithm| paths.blobs(algorithm));
    for directory in blobs.iter().chain([&paths.layout()]) {
        for entry in entries(directory).filter(is_stage).filter(|entry| is_old(&entry.path(), entry, now)) {
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
fn is_old(written: &Path, entry: &DirEntry, now: SystemTime) -> bool {
    let metadata = fs::symlink_metadata(written).or_else(|_| entry.metadata());
    let modified = metadata.and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age > LIFETIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_old_goes() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path(), &"a".parse().unwrap());
        let upload = paths.upload(&"0".repeat(32)).unwrap();
        let blobs = paths.blobs(Algorithm::Sha256);
        fs::create_dir_all(&upload.directory).unwrap();
        fs::create_dir_all(&blobs).unwrap();
        let stages = [blobs.join(".stage-1"), paths.layout().join(".stage-2")];
        for path in stages.iter().chain([&upload.data(), &blobs.join("abc")]) {
            fs::write(path, "x").unwrap();
        }
        sweep(&paths, SystemTime::now());
        assert!(upload.data().exists() && stages.iter().all(|stage| stage.exists()));
        sweep(&paths, SystemTime::now() + 2 * LIFETIME);
        assert!(!upload.directory.exists() && !stages.iter().any(|stage| stage.exists()));
        assert!(blobs.join("abc").exists());
    }
}
