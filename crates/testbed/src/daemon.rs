//! A server program that runs as a child of the test: started, waited for, and killed with the value.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take until it serves. Generous: many tests start many servers at once.
const STARTING: Duration = Duration::from_secs(30);
/// How long it may take to end well.
const STOPPING: Duration = Duration::from_secs(20);
/// How often a condition is looked at that nothing announces.
const POLL: Duration = Duration::from_millis(5);

/// A running child whose output goes to two files.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    directory: PathBuf,
}

impl Daemon {
    /// Starts `command`; its output goes to `stdout` and `stderr` in `directory`.
    pub(crate) fn start(command: &mut Command, directory: &Path) -> io::Result<Self> {
        command.stdin(Stdio::null());
        command.stdout(File::create(directory.join("stdout"))?);
        command.stderr(File::create(directory.join("stderr"))?);
        Ok(Self { child: command.spawn()?, directory: directory.to_owned() })
    }

    /// Returns the number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks the child to end, which lets it end what it has started, and waits a while until it has.
    pub(crate) fn stop(&mut self) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).stderr(Stdio::null()).status();
        let deadline = Instant::now() + STOPPING;
        while asked.is_ok() && Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(POLL);
        }
    }

    /// Returns what the child has written to its standard output.
    pub(crate) fn stdout(&self) -> io::Result<String> {
        fs::read_to_string(self.directory.join("stdout"))
    }

    /// Returns what the child has written to its standard error.
    pub(crate) fn stderr(&self) -> io::Result<String> {
        fs::read_to_string(self.directory.join("stderr"))
    }

    /// Waits until `sign` finds the child ready, and returns what it found.
    pub(crate) async fn wait_for<T>(&mut self, sign: impl Fn(&Self) -> Option<T>) -> io::Result<T> {
        let deadline = Instant::now() + STARTING;
        loop {
            if let Some(found) = sign(self) {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                let output = self.stderr()?;
                return Err(io::Error::other(format!("the server ended with {status}:\n{output}")));
            }
            if Instant::now() > deadline {
                let output = self.stderr()?;
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no sign of life:\n{output}")));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again and again until `answer` has one, for at most `limit`.
pub(crate) async fn poll<T>(limit: Duration, mut answer: impl FnMut() -> Option<T>) -> io::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = answer() {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_that_ends_early_is_an_error_with_its_last_words() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        let mut daemon =
            Daemon::start(command.args(["-c", "echo gone >&2; exit 3"]), directory.path()).unwrap();
        let error = daemon.wait_for(|_| None::<()>).await.unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("gone"), "{error}");
    }

    #[tokio::test]
    async fn a_child_ends_with_its_value() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sleep");
        let daemon = Daemon::start(command.arg("1000"), directory.path()).unwrap();
        let process = PathBuf::from(format!("/proc/{}", daemon.child.id()));
        assert!(process.exists());
        drop(daemon);
        assert!(!process.exists());
    }
}
