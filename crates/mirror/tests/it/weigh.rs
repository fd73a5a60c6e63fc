//! A plan says what it costs, and is right.

use std::sync::Arc;

use sealift_mirror::{Lead, Outcome, Plan, Weight};
use sealift_store::conformance::fixture::{self, Image};
use sealift_store::{Action, Counting, ErrorKind, Faults, MemoryStore, Method, Store};
use tokio::sync::watch;

use crate::world::{World, layer, outcome, release, repository, sharing};

#[tokio::test]
async fn a_plan_is_weighed_and_the_run_keeps_to_it() {
    let world = World::new();
    sharing(&world, &["a", "b", "gate"]).await;
    let base = layer("base");
    // The shared layer is in the second image's repository from earlier.
    fixture::push_blob(world.target.target(&repository("dst", "b")).unwrap().as_ref(), &base).await;
    let mirror = world.mirror();
    let mut plan = Plan::new(mirror.survey(&release(&["a", "b", "gate"])).await);
    let weights = mirror.weigh(&mut plan, Lead::WhoHasIt).await.unwrap();
    let shared = base.len() as u64;
    let total = weights.total;
    assert_eq!((total.present, total.mount), (shared, 2 * shared));
    assert_eq!(total.requests, 6 * 4 + 2 + 1 + 3, "blobs fetched, mounted, there; manifests");
    assert_eq!(weights.groups[0].iter().map(|weight| weight.fetch).sum::<u64>(), total.fetch);
    let report = mirror.run(plan, watch::channel(false).1).await;
    assert_eq!(report.totals.bytes_moved, total.fetch);
    assert_eq!(report.totals.bytes_mounted, total.mount);
}

/// A run asks nobody but the repository that the plan names, and fetches what another one has. So says the plan.
#[tokio::test]
async fn what_only_another_repository_has_is_weighed_as_the_run_fetches_it() {
    for (lead, fetched) in [(Lead::AsPlanned, 1), (Lead::WhoHasIt, 0)] {
        let world = World::new();
        sharing(&world, &["a", "b"]).await;
        let base = layer("base");
        fixture::push_blob(world.target.target(&repository("dst", "b")).unwrap().as_ref(), &base).await;
        let mirror = world.mirror();
        let mut plan = Plan::new(mirror.survey(&release(&["a", "b"])).await);
        let own: u64 = plan.totals().bytes - base.len() as u64;
        let total = mirror.weigh(&mut plan, lead).await.unwrap().total;
        assert_eq!(total.fetch, own + fetched * base.len() as u64, "{lead:?}");
        let report = mirror.run(plan, watch::channel(false).1).await;
        assert_eq!(report.totals.bytes_moved, total.fetch, "{lead:?}");
    }
}

/// Each image counts with all that it consists of, also what it shares; and the target tells, which is near. Where
/// the target cannot be read the source does.
#[tokio::test]
async fn what_is_there_costs_nothing_and_is_counted() {
    for (is_readable, asked, read_far) in [(true, 3, 0), (false, 2, 3)] {
        let source = Arc::new(Counting::new(Arc::new(MemoryStore::new("source"))));
        let inner: Arc<dyn Store> = Arc::new(MemoryStore::new("target"));
        let broken = Faults::new(inner, move |call| match call.method {
            Method::Manifest if !is_readable => Action::Fail(ErrorKind::Unsupported),
            _ => Action::Pass,
        });
        let target = Arc::new(Counting::new(Arc::new(broken)));
        let world = World::with(Arc::clone(&source) as _, Arc::clone(&target) as _);
        let child = fixture::image_of("child", &[layer("base"), layer("child")]);
        world.publish("index", &fixture::index(&[child])).await;
        let images = sharing(&world, &["a"]).await;
        let selection = release(&["a", "index"]);
        world.run(&selection).await;
        let mirror = world.mirror();
        let mut plan = Plan::new(mirror.survey(&selection).await);
        source.reset();
        target.reset();
        let weights = mirror.weigh(&mut plan, Lead::AsPlanned).await.unwrap();
        let size = |image: &Image| image.manifest.links.blobs.iter().map(|blob| blob.size).sum::<u64>();
        let weight = |present| Weight { present, ..Weight::default() };
        let sizes = [size(&images[0]), size(&fixture::image_of("child", &[layer("base"), layer("child")]))];
        assert_eq!(weights.groups, [sizes.map(weight).to_vec()]);
        assert_eq!(weights.total, weight(sizes.iter().sum()));
        assert_eq!(target.of(Method::StatBlob).calls, 0, "what is there is believed to be there");
        assert_eq!(target.of(Method::Manifest).calls, asked);
        assert_eq!(source.of(Method::Manifest).calls, read_far);
        // What only moves bytes asks nothing.
        target.reset();
        assert_eq!(mirror.weigh_copies(&mut plan, Lead::AsPlanned).await.unwrap().total, Weight::default());
        assert_eq!(target.of(Method::Manifest).calls, 0);
    }
}

/// What a run leaves out costs nothing, however large its manifest says that it is.
#[tokio::test]
async fn a_foreign_layer_that_nobody_has_weighs_nothing() {
    let world = World::new();
    world.publish("a", &fixture::image_with_foreign_layer("a")).await;
    let mirror = world.mirror();
    let mut plan = Plan::new(mirror.survey(&release(&["a"])).await);
    let total = mirror.weigh(&mut plan, Lead::AsPlanned).await.unwrap().total;
    let report = mirror.run(plan, watch::channel(false).1).await;
    assert_eq!((total.fetch, total.blobs), (report.totals.bytes_moved, report.totals.blobs_moved as u64));
    assert_eq!(report.images[0].skipped.len(), 1);
}

/// What came with one image is linked for the next, also where an earlier run brought it, and wherever the place
/// refuses that it is read back; the plan says so.
#[tokio::test]
async fn what_a_complete_image_has_is_not_fetched_again() {
    for (first, links) in [("a", true), ("b", true), ("a", false), ("b", false)] {
        let source = Arc::new(Counting::new(Arc::new(MemoryStore::new("source"))));
        let inner: Arc<dyn Store> = Arc::new(MemoryStore::new("target"));
        let target = Faults::new(inner, move |call| match call.method {
            Method::LinkBlob if !links => Action::RefuseLink,
            _ => Action::Pass,
        });
        let world = World::with(Arc::clone(&source) as _, Arc::new(target));
        sharing(&world, &["a", "b"]).await;
        world.run(&release(&[first])).await;
        source.reset();
        let mirror = world.mirror();
        let mut plan = Plan::new(mirror.survey(&release(&["a", "b"])).await);
        let own = plan.totals().bytes - layer("base").len() as u64;
        let total = mirror.weigh(&mut plan, Lead::AsPlanned).await.unwrap().total;
        assert_eq!((total.fetch, total.mount), (own, layer("base").len() as u64), "{first}");
        let report = mirror.run(plan, watch::channel(false).1).await;
        assert_eq!(report.totals.bytes_moved, own, "{first} {links}");
        assert_eq!(source.of(Method::OpenBlob).bytes, own, "{first} {links}");
        let shared = layer("base").len() as u64;
        let read_back = if links { 0 } else { shared };
        assert_eq!(
            (report.totals.bytes_mounted, report.totals.bytes_read_back),
            (shared - read_back, read_back)
        );
    }
}

/// A complete image whose blob somebody deleted costs a question.
#[tokio::test]
async fn a_holder_that_has_it_no_more_costs_no_image() {
    let target: Arc<dyn Store> = Arc::new(MemoryStore::new("target"));
    let world = World::with(Arc::new(MemoryStore::new("source")), Arc::clone(&target));
    sharing(&world, &["a", "b"]).await;
    world.run(&release(&["a"])).await;
    let mirror = world.mirror();
    let plan = Plan::new(mirror.survey(&release(&["a", "b"])).await);
    let base = sealift_oci::Digest::sha256(&layer("base"));
    target.admin().delete_blob(&repository("dst", "a"), &base).await.unwrap();
    let report = mirror.run(plan, watch::channel(false).1).await;
    assert!(matches!(outcome(&report, "b"), Outcome::Arrived), "{report:?}");
    assert!(report.totals.bytes_moved > layer("base").len() as u64);
}

/// Where nothing is linked and what a complete image has is spoilt, the source has it still.
#[tokio::test]
async fn a_holder_whose_copy_is_spoilt_costs_no_image() {
    let inner: Arc<dyn Store> = Arc::new(MemoryStore::new("target"));
    let base = sealift_oci::Digest::sha256(&layer("base")).to_string();
    let target = Faults::new(inner, move |call| match call.method {
        Method::LinkBlob => Action::RefuseLink,
        Method::OpenBlob if call.object == base => Action::FlipBit(1),
        _ => Action::Pass,
    });
    let world = World::with(Arc::new(MemoryStore::new("source")), Arc::new(target));
    sharing(&world, &["a", "b"]).await;
    world.run(&release(&["a"])).await;
    let report = world.run(&release(&["a", "b"])).await;
    assert!(matches!(outcome(&report, "b"), Outcome::Arrived), "{report:?}");
    assert!(report.totals.bytes_moved > layer("base").len() as u64);
}
