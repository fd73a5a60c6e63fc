//! What files take on the disk, and how much that was at the most while something ran.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

/// How often the directories are looked at.
const POLL: Duration = Duration::from_millis(50);
/// `st_blocks` counts in these (stat(2)).
const BLOCK: u64 = 512;

/// Waits for `work`, and returns how many bytes the directories took at the most meanwhile.
pub(crate) async fn peak_during<T>(directories: &[&Path], work: impl Future<Output = T>) -> (T, u64) {
    let mut work = pin!(work);
    let mut peak = 0;
    loop {
        let done = tokio::time::timeout(POLL, &mut work).await;
        peak = peak.max(directories.iter().map(|it| sum(it, &|file| file.blocks() * BLOCK)).sum());
        if let Ok(done) = done {
            return (done, peak);
        }
    }
}

/// Returns the lengths of all files below a directory, or of one file.
pub(crate) fn length(path: &Path) -> u64 {
    sum(path, &fs::Metadata::len)
}

/// Reads every file once, so that each tool finds the same ones in memory.
pub(crate) fn warm(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return fs::read_dir(path)?.try_for_each(|entry| warm(&entry?.path()));
    }
    io::copy(&mut fs::File::open(path)?, &mut io::sink()).map(drop)
}

/// What is gone when it is looked at counts nothing.
fn sum(path: &Path, value: &dyn Fn(&fs::Metadata) -> u64) -> u64 {
    let Ok(metadata) = path.symlink_metadata() else { return 0 };
    if !metadata.is_dir() {
        return value(&metadata);
    }
    let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| sum(&entry.path(), value)).sum()
}
