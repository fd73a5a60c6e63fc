//! Two places, and images that can be wished for. Not every test needs everything here.

use std::sync::Arc;

use bytes::Bytes;
use sealift_mirror::{
    Group, ImageReport, ImageRequest, Mirror, Options, Outcome, Plan, Report, RetryPolicy, Selection,
};
use sealift_oci::{Digest, ManifestRef, RepositoryName, Tag};
use sealift_store::conformance::fixture::{self, Image};
use sealift_store::{Backoff, MemoryStore, Store};
use tokio::sync::watch;

/// A source that holds images, a target that holds none, and counters on both.
pub struct World {
    pub source: Arc<dyn Store>,
    pub target: Arc<dyn Store>,
    pub options: Options,
}

impl World {
    pub fn new() -> Self {
        Self::with(Arc::new(MemoryStore::new("source")), Arc::new(MemoryStore::new("target")))
    }

    pub fn with(source: Arc<dyn Store>, target: Arc<dyn Store>) -> Self {
        let options = Options { retry: patient(), ..Options::default() };
        Self { source, target, options }
    }

    /// Puts an image into the source, under the tag `v1`.
    pub async fn publish(&self, name: &str, image: &Image) {
        image.push(self.source.as_ref(), &repository("src", name), Some("v1")).await;
    }

    pub fn mirror(&self) -> Mirror {
        Mirror {
            source: Arc::clone(&self.source),
            target: Arc::clone(&self.target),
            options: self.options.clone(),
            observer: Arc::new(()),
        }
    }

    pub async fn run(&self, selection: &Selection) -> Report {
        let mirror = self.mirror();
        let plan = Plan::new(mirror.survey(selection).await);
        mirror.run(plan, watch::channel(false).1).await
    }

    /// Reads what a tag of the target points at.
    pub async fn tagged(&self, name: &str) -> Option<Digest> {
        let target = self.target.source(&repository("dst", name));
        target.resolve(&ManifestRef::Tag(tag("v1"))).await.ok().map(|found| found.digest)
    }
}

/// No test waits for real.
pub fn patient() -> RetryPolicy {
    let backoff = Backoff { first_wait: std::time::Duration::ZERO, ..Backoff::default() };
    RetryPolicy { backoff, ..RetryPolicy::default() }
}

pub fn repository(parent: &str, name: &str) -> RepositoryName {
    format!("{parent}/{name}").parse().unwrap()
}

pub fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// Wishes for `name:v1` in the source under the same tag in the target.
pub fn wish(name: &str) -> ImageRequest {
    ImageRequest {
        name: name.to_owned(),
        source: repository("src", name),
        reference: tag("v1").into(),
        target: repository("dst", name),
        tag: Some(tag("v1")),
        optional: false,
        gate: name == "gate",
    }
}

pub fn release(names: &[&str]) -> Selection {
    let images = names.iter().map(|name| wish(name)).collect();
    Selection { groups: vec![Group { name: Some("v1".to_owned()), images }] }
}

/// Images that share their first layer, each in its own repository of the source.
pub async fn sharing(world: &World, names: &[&str]) -> Vec<Image> {
    let base = layer("base");
    let mut images = Vec::new();
    for name in names {
        let image = fixture::image_of(name, &[base.clone(), layer(name)]);
        world.publish(name, &image).await;
        images.push(image);
    }
    images
}

pub fn outcome<'a>(report: &'a Report, name: &str) -> &'a Outcome {
    &image(report, name).outcome
}

pub fn image<'a>(report: &'a Report, name: &str) -> &'a ImageReport {
    report.images.iter().find(|image| image.request.name == name).unwrap()
}

pub fn layer(content: &str) -> Bytes {
    Bytes::from(format!("the layer of {content}"))
}
