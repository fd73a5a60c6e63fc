//! What was written goes to the disk while more comes: at the end little is left to wait for, and a slow disk shows in
//! the progress instead of behind it.

use std::fs::File;
use std::io;
use std::sync::Arc;

use tokio::task::{JoinHandle, spawn_blocking};

/// How many bytes of a volume are written before the disk has to have them; while it takes them, as many more are
/// written. Small enough that what is left at the end takes no time, large enough that the disk gets long runs.
const STEP: u64 = 16 * 1024 * 1024;

/// How far the disk has what was written to one volume.
#[derive(Debug, Default)]
pub(super) struct Flush {
    /// Bytes that nobody told the disk about.
    written: u64,
    running: Option<JoinHandle<io::Result<()>>>,
    /// The disk did not take something.
    pub(super) has_failed: bool,
}

impl Flush {
    /// Notes that `size` bytes were written.
    pub(super) async fn wrote(&mut self, file: &Arc<File>, size: u64) -> io::Result<()> {
        self.written += size;
        if self.written < STEP {
            return Ok(());
        }
        self.settle().await?;
        self.written = 0;
        let file = Arc::clone(file);
        self.running = Some(spawn_blocking(move || file.sync_data()));
        Ok(())
    }

    /// Waits until the disk has what it was told about. What fails there is told by no later call, so it must be heard
    /// before the volume is believed.
    pub(super) async fn settle(&mut self) -> io::Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let synced = running.await.map_err(io::Error::other).flatten();
        self.running = None;
        self.has_failed |= synced.is_err();
        synced
    }

    /// A disk that does not take what it is told about next, for tests.
    #[cfg(test)]
    pub(super) fn failing() -> Self {
        let running = spawn_blocking(|| Err(io::Error::other("the disk is broken")));
        Self { running: Some(running), ..Self::default() }
    }
}
