//! The half for Unix.

mod group;

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use nix::sys::signal::Signal;
use tokio::process::Command;
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};

pub(crate) use group::Group;

/// What asks a program to stop: Ctrl-C, and SIGTERM, which means the same.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Listener,
    terminate: Listener,
}

impl Signals {
    /// Listens; `None` where nobody may.
    pub(crate) fn listen() -> Option<Self> {
        let (interrupt, terminate) =
            (signal(SignalKind::interrupt()).ok()?, signal(SignalKind::terminate()).ok()?);
        Some(Self { interrupt, terminate })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Lets a program be the first of a group of its own, see [`Group`].
pub(crate) fn lead_group(command: &mut Command) {
    command.process_group(0);
}

/// Tells whether a program was ended by Ctrl-C.
pub(crate) fn was_interrupted(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::SIGINT as i32)
}

/// Returns columns and rows of the terminal that standard output goes to.
pub(crate) fn stdout_size() -> Option<(u16, u16)> {
    terminal_size::terminal_size_of(io::stdout()).map(|(width, height)| (width.0, height.0))
}

/// Returns columns and rows of the terminal that standard error goes to.
pub(crate) fn stderr_size() -> Option<(u16, u16)> {
    terminal_size::terminal_size_of(io::stderr()).map(|(width, height)| (width.0, height.0))
}

/// Returns standard output as a file of its own.
pub(crate) fn stdout_file() -> Option<File> {
    io::stdout().as_fd().try_clone_to_owned().ok().map(File::from)
}
