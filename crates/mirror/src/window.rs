//! How many transfers run at the same time at one place in one direction: more while that helps, half as many
//! when the place is in trouble.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_store::lock;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Where a run begins: enough to fill most lines, and not so many that a small registry is overrun.
const START: usize = 4;
/// By how much a window is made wider when it is tried.
const WIDER: f64 = 1.5;
/// A rate counts as better when it is this much better: a quarter of what the line would give if it depended on the
/// number of transfers alone. Below lies noise, and transfers that bring nothing cost both registries work.
const BETTER: f64 = 1.125;
/// For how many looks a window that proved wide enough is left alone.
const CALM: usize = 20;
/// So many are always on their way, if that is allowed: one may be waiting for its next try.
const FEWEST: usize = 2;
/// Trouble that comes within so long of a halving is the same trouble: what was on its way meets it together.
const MOMENT: Duration = Duration::from_millis(500);

/// The slots of one direction at one place.
#[derive(Debug)]
pub(crate) struct Window {
    state: Mutex<State>,
    /// What was done since the last look.
    done: AtomicU64,
    /// Told when there may be room again; several windows can share it.
    room: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    ceiling: usize,
    /// How many slots are taken: more than the limit where that was halved meanwhile.
    taken: usize,
    /// Whether more were taken than before the window was made wider.
    is_filled: bool,
    phase: Phase,
    halved: Option<Instant>,
}

/// What is being found out.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The transfers are only beginning, or there was trouble since the last look: a rate says nothing yet.
    Beginning,
    /// How fast it goes as it is.
    Measuring,
    /// Whether it goes faster than at `rate`, which `limit` slots reached.
    Trying { limit: usize, rate: f64 },
    /// Nothing: it is wide enough for so many more looks.
    Calm(usize),
}

/// A place in a window, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Window>);

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.0.state).taken -= 1;
        self.0.room.notify_waiters();
    }
}

impl Window {
    pub(crate) fn new(ceiling: usize, room: Arc<Notify>) -> Self {
        let ceiling = ceiling.max(1);
        let limit = START.min(ceiling);
        let state =
            State { limit, ceiling, taken: 0, is_filled: false, phase: Phase::Beginning, halved: None };
        Self { state: Mutex::new(state), done: AtomicU64::new(0), room }
    }

    /// Begins with room for what so many other places begin with, unless there was trouble before.
    pub(crate) fn begin_with(&self, places: usize) {
        let mut state = lock(&self.state);
        if state.halved.is_none() {
            state.limit = state.limit.max(START.saturating_mul(places)).min(state.ceiling);
        }
    }

    /// Takes a slot, if there is one.
    pub(crate) fn try_enter(self: &Arc<Self>) -> Option<Slot> {
        let mut state = lock(&self.state);
        let has_room = state.taken < state.limit;
        state.taken += usize::from(has_room);
        state.is_filled |= matches!(state.phase, Phase::Trying { limit, .. } if state.taken > limit);
        has_room.then(|| Slot(Arc::clone(self)))
    }

    /// Returns how many slots are taken.
    pub(crate) fn taken(&self) -> usize {
        lock(&self.state).taken
    }

    /// Waits for a slot.
    pub(crate) async fn enter(self: &Arc<Self>) -> Slot {
        loop {
            // Before the look, so that nothing is missed in between.
            let room = self.room.notified();
            match self.try_enter() {
                Some(slot) => return slot,
                None => room.await,
            }
        }
    }

    /// Counts what was done, in any unit.
    pub(crate) fn did(&self, amount: u64) {
        self.done.fetch_add(amount, Ordering::Relaxed);
    }

    /// Draws the conclusion from what was done since the last look: the window grows as long as that helps, and
    /// goes back where it did not.
    pub(crate) fn look(&self) {
        #[allow(clippy::cast_precision_loss, reason = "half a second never moves 2^52 bytes")]
        let rate = self.done.swap(0, Ordering::Relaxed) as f64;
        let mut state = lock(&self.state);
        state.phase = match state.phase {
            Phase::Beginning => Phase::Measuring,
            Phase::Measuring => state.widen(rate),
            // What nobody made use of cannot have helped; perhaps the other side has no room.
            Phase::Trying { .. } if !state.is_filled => state.phase,
            Phase::Trying { rate: before, .. } if rate > before * BETTER => state.widen(rate),
            Phase::Trying { limit, .. } => {
                state.limit = state.limit.min(limit);
                Phase::Calm(CALM)
            }
            Phase::Calm(0) => Phase::Measuring,
            Phase::Calm(looks) => Phase::Calm(looks - 1),
        };
        self.room.notify_waiters();
    }

    /// Takes note that the place asked for patience, or did not answer: half as many from now on.
    pub(crate) fn troubled(&self) {
        let mut state = lock(&self.state);
        let now = Instant::now();
        state.phase = Phase::Beginning;
        if state.halved.is_none_or(|halved| now - halved >= MOMENT) {
            state.halved = Some(now);
            state.limit = (state.limit / 2).max(FEWEST.min(state.ceiling));
        }
    }

    pub(crate) fn limit(&self) -> usize {
        lock(&self.state).limit
    }
}

impl State {
    /// Tries more slots than those that reached `rate`.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a few hundred"
    )]
    fn widen(&mut self, rate: f64) -> Phase {
        let limit = self.limit;
        let wider = ((limit as f64 * WIDER).ceil() as usize).min(self.ceiling);
        if wider <= limit || rate <= 0.0 {
            return Phase::Measuring;
        }
        self.limit = wider;
        self.is_filled = self.taken > limit;
        Phase::Trying { limit, rate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(ceiling: usize) -> Arc<Window> {
        Arc::new(Window::new(ceiling, Arc::default()))
    }

    fn measured(window: &Arc<Window>, rate: u64) -> usize {
        window.did(rate);
        window.look();
        // All slots are made use of.
        let taken: Vec<Slot> = std::iter::from_fn(|| window.try_enter()).collect();
        drop(taken);
        window.limit()
    }

    #[test]
    fn it_grows_while_that_helps_and_goes_back_where_it_did_not() {
        let window = window(16);
        for (rate, limit) in [(50, 4), (100, 6), (120, 9), (125, 6)] {
            assert_eq!(measured(&window, rate), limit, "{rate}");
        }
        for _ in 0..=CALM {
            assert_eq!(measured(&window, 400), 6, "it is left alone");
        }
        for (rate, limit) in [(100, 9), (200, 14), (400, 16), (800, 16), (900, 16)] {
            assert_eq!(measured(&window, rate), limit, "{rate}");
        }
    }

    #[test]
    fn what_nobody_made_use_of_is_not_judged() {
        let window = window(16);
        for (rate, limit) in [(50, 4), (100, 6)] {
            window.did(rate);
            window.look();
            assert_eq!(window.limit(), limit);
        }
        for _ in 0..5 {
            window.did(50);
            window.look();
            assert_eq!(window.limit(), 6, "the other side had no room");
        }
        assert_eq!(measured(&window, 100), 6);
        assert_eq!(measured(&window, 200), 9);
    }

    #[test]
    fn a_window_that_nothing_passes_does_not_grow() {
        let window = window(16);
        for _ in 0..10 {
            assert_eq!(measured(&window, 0), 4);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_halves_it_although_all_slots_are_taken() {
        let window = window(4);
        let mut taken = vec![window.enter().await, window.enter().await, window.enter().await];
        window.troubled();
        assert_eq!(window.limit(), 2);
        for has_room in [false, false, true] {
            assert_eq!(window.try_enter().is_some(), has_room, "{taken:?}");
            taken.pop();
        }
        for _ in 0..2 {
            tokio::time::advance(MOMENT).await;
            window.troubled();
        }
        assert_eq!(window.limit(), 2, "one can be waiting for its next try");
        assert_eq!(measured(&window, 10), 2, "there was trouble");
        assert_eq!(measured(&window, 10), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_of_one_moment_is_one_trouble() {
        let window = window(16);
        for rate in [1, 2, 4, 8, 16] {
            measured(&window, rate);
        }
        for limit in [8, 4] {
            (0..16).for_each(|_| window.troubled());
            assert_eq!(window.limit(), limit);
            tokio::time::advance(MOMENT).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_begins_with_room_for_several_places_until_there_is_trouble() {
        let window = window(16);
        for (places, limit) in [(0, 4), (3, 12), (1, 12), (9, 16)] {
            window.begin_with(places);
            assert_eq!(window.limit(), limit, "{places}");
        }
        window.troubled();
        window.begin_with(9);
        assert_eq!(window.limit(), 8);
    }

    #[tokio::test]
    async fn who_waits_gets_what_becomes_free() {
        let window = window(1);
        let first = window.enter().await;
        let waiting = tokio::spawn({
            let window = Arc::clone(&window);
            async move { drop(window.enter().await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
    }

    #[test]
    fn there_is_always_one_slot() {
        assert_eq!(window(0).limit(), 1);
    }
}
