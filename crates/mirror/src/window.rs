//! How many transfers run at the same time: more while that helps, half as many when a place is in trouble.

use std::sync::Mutex;

use sealift_store::lock;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Where a run begins: enough to fill most lines, and not so many that a small registry is overrun.
const START: usize = 4;
/// A rate counts as better when it is this much better; below lies noise.
const BETTER: f64 = 1.05;

/// The slots of one direction at one place.
#[derive(Debug)]
pub(crate) struct Window {
    slots: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    ceiling: usize,
    /// The best rate that was seen since the last trouble.
    best: f64,
    /// Slots that are to go as soon as they come back.
    debt: usize,
}

impl Window {
    pub(crate) fn new(ceiling: usize) -> Self {
        let ceiling = ceiling.max(1);
        let limit = START.min(ceiling);
        Self { slots: Semaphore::new(limit), state: Mutex::new(State { limit, ceiling, best: 0.0, debt: 0 }) }
    }

    /// Waits for a slot. It is given back by [`Window::leave`].
    pub(crate) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.slots.acquire().await.ok()
    }

    /// Gives a slot back, unless there are too many.
    pub(crate) fn leave(&self, slot: Option<SemaphorePermit<'_>>) {
        let mut state = lock(&self.state);
        if state.debt > 0 {
            state.debt -= 1;
            if let Some(slot) = slot {
                slot.forget();
            }
        }
    }

    /// Takes note of the rate of the last while, in any unit: the window grows as long as that helps.
    pub(crate) fn measured(&self, rate: f64) {
        let mut state = lock(&self.state);
        if rate <= state.best * BETTER || state.limit >= state.ceiling {
            return;
        }
        state.best = rate;
        let grown = (state.limit + state.limit.div_ceil(2)).min(state.ceiling);
        let more = grown - state.limit;
        state.limit = grown;
        let repaid = more.min(state.debt);
        state.debt -= repaid;
        self.slots.add_permits(more - repaid);
    }

    /// Takes note that the place asked for patience, or did not answer: half as many from now on.
    pub(crate) fn troubled(&self) {
        let mut state = lock(&self.state);
        let halved = (state.limit / 2).max(1);
        let less = state.limit - halved;
        state.limit = halved;
        state.best = 0.0;
        state.debt += less - self.slots.forget_permits(less);
    }

    #[cfg(test)]
    fn limit(&self) -> usize {
        lock(&self.state).limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_while_that_helps() {
        let window = Window::new(16);
        for (rate, limit) in
            [(100.0, 6), (102.0, 6), (150.0, 9), (150.0, 9), (200.0, 14), (400.0, 16), (800.0, 16)]
        {
            window.measured(rate);
            assert_eq!(window.limit(), limit, "{rate}");
        }
        assert_eq!(window.slots.available_permits(), 16);
    }

    #[tokio::test]
    async fn trouble_halves_it_although_all_slots_are_taken() {
        let window = Window::new(4);
        let taken = [window.enter().await, window.enter().await, window.enter().await];
        window.troubled();
        assert_eq!((window.limit(), window.slots.available_permits()), (2, 0));
        for slot in taken {
            window.leave(slot);
        }
        assert_eq!(window.slots.available_permits(), 2);
        window.troubled();
        window.troubled();
        assert_eq!((window.limit(), window.slots.available_permits()), (1, 1));
        window.measured(10.0);
        assert_eq!((window.limit(), window.slots.available_permits()), (2, 2));
    }

    #[test]
    fn there_is_always_one_slot() {
        assert_eq!(Window::new(0).limit(), 1);
    }
}
