//! A thread that does something again and again, until it is told to end. It is no task: a runtime that is busy
//! with transfers, or with a disk, shall not keep the screen from moving.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// A thread at work; it ends when this goes.
#[derive(Debug)]
pub(crate) struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Calls `tick` with the time since now, first after `interval`. Where no thread can be started nothing moves.
    pub(crate) fn start(interval: Duration, mut tick: impl FnMut(Duration) + Send + 'static) -> Self {
        let (stop, stopped) = channel::<()>();
        let began = Instant::now();
        let work = move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                tick(began.elapsed());
            }
        };
        let thread = Builder::new().name("progress".to_owned()).spawn(work).ok();
        Self { stop: Some(stop), thread }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop = None;
        // Who ends it from within cannot wait for itself.
        let is_other = |thread: &JoinHandle<()>| thread.thread().id() != std::thread::current().id();
        if let Some(thread) = self.thread.take().filter(is_other) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn it_ticks_until_it_goes_and_then_never_again() {
        let ticks = Arc::new(AtomicUsize::new(0));
        let (counted, (sender, receiver)) = (Arc::clone(&ticks), channel());
        let ticker = Ticker::start(Duration::from_millis(1), move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = sender.send(());
        });
        receiver.recv().unwrap();
        drop(ticker);
        let ticked = ticks.load(Ordering::SeqCst);
        // The thread has ended: it holds the other end no more.
        while receiver.recv().is_ok() {}
        assert_eq!(ticks.load(Ordering::SeqCst), ticked);
    }
}
