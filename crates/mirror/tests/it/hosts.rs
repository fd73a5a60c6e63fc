//! Several places to read from: what one of them does is no matter of the others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_mirror::{Event, Group, Mirror, Observer, Plan, Selection};
use sealift_oci::{Digest, RepositoryName};
use sealift_store::conformance::fixture;
use sealift_store::{Action, Connections, Faults, MemoryStore, Method, Store, Switchboard};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::world::{World, layer, release, repository, wish};

const SLOW: Duration = Duration::from_secs(1000);
const IMAGES: usize = 12;

/// When each blob was there.
#[derive(Debug)]
struct Finished(Instant, Mutex<Vec<(Digest, Duration)>>);

impl Observer for Finished {
    fn notice(&self, event: &Event<'_>) {
        if let Event::BlobFinished { digest, .. } = event {
            self.1.lock().unwrap().push((*digest, self.0.elapsed()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_place_holds_nothing_up_that_comes_from_another() {
    let (mut connections, mut places) = (Connections::new(), BTreeMap::new());
    for place in ["slow", "quick"] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(place));
        for number in 0..IMAGES {
            let name = format!("{place}{number}");
            let image = fixture::image_of(&name, &[layer(&name)]);
            image.push(store.as_ref(), &repository("src", &name), Some("v1")).await;
        }
        let is_slow = place == "slow";
        let place: Arc<dyn Store> = Arc::new(Faults::new(store, move |call| match call.method {
            Method::OpenBlob if is_slow => Action::Delay(SLOW),
            _ => Action::Pass,
        }));
        let names =
            |number: usize| -> RepositoryName { repository("src", &format!("{}{number}", place.place())) };
        connections.extend((0..IMAGES).map(|number| (names(number), (Arc::clone(&place), names(number)))));
        places.extend((0..IMAGES).map(|number| (names(number), place.place().to_owned())));
    }
    let mut world =
        World::with(Arc::new(Switchboard::new(connections)), Arc::new(MemoryStore::new("target")));
    world.options.places = Arc::new(places);
    let wishes = |place: &'static str| (0..IMAGES).map(move |number| wish(&format!("{place}{number}")));
    let images = wishes("slow").chain(wishes("quick")).collect();
    let finished = Arc::new(Finished(Instant::now(), Mutex::default()));
    let mirror = Mirror { observer: Arc::clone(&finished) as _, ..world.mirror() };
    let survey = mirror.survey(&Selection { groups: vec![Group { name: None, images }] }).await;
    let report = mirror.run(Plan::new(survey), watch::channel(false).1).await;
    assert!(report.images.iter().all(|image| image.is_there()), "{report:?}");
    let finished = finished.1.lock().unwrap();
    for number in 0..IMAGES {
        let digest = Digest::sha256(&layer(&format!("quick{number}")));
        let (_, elapsed) = finished.iter().find(|(it, _)| *it == digest).unwrap();
        assert!(*elapsed < SLOW, "quick{number}: {elapsed:?}");
    }
}

/// How many blobs are on their way, and how many were at most.
#[derive(Debug, Default)]
struct UnderWay(Mutex<(usize, usize)>);

impl Observer for UnderWay {
    fn notice(&self, event: &Event<'_>) {
        let mut counts = self.0.lock().unwrap();
        match event {
            Event::BlobStarted { .. } => *counts = (counts.0 + 1, counts.1.max(counts.0 + 1)),
            Event::BlobFinished { .. } => counts.0 -= 1,
            _ => {}
        }
    }
}

/// How many are allowed → how many there are at most: a run begins with a few and has no reason for more, since
/// no rate is seen before the first of them ends.
#[tokio::test(start_paused = true)]
async fn no_more_blobs_are_on_their_way_than_is_allowed() {
    for (allowed, most) in [(1, 1), (3, 3), (16, 4)] {
        let near = World::new();
        let line = Faults::new(Arc::clone(&near.source), |call| match call.method {
            Method::OpenBlob => Action::Delay(SLOW),
            _ => Action::Pass,
        });
        let mut far = World::with(Arc::new(line), Arc::clone(&near.target));
        far.options.transfers = allowed;
        let image = fixture::image_of("a", &(0..4).map(|it| layer(&it.to_string())).collect::<Vec<_>>());
        near.publish("a", &image).await;
        let under_way = Arc::new(UnderWay::default());
        let mirror = Mirror { observer: Arc::clone(&under_way) as _, ..far.mirror() };
        let survey = mirror.survey(&release(&["a"])).await;
        let report = mirror.run(Plan::new(survey), watch::channel(false).1).await;
        assert!(report.images.iter().all(|image| image.is_there()), "{report:?}");
        assert_eq!(*under_way.0.lock().unwrap(), (0, most), "{allowed}");
    }
}
