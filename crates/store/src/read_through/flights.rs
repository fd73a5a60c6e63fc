//! One flight for each object, however many wait for it.
//!
//! A flight is a task of its own: who stops waiting does not end it. One that failed is remembered for a while, so
//! that many who ask for what is not there do not all ask an upstream.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::sync::lock;
use crate::{Error, ErrorKind, Operation, Result};

/// The most flights under way or remembered; what is asked beyond is put off.
const FLIGHTS: usize = 10_000;

/// What became of a flight that has one answer.
pub(super) type Answered<T> = Option<Result<T>>;

/// The flights under way, and for a while those that failed.
pub(super) struct Flights<K, P> {
    all: Mutex<HashMap<K, Flight<P>>>,
    refusal: Duration,
}

struct Flight<P> {
    progress: watch::Receiver<P>,
    /// Until when a failure is remembered.
    until: Option<Instant>,
}

impl<P> Flight<P> {
    fn counts(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl<K, P> Flights<K, P>
where
    K: Clone + Eq + Hash + Send + 'static,
    P: Send + Sync + 'static,
{
    pub(super) fn new(refusal: Duration) -> Self {
        Self { all: Mutex::default(), refusal }
    }

    /// Looks at the flight of an object, where there is one.
    pub(super) fn look(&self, key: &K) -> Option<watch::Receiver<P>> {
        lock(&self.all).get(key).map(|flight| flight.progress.clone())
    }

    /// Waits with the others for an object, or begins a flight; `fly` returns whether it succeeded.
    pub(super) fn join<F: Future<Output = bool> + Send + 'static>(
        self: &Arc<Self>,
        key: &K,
        start: P,
        fly: impl FnOnce(watch::Sender<P>) -> F,
    ) -> Result<watch::Receiver<P>> {
        let now = Instant::now();
        let mut all = lock(&self.all);
        if let Some(flight) = all.get(key).filter(|flight| flight.counts(now)) {
            return Ok(flight.progress.clone());
        }
        if all.len() >= FLIGHTS {
            all.retain(|_, flight| flight.counts(now));
        }
        if all.len() >= FLIGHTS {
            return Err(Error::new(ErrorKind::Busy, Operation::Connect).because("too much is being fetched"));
        }
        let (sender, progress) = watch::channel(start);
        all.insert(key.clone(), Flight { progress: progress.clone(), until: None });
        let landing = Landing { flights: Arc::clone(self), key: key.clone(), succeeded: false };
        let flight = fly(sender);
        tokio::spawn(async move { landing.end(flight.await) });
        Ok(progress)
    }
}

impl<K, T> Flights<K, Answered<T>>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Waits with the others for one answer.
    pub(super) async fn answer(
        self: &Arc<Self>,
        key: &K,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let mut progress = self.join(key, None, |sender| async move {
            let answer = work.await;
            let succeeded = answer.is_ok();
            sender.send_replace(Some(answer));
            succeeded
        })?;
        let answer = progress.wait_for(Option::is_some).await.map_err(|_| broke_off())?.clone();
        answer.unwrap_or_else(|| Err(broke_off()))
    }
}

/// Says that whoever fetched is no more.
pub(super) fn broke_off() -> Error {
    Error::new(ErrorKind::Unavailable, Operation::Connect).because("fetching it broke off")
}

/// The end of a flight, however it comes.
struct Landing<K: Eq + Hash, P> {
    flights: Arc<Flights<K, P>>,
    key: K,
    succeeded: bool,
}

impl<K: Eq + Hash, P> Landing<K, P> {
    fn end(mut self, succeeded: bool) {
        self.succeeded = succeeded;
    }
}

impl<K: Eq + Hash, P> Drop for Landing<K, P> {
    fn drop(&mut self) {
        let mut all = lock(&self.flights.all);
        if self.succeeded || self.flights.refusal.is_zero() {
            all.remove(&self.key);
        } else if let Some(flight) = all.get_mut(&self.key) {
            flight.until = Some(Instant::now() + self.flights.refusal);
        }
    }
}

impl<K, P> fmt::Debug for Flights<K, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("count", &lock(&self.all).len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flights(refusal: u64) -> Arc<Flights<u32, Answered<u32>>> {
        Arc::new(Flights::new(Duration::from_secs(refusal)))
    }

    async fn refused() -> Result<u32> {
        Err(Error::new(ErrorKind::NotFound, Operation::FetchBlob))
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_remembered_for_a_while_and_answers_are_not() {
        let flights = flights(2);
        assert!(flights.answer(&1, refused()).await.is_err());
        assert!(flights.answer(&1, async { Ok(7) }).await.is_err(), "it was just refused");
        assert_eq!(flights.answer(&2, async { Ok(7) }).await.unwrap(), 7);
        tokio::time::advance(Duration::from_secs(2)).await;
        for number in [8, 9] {
            assert_eq!(flights.answer(&1, async move { Ok(number) }).await.unwrap(), number);
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_flight_that_panics_is_a_failure_to_all_and_stays_in_nobodys_way() {
        let flights = flights(0);
        let error = flights.answer(&1, async { panic!("a test wants it so") }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        while flights.look(&1).is_some() {
            tokio::task::yield_now().await;
        }
        assert_eq!(flights.answer(&1, async { Ok(7) }).await.unwrap(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_not_more_than_so_many() {
        let flights = flights(2);
        for key in 0..u32::try_from(FLIGHTS).unwrap() {
            assert!(flights.answer(&key, refused()).await.is_err());
        }
        let key = u32::MAX;
        assert_eq!(flights.answer(&key, refused()).await.unwrap_err().kind(), ErrorKind::Busy);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(flights.answer(&key, refused()).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}
