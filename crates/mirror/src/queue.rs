//! The queue: which blob is next, of those whose place has room for one more transfer. A place that is slow or
//! in trouble holds nothing up that comes from another.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use sealift_oci::Digest;
use sealift_store::{Side, lock};
use tokio::sync::Notify;

use crate::window::{Slot, Window};
use crate::{Mirror, Plan};

/// The blobs of a plan that nobody has taken yet.
#[derive(Debug)]
pub(crate) struct Queue {
    lanes: Mutex<Vec<Lane>>,
    target: Arc<Window>,
    room: Arc<Notify>,
}

/// Those that come from one place, in the plan's order.
#[derive(Debug)]
struct Lane {
    window: Arc<Window>,
    waiting: VecDeque<(usize, Digest)>,
}

/// A blob that somebody takes, and room for it at both places until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Its position in the plan.
    pub(crate) position: usize,
    pub(crate) digest: Digest,
    /// The window of the place that it comes from.
    pub(crate) window: Arc<Window>,
    _slots: (Slot, Slot),
}

enum Pick {
    Taken(usize, Digest, Arc<Window>, Slot),
    /// All places that have something have no room.
    Full,
    Empty,
}

impl Queue {
    pub(crate) fn new(mirror: &Mirror, plan: &Plan) -> Self {
        let (windows, mut lanes) = (&mirror.options.windows, BTreeMap::<&str, Lane>::new());
        for (position, blob) in plan.blobs.iter().enumerate() {
            // Where it is read first; the others are for when that one fails.
            let first = blob.sources.first().and_then(|first| mirror.options.places.get(first));
            let place = first.map_or(mirror.source.place(), String::as_str);
            let lane = || Lane { window: windows.of(place, Side::Source), waiting: VecDeque::new() };
            lanes.entry(place).or_insert_with(lane).waiting.push_back((position, blob.descriptor.digest));
        }
        let target = windows.of(mirror.target.place(), Side::Target);
        target.begin_with(lanes.len());
        Self { lanes: Mutex::new(lanes.into_values().collect()), target, room: windows.room() }
    }

    /// Returns the windows at the places that have something.
    pub(crate) fn sources(&self) -> Vec<Arc<Window>> {
        lock(&self.lanes).iter().map(|lane| Arc::clone(&lane.window)).collect()
    }

    pub(crate) fn target(&self) -> &Arc<Window> {
        &self.target
    }

    /// Takes the next blob as soon as both places have room; `None` when all are taken. Everybody takes the
    /// room at the target first, so nobody waits for who waits for him.
    pub(crate) async fn next(&self) -> Option<Turn> {
        let target = self.target.enter().await;
        loop {
            // Before the look, so that nothing is missed in between.
            let room = self.room.notified();
            match self.pick() {
                Pick::Taken(position, digest, window, slot) => {
                    return Some(Turn { position, digest, window, _slots: (slot, target) });
                }
                Pick::Full => room.await,
                Pick::Empty => return None,
            }
        }
    }

    /// Picks a blob from the place that has the fewest on their way, so that a slow one never takes all the room
    /// at the target; of several such, the blob that comes first in the plan.
    fn pick(&self) -> Pick {
        let mut lanes = lock(&self.lanes);
        lanes.retain(|lane| !lane.waiting.is_empty());
        lanes.sort_unstable_by_key(|lane| {
            (lane.window.taken(), lane.waiting.front().map(|(position, _)| *position))
        });
        if lanes.is_empty() {
            return Pick::Empty;
        }
        for lane in lanes.iter_mut() {
            let Some(slot) = lane.window.try_enter() else { continue };
            if let Some((position, digest)) = lane.waiting.pop_front() {
                return Pick::Taken(position, digest, Arc::clone(&lane.window), slot);
            }
        }
        Pick::Full
    }
}
