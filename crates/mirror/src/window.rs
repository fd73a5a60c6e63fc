//! How many transfers run at the same time: more while that helps, half as many when a place is in trouble.

use std::sync::Mutex;

use sealift_store::lock;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Where a run begins: enough to fill most lines, and not so many that a small registry is overrun.
const START: usize = 4;
/// By how much a window is made wider when it is tried.
const WIDER: f64 = 1.5;
/// A rate counts as better when it is this much better: a quarter of what the line would give if it depended on the
/// number of transfers alone. Below lies noise, and transfers that bring nothing cost both registries work.
const BETTER: f64 = 1.125;
/// For how many looks a window that proved wide enough is left alone.
const CALM: usize = 20;

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
    phase: Phase,
    /// Slots that are to go as soon as they come back.
    debt: usize,
}

/// What is being found out.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The transfers are only beginning: a rate says nothing yet.
    Beginning,
    /// How fast it goes as it is.
    Measuring,
    /// Whether it goes faster than at `rate`, which `limit` slots reached.
    Trying { limit: usize, rate: f64 },
    /// Nothing: it is wide enough for so many more looks.
    Calm(usize),
}

impl Window {
    pub(crate) fn new(ceiling: usize) -> Self {
        let ceiling = ceiling.max(1);
        let limit = START.min(ceiling);
        Self {
            slots: Semaphore::new(limit),
            state: Mutex::new(State { limit, ceiling, phase: Phase::Beginning, debt: 0 }),
        }
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

    /// Takes note of the rate of the last while, in any unit: the window grows as long as that helps, and goes
    /// back where it did not.
    pub(crate) fn measured(&self, rate: f64) {
        let mut state = lock(&self.state);
        state.phase = match state.phase {
            Phase::Beginning => Phase::Measuring,
            Phase::Measuring => self.widen(&mut state, rate),
            Phase::Trying { rate: before, .. } if rate > before * BETTER => self.widen(&mut state, rate),
            Phase::Trying { limit, .. } => {
                self.narrow(&mut state, limit);
                Phase::Calm(CALM)
            }
            Phase::Calm(0) => Phase::Measuring,
            Phase::Calm(looks) => Phase::Calm(looks - 1),
        };
    }

    /// Tries more slots than those that reached `rate`.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a few hundred"
    )]
    fn widen(&self, state: &mut State, rate: f64) -> Phase {
        let limit = state.limit;
        let wider = ((limit as f64 * WIDER).ceil() as usize).min(state.ceiling);
        if wider == limit || rate <= 0.0 {
            return Phase::Measuring;
        }
        let more = wider - limit;
        let repaid = more.min(state.debt);
        state.debt -= repaid;
        state.limit = wider;
        self.slots.add_permits(more - repaid);
        Phase::Trying { limit, rate }
    }

    fn narrow(&self, state: &mut State, limit: usize) {
        let less = state.limit.saturating_sub(limit);
        state.limit -= less;
        state.debt += less - self.slots.forget_permits(less);
    }

    /// Takes note that the place asked for patience, or did not answer: half as many from now on.
    pub(crate) fn troubled(&self) {
        let mut state = lock(&self.state);
        let halved = (state.limit / 2).max(1);
        self.narrow(&mut state, halved);
        state.phase = Phase::Beginning;
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
    fn it_grows_while_that_helps_and_goes_back_where_it_did_not() {
        let window = Window::new(16);
        let looks = [(50.0, 4), (100.0, 6), (120.0, 9), (125.0, 6)];
        for (rate, limit) in looks {
            window.measured(rate);
            assert_eq!(window.limit(), limit, "{rate}");
        }
        for _ in 0..=CALM {
            window.measured(400.0);
            assert_eq!(window.limit(), 6, "it is left alone");
        }
        for (rate, limit) in [(100.0, 9), (200.0, 14), (400.0, 16), (800.0, 16), (900.0, 16)] {
            window.measured(rate);
            assert_eq!(window.limit(), limit, "{rate}");
        }
        assert_eq!(window.slots.available_permits(), 16);
    }

    #[test]
    fn a_window_that_nothing_passes_does_not_grow() {
        let window = Window::new(16);
        for _ in 0..10 {
            window.measured(0.0);
        }
        assert_eq!(window.limit(), 4);
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
        window.measured(10.0);
        assert_eq!((window.limit(), window.slots.available_permits()), (2, 2));
    }

    #[test]
    fn there_is_always_one_slot() {
        assert_eq!(Window::new(0).limit(), 1);
    }
}
