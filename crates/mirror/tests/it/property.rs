//! After plan and run over any set of images, the target equals the source.

use proptest::prelude::*;
use sealift_mirror::{Group, ImageReport, Outcome, Selection, Verdict};
use sealift_oci::ManifestRef;
use sealift_store::conformance::fixture::{self, Image};
use sealift_store::{Counting, Method, Store};
use std::sync::Arc;

use crate::world::{World, layer, repository, wish};

/// One tagged image: in which repository, under which tag, in which release, of which layers; several lists
/// of layers make an index, which may stand in another one.
#[derive(Clone, Debug)]
struct Sketch {
    repository: u8,
    tag: u8,
    release: usize,
    children: Vec<Vec<u8>>,
    is_nested: bool,
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let layers = proptest::collection::vec(0..6_u8, 0..4);
    let children = proptest::collection::vec(layers, 1..4);
    (0..4_u8, 0..3_u8, 0..2_usize, children, any::<bool>()).prop_map(
        |(repository, tag, release, children, is_nested)| Sketch {
            repository,
            tag,
            release,
            children,
            is_nested,
        },
    )
}

fn image(sketch: &Sketch) -> Image {
    let children: Vec<Image> = sketch.children.iter().map(|layers| plain(layers)).collect();
    let image = match children.as_slice() {
        [one] => one.clone(),
        several => fixture::index(several),
    };
    // What stands in the inner index stands beside it, too.
    if sketch.is_nested { fixture::index(&[image, children[0].clone()]) } else { image }
}

fn plain(layers: &[u8]) -> Image {
    let layers: Vec<_> = layers.iter().map(|number| layer(&format!("number {number}"))).collect();
    fixture::image_of("any", &layers)
}

async fn publish(world: &World, sketches: &[Sketch]) -> Selection {
    let mut groups = vec![Group::default(), Group::default()];
    for sketch in sketches {
        let (name, tag) = (format!("r{}", sketch.repository), format!("t{}", sketch.tag));
        image(sketch).push(world.source.as_ref(), &repository("src", &name), Some(&tag)).await;
        let mut wanted = wish(&name);
        wanted.reference = ManifestRef::Tag(tag.parse().unwrap());
        wanted.tag = Some(tag.parse().unwrap());
        groups[sketch.release].images.push(wanted);
    }
    Selection { groups }
}

/// What the first `number` sketches want.
fn beginning(selection: &Selection, mut number: usize) -> Selection {
    let mut selection = selection.clone();
    for group in &mut selection.groups {
        group.images.truncate(number);
        number -= group.images.len();
    }
    selection
}

/// An earlier run may have brought some of it.
async fn check(sketches: &[Sketch], earlier: usize) {
    let mut world = World::new();
    let selection = publish(&world, sketches).await;
    let counted = Arc::new(Counting::new(Arc::clone(&world.source)));
    world.source = Arc::clone(&counted) as Arc<dyn Store>;
    let reports = [world.run(&beginning(&selection, earlier)).await, world.run(&selection).await];
    let there = |image: &ImageReport| matches!(image.outcome, Outcome::Arrived | Outcome::AlreadyThere);
    assert!(reports.iter().flat_map(|report| &report.images).all(there), "{reports:?}");
    for (counted, tally) in counted.tallies() {
        assert!(counted.method != Method::OpenBlob || tally.calls == 1, "{counted:?} was fetched again");
    }
    let moved = reports.iter().map(|report| report.totals.bytes_moved).sum::<u64>();
    assert_eq!(counted.of(Method::OpenBlob).bytes, moved);
    let verification = world.mirror().verify(&selection, true).await;
    assert!(
        verification.images.iter().all(|image| matches!(image.verdict, Verdict::Right)),
        "{verification:?}"
    );
    let again = world.run(&selection).await;
    assert!(again.images.iter().all(|image| matches!(image.outcome, Outcome::AlreadyThere)), "{again:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_target_equals_the_source(sketches in proptest::collection::vec(sketch(), 1..8), earlier in 0..8_usize) {
        tokio::runtime::Runtime::new().unwrap().block_on(check(&sketches, earlier));
    }
}
