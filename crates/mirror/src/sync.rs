//! Locks around plain data.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is behind these locks stays valid if a holder panics: counters and plain bytes.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
