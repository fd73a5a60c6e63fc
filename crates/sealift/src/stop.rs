//! Ctrl-C: the first one asks for an orderly end, the second one ends at once.

use std::sync::Arc;

use tokio::sync::watch;

use crate::errors::{CommandError, Exit};
use crate::platform::Signals;
use crate::ui::Ui;

/// The wish to stop.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens for Ctrl-C, and for SIGTERM, which means the same.
    pub(crate) fn listen(ui: &Arc<Ui>) -> Self {
        let (sender, receiver) = watch::channel(false);
        if let Some(signals) = Signals::listen() {
            tokio::spawn(wait(Arc::clone(ui), sender, signals));
        }
        Self(receiver)
    }

    /// Returns what the engine watches.
    pub(crate) fn receiver(&self) -> watch::Receiver<bool> {
        self.0.clone()
    }

    /// Does some work, unless stopping is asked for before it ends.
    pub(crate) async fn unless_asked<T>(&self, work: impl Future<Output = T>) -> Result<T, CommandError> {
        tokio::select! {
            done = work => Ok(done),
            () = self.asked() => Err(CommandError::Interrupted),
        }
    }

    /// Waits until stopping is asked for.
    pub(crate) async fn asked(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|stop| *stop).await.is_err() {
            // Nobody is left who could ask.
            std::future::pending::<()>().await;
        }
    }
}

async fn wait(ui: Arc<Ui>, sender: watch::Sender<bool>, mut signals: Signals) {
    signals.next().await;
    ui.status("Stopping. Press Ctrl-C again to stop at once.");
    // The sender must outlive the wish: a receiver without one waits no longer.
    sender.send_replace(true);
    signals.next().await;
    ui.end();
    std::process::exit(Exit::Interrupted.code().into());
}
