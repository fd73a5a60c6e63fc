//! The process group of a helper, so that what it starts ends with it.
//!
//! A group of its own is in the terminal's background, where whoever reads from the terminal is stopped; and
//! some helpers ask for a passphrase there. So the terminal is lent to the group, as shells lend it. What is
//! typed meanwhile is the helper's, Ctrl-C too.

use std::fs::File;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, killpg};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};
use tokio::process::Child;

/// A group that ends, and gives the terminal back, when this is dropped.
#[derive(Debug)]
pub(crate) struct Group {
    /// The first process of the group, by whose number the group goes; `None` where it may live on. That
    /// process is waited for only when this is gone, so that its number is nobody else's.
    leader: Option<Pid>,
    terminal: Option<Lent>,
}

/// A terminal that another group has.
#[derive(Debug)]
struct Lent {
    terminal: File,
    owner: Pid,
}

impl Group {
    /// Takes a child that was started as the first of a group.
    pub(crate) fn of(child: &Child) -> Self {
        // A number that is none is of a child that was waited for.
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Self { leader, terminal: leader.and_then(lend) }
    }

    /// Lets it live on: it ended by itself, and what it left behind is meant to stay.
    pub(crate) fn release(mut self) {
        self.leader = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // Nobody may be left in it.
            let _ = killpg(leader, Signal::SIGKILL);
        }
        if let Some(Lent { terminal, owner }) = &self.terminal {
            // Where that fails, the shell takes its terminal itself.
            let _ = hand_over(terminal, *owner);
        }
    }
}

/// Lends the terminal, where there is one and this process has it.
fn lend(group: Pid) -> Option<Lent> {
    let terminal = File::options().read(true).write(true).open("/dev/tty").ok()?;
    let owner = getpgrp();
    if tcgetpgrp(&terminal).ok()? != owner {
        return None;
    }
    hand_over(&terminal, group).ok()?;
    // It may have been stopped for reading from the terminal too early. If it has ended, it needs nothing.
    let _ = killpg(group, Signal::SIGCONT);
    Some(Lent { terminal, owner })
}

/// Whoever hands over a terminal that it does not have is stopped, unless it blocks that.
fn hand_over(terminal: &File, group: Pid) -> nix::Result<()> {
    let mut stopping = SigSet::empty();
    stopping.add(Signal::SIGTTOU);
    let before = stopping.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let handed = tcsetpgrp(terminal, group);
    before.thread_set_mask()?;
    handed
}
