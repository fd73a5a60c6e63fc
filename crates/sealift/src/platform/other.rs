//! The half for other systems, which is neither built nor tested yet.

use std::fs::File;
use std::process::ExitStatus;

use tokio::process::{Child, Command};

/// What asks a program to stop: Ctrl-C.
#[derive(Debug)]
pub(crate) struct Signals(());

impl Signals {
    /// Listens.
    pub(crate) fn listen() -> Option<Self> {
        Some(Self(()))
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// There are no groups: a helper ends, and what it started may live on.
#[derive(Debug)]
pub(crate) struct Group(());

impl Group {
    /// Takes a child.
    pub(crate) fn of(_: &Child) -> Self {
        Self(())
    }

    /// Lets it live on.
    pub(crate) fn release(self) {}
}

/// There are no groups.
pub(crate) fn lead_group(_: &mut Command) {}

/// It is not told.
pub(crate) fn was_interrupted(_: ExitStatus) -> bool {
    false
}

/// Returns columns and rows of the terminal that the program runs in.
pub(crate) fn stdout_size() -> Option<(u16, u16)> {
    terminal_size::terminal_size().map(|(width, height)| (width.0, height.0))
}

/// Returns the same: standard error is on the same terminal, if on any.
pub(crate) fn stderr_size() -> Option<(u16, u16)> {
    stdout_size()
}

/// A bundle cannot be sent through a pipe there yet.
pub(crate) fn stdout_file() -> Option<File> {
    None
}
