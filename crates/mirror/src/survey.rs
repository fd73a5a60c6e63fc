//! The survey: what the source has, and what the target has already, before a byte moves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, future, stream};
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef};
use sealift_store::{Error, ErrorKind, Result, Side, Source};

use crate::attach::{Attachment, Known};
use crate::walk::{Graph, Manifests};
use crate::{Event, Group, ImageRequest, Mirror, Selection};

/// How many images are asked about at the same time. Requests are small here; registries limit their rate.
const SURVEY_CONCURRENCY: usize = 16;

/// What became of every wish when the places were asked.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// The groups of the selection, in its order.
    pub groups: Vec<SurveyedGroup>,
    /// How long it took.
    pub elapsed: Duration,
}

/// A group, surveyed.
#[derive(Clone, Debug, Default)]
pub struct SurveyedGroup {
    /// What the group is called.
    pub name: Option<String>,
    /// Its images, in the order of the selection.
    pub images: Vec<Surveyed>,
}

/// An image, surveyed.
#[derive(Clone, Debug)]
pub struct Surveyed {
    /// The wish.
    pub request: ImageRequest,
    /// What there is of it.
    pub state: State,
}

/// What there is of an image.
#[derive(Clone, Debug)]
pub enum State {
    /// The source has it.
    Found(Box<Found>),
    /// The source does not have it, and should.
    Missing,
    /// The source does not have it, and need not: it is not part of this release.
    NotPart,
    /// One of the places could not be asked.
    Failed(Arc<Error>),
}

/// An image that the source has.
#[derive(Clone, Debug)]
pub struct Found {
    /// The root as the target shall have it.
    pub root: Descriptor,
    /// What is to be copied; `None` where the target's tag points at the root already.
    pub graph: Option<Graph>,
    /// What is attached to it and not at the target yet.
    pub attachments: Vec<Attachment>,
}

impl Survey {
    fn new(selection: &Selection, surveyed: Vec<(usize, Surveyed)>) -> Self {
        let empty = |group: &Group| SurveyedGroup { name: group.name.clone(), images: Vec::new() };
        let mut groups: Vec<SurveyedGroup> = selection.groups.iter().map(empty).collect();
        for (position, image) in surveyed {
            groups[position].images.push(image);
        }
        Self { groups, elapsed: Duration::ZERO }
    }

    /// Goes through the images that the source should have and does not.
    pub fn missing(&self) -> impl Iterator<Item = &ImageRequest> {
        let images = self.groups.iter().flat_map(|group| &group.images);
        images.filter(|image| matches!(image.state, State::Missing)).map(|image| &image.request)
    }
}

impl Mirror {
    /// Asks both places about everything that is selected. What goes wrong with one image is kept as its
    /// state and stops no other.
    pub async fn survey(&self, selection: &Selection) -> Survey {
        let began = Instant::now();
        let images = selection.groups.iter().map(|group| group.images.len()).sum();
        self.observer.notice(&Event::SurveyStarted { images });
        let wishes = selection.groups.iter().enumerate().flat_map(|(position, group)| {
            group.images.iter().map(move |request| (position, request.clone()))
        });
        let known = &Known::default();
        let surveyed: Vec<(usize, Surveyed)> = stream::iter(wishes.map(|(position, request)| async move {
            let state = self.look(known, &request).await;
            (position, Surveyed { request, state })
        }))
        .buffered(SURVEY_CONCURRENCY)
        .collect()
        .await;
        Survey { elapsed: began.elapsed(), ..Survey::new(selection, surveyed) }
    }

    async fn look(&self, known: &Known, request: &ImageRequest) -> State {
        let source = self.source.source(&request.source);
        let root = match self.resolve(known, request, source.as_ref()).await {
            Ok(root) => root,
            Err(error) if error.kind() == ErrorKind::NotFound && request.optional => return State::NotPart,
            Err(error) if error.kind() == ErrorKind::NotFound => return State::Missing,
            Err(error) => return State::Failed(Arc::new(error.on(Side::Source))),
        };
        match self.examine(known, request, source.as_ref(), root).await {
            Ok(found) => State::Found(Box::new(found)),
            Err(error) => State::Failed(Arc::new(error)),
        }
    }

    /// The list of tags, which the attachments need, is on its way at the same time: over a long line each
    /// round trip counts. For an image that may not be there it is not worth a request.
    async fn resolve(
        &self,
        known: &Known,
        request: &ImageRequest,
        source: &dyn Source,
    ) -> Result<Descriptor> {
        if !self.options.attachments || request.optional {
            return source.resolve(&request.reference).await;
        }
        future::join(source.resolve(&request.reference), known.tags(source)).await.0
    }

    async fn examine(
        &self,
        known: &Known,
        request: &ImageRequest,
        source: &dyn Source,
        root: Descriptor,
    ) -> Result<Found> {
        let chosen = self.choose_platform(&known.manifests, source, &root).await?;
        let root = chosen.as_ref().map_or(root, |manifest| manifest.descriptor.clone());
        // What is attached is asked for at the same time: over a long line each round trip counts.
        let walked = self.walk_unless_there(known, request, source, &root, chosen);
        let attached = self.attachments(known, request, source, &root);
        let (graph, attachments) = future::try_join(walked, attached).await?;
        // The manifest itself tells its media type best.
        let read = graph.as_ref().and_then(|graph| graph.manifests.last());
        let root = read.map_or(root, |manifest| manifest.descriptor.clone());
        Ok(Found { root, graph, attachments })
    }

    /// Finds everything below a root, unless the target has it.
    async fn walk_unless_there(
        &self,
        known: &Known,
        request: &ImageRequest,
        source: &dyn Source,
        root: &Descriptor,
        chosen: Option<Arc<Manifest>>,
    ) -> Result<Option<Graph>> {
        // Foreign layers may be absent below a tag that is right; only their manifests tell.
        let believe = !self.options.recheck && self.options.foreign.is_none();
        if believe && self.target_has(request, &root.digest).await? {
            return Ok(None);
        }
        let manifest = match chosen {
            Some(manifest) => manifest,
            None => known.manifests.read(source, &root.digest).await?,
        };
        Graph::walk(&known.manifests, source, manifest).await.map(Some)
    }

    /// With `--platform` the root to copy is a child, and only the manifest tells which.
    async fn choose_platform(
        &self,
        manifests: &Manifests,
        source: &dyn Source,
        root: &Descriptor,
    ) -> Result<Option<Arc<Manifest>>> {
        let Some(platform) = &self.options.platform else { return Ok(None) };
        let manifest = manifests.read(source, &root.digest).await?;
        manifests.choose(source, manifest, platform).await.map(Some)
    }

    /// A tag that points at the right digest is believed: a registry checks what a manifest links to
    /// before it takes it, and sealift sets the tag last. `recheck` believes nothing.
    async fn target_has(&self, request: &ImageRequest, digest: &Digest) -> Result<bool> {
        let target = self.target.target(&request.target)?;
        let reference = request.tag.clone().map_or(ManifestRef::Digest(*digest), ManifestRef::Tag);
        let there = target.stat_manifest(&reference).await.map_err(|error| error.on(Side::Target))?;
        Ok(there.is_some_and(|there| there.digest == *digest))
    }
}
