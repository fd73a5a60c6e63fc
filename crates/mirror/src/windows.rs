//! The windows of all places: one for each direction at each. They outlive a run, and whoever speaks to a place
//! may be given its window to tell of trouble.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use sealift_store::{Side, lock};
use tokio::sync::Notify;

use crate::window::Window;

/// How many transfers run at the same time at each place, in each direction: what is read there counts as the
/// source's, and what is written as the target's.
#[derive(Debug)]
pub struct Windows {
    ceiling: usize,
    /// Told when any of them may have room again.
    room: Arc<Notify>,
    all: Mutex<BTreeMap<(String, bool), Arc<Window>>>,
}

impl Windows {
    /// Makes windows that each have up to `ceiling` slots.
    #[must_use]
    pub fn new(ceiling: usize) -> Self {
        Self { ceiling, room: Arc::default(), all: Mutex::default() }
    }

    /// Returns what is to be called on trouble that the engine does not hear of, because who speaks to the place
    /// asks again himself. The place is known by its name ([`sealift_store::Store::place`]).
    #[must_use]
    pub fn pushback(&self, place: &str, side: Side) -> Arc<dyn Fn() + Send + Sync> {
        let window = self.of(place, side);
        Arc::new(move || window.troubled())
    }

    /// Returns how many transfers may run at the same time there now.
    #[must_use]
    pub fn limit(&self, place: &str, side: Side) -> usize {
        self.of(place, side).limit()
    }

    pub(crate) fn of(&self, place: &str, side: Side) -> Arc<Window> {
        let mut all = lock(&self.all);
        let key = (place.to_owned(), side == Side::Target);
        let window = || Arc::new(Window::new(self.ceiling, Arc::clone(&self.room)));
        Arc::clone(all.entry(key).or_insert_with(window))
    }

    /// Returns what is told when any of them may have room again.
    pub(crate) fn room(&self) -> Arc<Notify> {
        Arc::clone(&self.room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_direction_at_each_place_has_its_own() {
        let windows = Windows::new(16);
        windows.pushback("a", Side::Source)();
        let limit = |place, side| windows.limit(place, side);
        assert_eq!((limit("a", Side::Source), limit("a", Side::Target)), (2, 4));
        assert_eq!((limit("b", Side::Source), limit("b", Side::Target)), (4, 4));
    }
}
