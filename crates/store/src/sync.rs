//! Locks around plain data.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks plain data, such as counters and bytes: it stays valid if a holder panics.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
