//! The meter: listens to what happens in a run, and widens or narrows the windows by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sealift_store::Side;
use tokio::sync::SemaphorePermit;

use crate::window::Window;
use crate::{Event, Observer};

/// How long a rate is measured: some round trips, so that it says something.
const WHILE: Duration = Duration::from_millis(500);
/// What a finished blob counts beside its bytes: many small ones are work, too.
const BLOB_WORTH: u64 = 64 * 1024;

/// Passes events on, and draws its conclusions from them.
#[derive(Debug)]
pub(crate) struct Meter {
    inner: Arc<dyn Observer>,
    /// What was done since the last look.
    done: AtomicU64,
    source: Window,
    target: Window,
}

/// A place in both windows.
pub(crate) type Slots<'a> = (Option<SemaphorePermit<'a>>, Option<SemaphorePermit<'a>>);

impl Meter {
    pub(crate) fn new(inner: Arc<dyn Observer>, ceiling: usize) -> Self {
        let (source, target) = (Window::new(ceiling), Window::new(ceiling));
        Self { inner, done: AtomicU64::new(0), source, target }
    }

    /// Waits until both places have room for one more transfer.
    pub(crate) async fn enter(&self) -> Slots<'_> {
        (self.source.enter().await, self.target.enter().await)
    }

    pub(crate) fn leave(&self, slots: Slots<'_>) {
        self.source.leave(slots.0);
        self.target.leave(slots.1);
    }

    /// Looks at the rate again and again, for as long as the run lasts.
    pub(crate) async fn watch(&self) {
        loop {
            tokio::time::sleep(WHILE).await;
            self.look();
        }
    }

    fn look(&self) {
        #[allow(clippy::cast_precision_loss, reason = "half a second never moves 2^52 bytes")]
        let rate = self.done.swap(0, Ordering::Relaxed) as f64;
        self.source.measured(rate);
        self.target.measured(rate);
    }
}

impl Observer for Meter {
    fn notice(&self, event: &Event<'_>) {
        match event {
            Event::BlobProgress { bytes, .. } => {
                self.done.fetch_add(*bytes, Ordering::Relaxed);
            }
            Event::BlobFinished { .. } => {
                self.done.fetch_add(BLOB_WORTH, Ordering::Relaxed);
            }
            Event::Retrying { error, .. } if error.kind().is_transient() => match error.side() {
                Some(Side::Source) => self.source.troubled(),
                Some(Side::Target) => self.target.troubled(),
                None => {}
            },
            _ => {}
        }
        self.inner.notice(event);
    }
}
