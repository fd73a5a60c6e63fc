//! Tags that are made of digests: of images, and of the lists of what is attached to them.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use sealift_mirror::{
    Event, Group, ImageRequest, Mirror, Observer, Outcome, Plan, Report, Selection, Verdict,
};
use sealift_oci::{Digest, Manifest, ManifestRef, Tag, media_type, referrers_tag};
use sealift_store::conformance::fixture::{self, Image};
use sealift_store::{Action, ErrorKind, Faults, Method, Store};
use serde_json::json;
use tokio::sync::watch;

use crate::world::{World, image, outcome, release, repository, wish};

const SIGNATURE: &str = "application/vnd.example.signature";
const RUNS: usize = 3;

fn platforms() -> Image {
    fixture::index(&[fixture::image("one"), fixture::image("two")])
}

fn tag_of(image: &Image) -> Tag {
    referrers_tag(&image.digest()).unwrap()
}

fn select(images: Vec<ImageRequest>) -> Selection {
    Selection { groups: vec![Group { name: None, images }] }
}

/// Wishes for an image by its digest alone, as a line of a list does.
fn by_digest(published: &Image) -> Selection {
    let reference = published.digest().into();
    select(vec![ImageRequest { reference, tag: Some(tag_of(published)), ..wish("a") }])
}

/// Puts a signature of the image into a place, and the list that clients keep.
async fn listed(store: &dyn Store, parent: &str, subject: &Image) -> (Image, Digest) {
    let signature = fixture::artifact("a third party's", &subject.manifest, SIGNATURE);
    signature.push(store, &repository(parent, "a"), None).await;
    let list = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX,
                      "manifests": [signature.manifest.descriptor]});
    let list = Manifest::parse(None, Bytes::from(list.to_string())).unwrap();
    let target = store.target(&repository(parent, "a")).unwrap();
    target.put_manifest(&list, Some(&tag_of(subject))).await.unwrap();
    (signature, list.digest())
}

async fn there(world: &World, tag: &str) -> Option<Digest> {
    let target = world.target.source(&repository("dst", "a"));
    target.resolve(&tag.parse::<ManifestRef>().unwrap()).await.ok().map(|found| found.digest)
}

async fn assert_right(world: &World, selection: &Selection) {
    let found = world.mirror().verify(selection, true).await.images.remove(0);
    assert!(matches!(found.verdict, Verdict::Right), "{found:?}");
}

#[tokio::test]
async fn a_list_keeps_its_tag_and_the_image_gets_the_one_beside_it() {
    for published in [fixture::image("a"), platforms()] {
        let world = World::new();
        world.publish("a", &published).await;
        published.push(world.target.as_ref(), &repository("dst", "a"), None).await;
        let (_, list) = listed(world.target.as_ref(), "dst", &published).await;
        let (selection, tag) = (by_digest(&published), tag_of(&published));
        for run in 0..RUNS {
            let report = world.run(&selection).await;
            let image = image(&report, "a");
            assert!(image.is_there() && matches!(image.outcome, Outcome::Arrived) == (run == 0), "{image:?}");
            assert_eq!(image.request.tag_of_list().as_ref(), Some(&tag));
            assert_eq!(there(&world, tag.as_str()).await, Some(list));
            assert_eq!(there(&world, &format!("{tag}.image")).await, Some(published.digest()));
            assert_right(&world, &selection).await;
        }
    }
}

#[tokio::test]
async fn an_image_without_a_list_has_the_tag_of_its_digest() {
    for published in [fixture::image("a"), platforms()] {
        let world = World::new();
        world.publish("a", &published).await;
        let signature = fixture::artifact("its own", &published.manifest, SIGNATURE);
        signature.push(world.source.as_ref(), &repository("src", "a"), None).await;
        let (selection, tag) = (by_digest(&published), tag_of(&published));
        for run in 0..RUNS {
            let report = world.run(&selection).await;
            let image = image(&report, "a");
            assert!(image.is_there() && image.attachments.len() == usize::from(run == 0), "{image:?}");
            assert_eq!(image.request.tag_of_list(), None);
            assert_eq!(there(&world, tag.as_str()).await, Some(published.digest()));
            assert_right(&world, &selection).await;
        }
    }
}

/// A list that comes with another image of the same run is seen, too.
#[tokio::test]
async fn a_list_that_comes_in_the_same_run_keeps_its_tag() {
    let world = World::new();
    let published = fixture::image("a");
    world.publish("a", &published).await;
    let (selection, tag) = (by_digest(&published), tag_of(&published));
    let mirror = world.mirror();
    let plan = Plan::new(mirror.survey(&selection).await);
    published.push(world.target.as_ref(), &repository("dst", "a"), None).await;
    let (_, list) = listed(world.target.as_ref(), "dst", &published).await;
    let report = mirror.run(plan, watch::channel(false).1).await;
    assert_eq!(image(&report, "a").request.tag_of_list().as_ref(), Some(&tag));
    assert_eq!(there(&world, tag.as_str()).await, Some(list));
    assert_eq!(there(&world, &format!("{tag}.image")).await, Some(published.digest()));
}

#[tokio::test]
async fn no_other_image_takes_the_tag_of_a_list() {
    let world = World::new();
    let (published, other) = (fixture::image("a"), fixture::image("other"));
    world.publish("a", &published).await;
    other.push(world.target.as_ref(), &repository("dst", "a"), None).await;
    let (_, list) = listed(world.target.as_ref(), "dst", &other).await;
    let selection = select(vec![ImageRequest { tag: Some(tag_of(&other)), ..wish("a") }]);
    let report = world.run(&selection).await;
    match outcome(&report, "a") {
        Outcome::Failed(error) => assert!(error.to_string().contains("no image overwrites it"), "{error}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(there(&world, tag_of(&other).as_str()).await, Some(list));
    let found = world.mirror().verify(&selection, false).await.images.remove(0);
    assert!(matches!(found.verdict, Verdict::Failed(_)), "{found:?}");
}

/// A line can name a list itself; it is copied like any other index, and is there the next time.
#[tokio::test]
async fn a_list_that_is_wanted_itself_is_copied() {
    let world = World::new();
    let published = fixture::image("a");
    world.publish("a", &published).await;
    let (_, list) = listed(world.source.as_ref(), "src", &published).await;
    let tag = tag_of(&published);
    let selection = select(vec![ImageRequest { reference: tag.clone().into(), tag: Some(tag), ..wish("a") }]);
    for run in 0..RUNS {
        let report = world.run(&selection).await;
        assert!(image(&report, "a").is_there(), "{report:?}");
        assert_eq!(matches!(outcome(&report, "a"), Outcome::Arrived), run == 0);
        assert_eq!(there(&world, tag_of(&published).as_str()).await, Some(list));
        assert_right(&world, &selection).await;
    }
}

/// Keeps what was told of attachments that are gone.
#[derive(Debug, Default)]
struct Gone(Mutex<Vec<(Digest, Digest)>>);

impl Observer for Gone {
    fn notice(&self, event: &Event<'_>) {
        if let Event::AttachmentGone { digest, subject, .. } = event {
            self.0.lock().unwrap().push((*digest, *subject));
        }
    }
}

/// A signature that was deleted still stands in the list, and the image and all others come without it.
#[tokio::test]
async fn what_is_listed_and_gone_is_told_and_left_out() {
    let sound = World::new();
    let published = fixture::image("a");
    sound.publish("a", &published).await;
    let [deleted, kept] = ["deleted", "kept"].map(|it| fixture::artifact(it, &published.manifest, SIGNATURE));
    for signature in [&deleted, &kept] {
        signature.push(sound.source.as_ref(), &repository("src", "a"), None).await;
    }
    let gone = deleted.digest().to_string();
    let source = Faults::new(Arc::clone(&sound.source), move |call| match call.method {
        Method::Manifest | Method::Resolve if call.object == gone => Action::Fail(ErrorKind::NotFound),
        _ => Action::Pass,
    });
    let world = World::with(Arc::new(source), Arc::clone(&sound.target));
    let told = Arc::new(Gone::default());
    let mirror = Mirror { observer: Arc::clone(&told) as _, ..world.mirror() };
    let plan = Plan::new(mirror.survey(&release(&["a"])).await);
    let report: Report = mirror.run(plan, watch::channel(false).1).await;
    assert!(matches!(outcome(&report, "a"), Outcome::Arrived), "{report:?}");
    assert_eq!(image(&report, "a").attachments.len(), 1);
    assert_eq!(*told.0.lock().unwrap(), [(deleted.digest(), published.digest())]);
    assert_eq!(there(&world, &kept.digest().to_string()).await, Some(kept.digest()));
    assert_right(&world, &release(&["a"])).await;
}

#[tokio::test]
async fn an_attachment_that_is_refused_is_named() {
    let sound = World::new();
    let published = fixture::image("a");
    sound.publish("a", &published).await;
    let signature = fixture::artifact("old", &published.manifest, SIGNATURE);
    signature.push(sound.source.as_ref(), &repository("src", "a"), None).await;
    let refused = signature.digest().to_string();
    let target = Faults::new(Arc::clone(&sound.target), move |call| match call.method {
        Method::PutManifest if call.object.contains(&refused) => Action::Fail(ErrorKind::Invalid),
        _ => Action::Pass,
    });
    let world = World::with(Arc::clone(&sound.source), Arc::new(target));
    let report = world.run(&release(&["a"])).await;
    match outcome(&report, "a") {
        Outcome::Failed(error) => {
            let object = format!("dst/a@{}: it is an attachment of a ({SIGNATURE})", signature.digest());
            assert!(error.to_string().contains(&object), "{error}");
            assert_eq!(error.side(), Some(sealift_store::Side::Target));
        }
        other => panic!("{other:?}"),
    }
}
