//! How many round trips stand one behind the other: over a long line each of them is waited for.
//!
//! Each call to the source takes one second of a clock that nobody waits for; the target answers at once.

use std::sync::Arc;
use std::time::Duration;

use sealift_mirror::{Plan, Selection};
use sealift_store::conformance::fixture::{self, Image};
use sealift_store::{Action, Counting, Faults, MemoryStore, Method, Store};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::world::{World, release, repository};

const ROUND_TRIP: Duration = Duration::from_secs(1);

/// A source that is far away, and what is asked of it. What is published goes there directly.
struct Far {
    near: World,
    far: World,
    asked: Arc<Counting>,
}

impl Far {
    fn new() -> Self {
        let near = World::new();
        let line = Faults::new(Arc::clone(&near.source), |_| Action::Delay(ROUND_TRIP));
        let asked = Arc::new(Counting::new(Arc::new(line)));
        let far = World::with(Arc::clone(&asked) as Arc<dyn Store>, Arc::new(MemoryStore::new("target")));
        Self { near, far, asked }
    }

    /// Round trips of the survey, and of the run behind it up to its end.
    async fn depth(&self, selection: &Selection) -> (u64, u64) {
        self.asked.reset();
        let (mirror, began) = (self.far.mirror(), Instant::now());
        let survey = mirror.survey(selection).await;
        let surveyed = began.elapsed();
        mirror.run(Plan::new(survey), watch::channel(false).1).await;
        (surveyed.as_secs(), (began.elapsed() - surveyed).as_secs())
    }

    fn calls(&self, method: Method) -> u64 {
        self.asked.of(method).calls
    }

    async fn attach(&self, seed: &str, subject: &Image) -> Image {
        let artifact = fixture::artifact(seed, &subject.manifest, "application/vnd.example.signature");
        artifact.push(self.near.source.as_ref(), &repository("src", "a"), None).await;
        artifact
    }
}

#[tokio::test(start_paused = true)]
async fn many_images_need_three_round_trips_before_their_blobs_and_two_when_all_is_there() {
    let far = Far::new();
    let names = ["a", "b", "c"];
    for name in names {
        far.near.publish(name, &fixture::image(name)).await;
    }
    let selection = release(&names);
    // The manifests, with the lists of tags beside them; what is attached to one image, which tells how the
    // source keeps such lists; what is attached to the others.
    assert_eq!(far.depth(&selection).await.0, 3);
    let asked = [Method::Resolve, Method::Manifest, Method::Tags, Method::Referrers];
    assert_eq!(asked.map(|method| far.calls(method)), [0, 3, 3, 3]);
    // What is attached is asked for before the source has said what the tag points at.
    assert_eq!(far.depth(&selection).await, (2, 0));
    assert_eq!(asked.map(|method| far.calls(method)), [3, 0, 3, 3]);
}

#[tokio::test(start_paused = true)]
async fn the_children_of_an_index_are_read_together() {
    let far = Far::new();
    let children: Vec<Image> = (0..5).map(|number| fixture::image(&format!("child {number}"))).collect();
    far.near.publish("a", &fixture::index(&children)).await;
    // The index; its children, and what is attached to it; what is attached to them.
    assert_eq!(far.depth(&release(&["a"])).await.0, 3);
    assert_eq!(far.calls(Method::Manifest), 6);
    // What is attached to the index; the index, which names its children; what is attached to those.
    assert_eq!(far.depth(&release(&["a"])).await, (3, 0));
}

#[tokio::test(start_paused = true)]
async fn attachments_are_followed_level_by_level() {
    let far = Far::new();
    let image = fixture::image("a");
    far.near.publish("a", &image).await;
    let sbom = far.attach("sbom", &image).await;
    for number in 0..4 {
        far.attach(&format!("signature {number}"), &sbom).await;
    }
    far.depth(&release(&["a"])).await;
    // The image's, the SBOM's, and those of the signatures, which have none.
    assert_eq!(far.depth(&release(&["a"])).await, (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_has_moved_at_the_source_is_followed() {
    let far = Far::new();
    far.near.publish("a", &fixture::image("old")).await;
    far.depth(&release(&["a"])).await;
    let new = fixture::image("new");
    far.near.publish("a", &new).await;
    far.attach("of the new one", &new).await;
    far.depth(&release(&["a"])).await;
    assert_eq!(far.far.tagged("a").await, Some(new.digest()));
    let (depth, count) = (far.depth(&release(&["a"])).await, far.calls(Method::Resolve));
    assert_eq!((depth, count), ((2, 0), 1));
}
