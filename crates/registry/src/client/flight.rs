//! One request in flight for what many want at once.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use super::fault::Fault;

/// A value that one caller gets while the others wait. Who waited for an attempt that failed shares its
/// failure instead of making the same attempt again: a thousand tasks must not knock one after the other at
/// a door that is closed.
#[derive(Debug)]
pub(super) struct Flight<T> {
    value: tokio::sync::Mutex<Option<T>>,
    failures: Mutex<(u64, Option<Fault>)>,
}

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Self { value: tokio::sync::Mutex::new(None), failures: Mutex::default() }
    }
}

impl<T: Clone> Flight<T> {
    /// Returns the value if it is there and still good, else makes it.
    pub(super) async fn get<F>(&self, is_good: impl Fn(&T) -> bool, make: F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let (seen, _) = self.failures();
        let mut value = self.value.lock().await;
        if let Some(value) = value.as_ref().filter(|value| is_good(value)) {
            return Ok(value.clone());
        }
        match self.failures() {
            (count, Some(fault)) if count != seen => return Err(fault),
            _ => {}
        }
        let made = make.await;
        match &made {
            Ok(made) => *value = Some(made.clone()),
            Err(fault) => {
                let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
                *failures = (failures.0 + 1, Some(fault.clone()));
            }
        }
        made
    }

    /// Forgets the value if it is a bad one.
    pub(super) async fn forget(&self, is_bad: impl Fn(&T) -> bool) {
        let mut value = self.value.lock().await;
        if value.as_ref().is_some_and(is_bad) {
            *value = None;
        }
    }

    fn failures(&self) -> (u64, Option<Fault>) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fault::Purpose;
    use super::*;
    use sealift_store::{ErrorKind, Operation};
    use std::sync::atomic::{AtomicU32, Ordering};

    async fn make(count: &AtomicU32, fails: bool) -> Result<u32, Fault> {
        tokio::task::yield_now().await;
        let made = count.fetch_add(1, Ordering::Relaxed) + 1;
        let purpose = Purpose::of(Operation::Connect);
        if fails { Err(purpose.fault(ErrorKind::Unavailable)) } else { Ok(made) }
    }

    #[tokio::test]
    async fn many_who_want_it_make_one_attempt() {
        for fails in [false, true] {
            let (flight, count) = (Flight::default(), AtomicU32::new(0));
            let all = (0..20).map(|_| flight.get(|_| true, make(&count, fails)));
            for outcome in futures_util::future::join_all(all).await {
                assert_eq!(outcome.is_err(), fails);
            }
            assert_eq!(count.load(Ordering::Relaxed), 1);
            let later = flight.get(|_| true, make(&count, false)).await.unwrap();
            assert_eq!(later, if fails { 2 } else { 1 });
        }
    }

    #[tokio::test]
    async fn a_bad_value_is_made_anew() {
        let (flight, count) = (Flight::default(), AtomicU32::new(0));
        assert_eq!(flight.get(|_| true, make(&count, false)).await.unwrap(), 1);
        flight.forget(|value| *value == 7).await;
        assert_eq!(flight.get(|_| true, make(&count, false)).await.unwrap(), 1);
        flight.forget(|value| *value == 1).await;
        assert_eq!(flight.get(|_| true, make(&count, false)).await.unwrap(), 2);
        assert_eq!(flight.get(|value| *value > 2, make(&count, false)).await.unwrap(), 3);
    }
}
