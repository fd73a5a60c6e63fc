//! The meter: listens to what happens in a run, and widens or narrows the windows by it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_oci::Digest;
use sealift_store::{Error, lock};

use crate::queue::{Queue, Turn};
use crate::window::Window;
use crate::windows::Windows;
use crate::{Event, Mirror, Observer, Plan};

/// How long a rate is measured: some round trips, so that it says something.
const WHILE: Duration = Duration::from_millis(500);
/// What a finished blob counts beside its bytes: many small ones are work, too.
const BLOB_WORTH: u64 = 64 * 1024;

/// Passes events on, and draws its conclusions from them.
#[derive(Debug)]
pub(crate) struct Meter {
    inner: Arc<dyn Observer>,
    windows: Arc<Windows>,
    queue: Queue,
    /// All windows of this run.
    watched: Vec<Arc<Window>>,
    /// From where each blob comes that is on its way.
    running: Mutex<HashMap<Digest, Arc<Window>>>,
}

impl Meter {
    pub(crate) fn new(mirror: &Mirror, plan: &Plan) -> Self {
        let queue = Queue::new(mirror, plan);
        let mut watched = queue.sources();
        watched.push(Arc::clone(queue.target()));
        let (inner, windows) = (Arc::clone(&mirror.observer), Arc::clone(&mirror.options.windows));
        Self { inner, windows, queue, watched, running: Mutex::default() }
    }

    /// Waits until both places of some blob have room for it; `None` when all blobs are taken.
    pub(crate) async fn next(&self) -> Option<Turn> {
        let turn = self.queue.next().await?;
        lock(&self.running).insert(turn.digest, Arc::clone(&turn.window));
        Some(turn)
    }

    /// Gives the room back.
    pub(crate) fn leave(&self, turn: Turn) {
        lock(&self.running).remove(&turn.digest);
        drop(turn);
    }

    /// Looks at the rates again and again, for as long as the run lasts.
    pub(crate) async fn watch(&self) {
        loop {
            tokio::time::sleep(WHILE).await;
            self.look();
        }
    }

    fn look(&self) {
        self.watched.iter().for_each(|window| window.look());
    }

    fn did(&self, digest: &Digest, amount: u64) {
        self.queue.target().did(amount);
        if let Some(source) = lock(&self.running).get(digest) {
            source.did(amount);
        }
    }

    /// Storage to which a place leads is part of it.
    fn troubled(&self, error: &Error) {
        if let (Some(place), Some(side)) = (error.place(), error.side()) {
            self.windows.of(place, side).troubled();
        }
    }
}

impl Observer for Meter {
    fn notice(&self, event: &Event<'_>) {
        match event {
            Event::BlobProgress { digest, bytes } => self.did(digest, *bytes),
            Event::BlobFinished { digest, .. } => self.did(digest, BLOB_WORTH),
            Event::Retrying { error, .. } if error.kind().is_transient() => self.troubled(error),
            _ => {}
        }
        self.inner.notice(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, PlannedBlob};
    use sealift_oci::{Descriptor, RepositoryName, media_type};
    use sealift_store::{ErrorKind, MemoryStore, Operation, Side, Store};
    use std::collections::BTreeMap;

    fn repository(text: &str) -> RepositoryName {
        text.parse().unwrap()
    }

    /// A run from two places, with so many blobs from each: those of `a` first.
    fn meter(blobs: usize) -> Meter {
        limited(blobs, 16)
    }

    fn limited(blobs: usize, ceiling: usize) -> Meter {
        let store = |place: &str| Arc::new(MemoryStore::new(place)) as Arc<dyn Store>;
        let places = ["a", "b"].map(|place| (repository(place), place.to_owned()));
        let (places, windows) = (Arc::new(BTreeMap::from(places)), Arc::new(Windows::new(ceiling)));
        let options = Options { places, windows, ..Options::default() };
        let mirror = Mirror { source: store("a, b"), target: store("t"), options, observer: Arc::new(()) };
        let blob = |place: &str, number: usize| PlannedBlob {
            descriptor: Descriptor::of(media_type::OCI_LAYER_GZIP, format!("{place} {number}").as_bytes()),
            sources: vec![repository(place)],
            targets: vec![repository("app")],
            holder: None,
        };
        let of = |place| (0..blobs).map(move |number| blob(place, number));
        Meter::new(&mirror, &Plan { blobs: of("a").chain(of("b")).collect(), ..Plan::default() })
    }

    fn limits(meter: &Meter) -> [usize; 3] {
        [("a", Side::Source), ("b", Side::Source), ("t", Side::Target)]
            .map(|(place, side)| meter.windows.limit(place, side))
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_narrows_the_window_of_its_place_and_direction_only() {
        let meter = meter(1);
        assert_eq!(limits(&meter), [4, 4, 8]);
        let trouble = |place: &str, side, kind| {
            let error = Error::new(kind, Operation::FetchBlob).at(place).on(side);
            meter.notice(&Event::Retrying { error: &error, wait: Duration::ZERO });
        };
        trouble("b", Side::Source, ErrorKind::Mismatch);
        assert_eq!(limits(&meter), [4, 4, 8], "a flipped bit is no reason to ask for less");
        trouble("b", Side::Source, ErrorKind::Busy);
        assert_eq!(limits(&meter), [4, 2, 8]);
        trouble("t", Side::Target, ErrorKind::Unavailable);
        assert_eq!(limits(&meter), [4, 2, 4]);
        // What the transport repeats itself.
        meter.windows.pushback("a", Side::Source)();
        assert_eq!(limits(&meter), [2, 2, 4]);
    }

    #[tokio::test]
    async fn a_window_grows_by_what_comes_from_its_own_place() {
        let meter = meter(1);
        let turns = [meter.next().await.unwrap(), meter.next().await.unwrap()];
        // The first look says nothing.
        meter.look();
        meter.notice(&Event::BlobProgress { digest: turns[1].digest, bytes: 1000 });
        meter.look();
        assert_eq!(limits(&meter), [4, 6, 12]);
    }

    #[tokio::test]
    async fn a_place_without_room_holds_nothing_up_that_comes_from_another() {
        let meter = meter(6);
        let mut turns = Vec::new();
        for position in [0, 6, 1, 7, 2, 8, 3, 9] {
            let turn = meter.next().await.unwrap();
            assert_eq!(turn.position, position);
            turns.push(turn);
        }
        for (free, position) in [(0, 4), (1, 10), (2, 5), (3, 11)] {
            meter.leave(turns.remove(free));
            let turn = meter.next().await.unwrap();
            assert_eq!(turn.position, position);
            turns.insert(free, turn);
        }
        turns.clear();
        assert!(meter.next().await.is_none());
    }

    /// With room for four at the target, a place whose blobs never end is given no more than its share.
    #[tokio::test]
    async fn a_slow_place_does_not_take_all_the_room_at_the_target() {
        let meter = limited(6, 4);
        let mut slow = Vec::new();
        for expected in [0, 6, 7, 8, 9, 10, 11, 1] {
            let turn = meter.next().await.unwrap();
            assert_eq!(turn.position, expected);
            match turn.position {
                0..6 => slow.push(turn),
                _ => meter.leave(turn),
            }
        }
        assert_eq!(slow.len(), 2);
    }
}
