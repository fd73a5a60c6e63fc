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
    /// The blobs that the target has with it, where other images are to be copied and may need some of them.
    pub held: Vec<Digest>,
}

/// An image as the source has it.
struct Resolved {
    root: Descriptor,
    /// Where it was read to find out.
    manifest: Option<Arc<Manifest>>,
    /// What is attached to it, where that is known already.
    attachments: Option<Result<Vec<Attachment>>>,
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
            let beside = self.beside_list(&request).await;
            let state = match &beside {
                Ok(request) => self.look(known, request).await,
                Err(error) => State::Failed(Arc::new(error.clone())),
            };
            (position, Surveyed { request: beside.unwrap_or(request), state })
        }))
        .buffered(SURVEY_CONCURRENCY.min(self.options.transfers.max(1)))
        .collect()
        .await;
        let mut survey = Survey::new(selection, surveyed);
        self.learn_held(&mut survey).await;
        Survey { elapsed: began.elapsed(), ..survey }
    }

    /// Where there is something to copy, learns what complete images consist of: their blobs are not fetched again
    /// for others. The target is asked, which is near. One that cannot be read costs bytes, and no image.
    async fn learn_held(&self, survey: &mut Survey) {
        let images = || survey.groups.iter().flat_map(|group| &group.images);
        if !images().any(|image| matches!(&image.state, State::Found(found) if found.graph.is_some())) {
            return;
        }
        let images = survey.groups.iter_mut().flat_map(|group| &mut group.images);
        let kept = images.filter_map(|Surveyed { request, state }| match state {
            State::Found(found) if found.graph.is_none() => Some((&*request, found)),
            _ => None,
        });
        let known = &Manifests::default();
        let learn = async |(request, found): (&ImageRequest, &mut Box<Found>)| {
            let graph = self.walk_at_target(known, request, &found.root).await;
            let blobs = graph.map(|graph| graph.blobs).unwrap_or_default();
            // Foreign layers need not be there.
            let blobs = blobs.into_iter().filter(|blob| !blob.is_foreign_layer());
            found.held = blobs.map(|blob| blob.digest).collect();
        };
        stream::iter(kept).for_each_concurrent(SURVEY_CONCURRENCY, learn).await;
    }

    /// Finds everything below a root that the target has.
    pub(crate) async fn walk_at_target(
        &self,
        known: &Manifests,
        request: &ImageRequest,
        root: &Descriptor,
    ) -> Result<Graph> {
        let target = self.target.source(&request.target);
        let root = known.read(target.as_ref(), &root.digest).await?;
        Graph::walk(known, target.as_ref(), root).await
    }

    async fn look(&self, known: &Known, request: &ImageRequest) -> State {
        let source = self.source.source(&request.source);
        let source = source.as_ref();
        let asked = async {
            let there = match self.name_at_target(request) {
                Some(name) => self.at_target(request, &name).await,
                None => Ok(None),
            };
            let expected = there.as_ref().ok().and_then(Option::as_ref);
            (self.resolve(known, request, source, expected).await, there)
        };
        let ((resolved, there), ()) = future::join(asked, self.list_tags(known, request, source)).await;
        let resolved = match resolved {
            Ok(resolved) => resolved,
            Err(error) if error.kind() == ErrorKind::NotFound && request.optional => return State::NotPart,
            Err(error) if error.kind() == ErrorKind::NotFound => return State::Missing,
            Err(error) => return State::Failed(Arc::new(error.on(Side::Source))),
        };
        let examined = async { self.examine(known, request, source, resolved, there?).await };
        match examined.await {
            Ok(found) => State::Found(Box::new(found)),
            Err(error) => State::Failed(Arc::new(error)),
        }
    }

    /// The list of tags, which the attachments need, is on its way while the rest is asked: over a long line
    /// each round trip counts. For an image that may not be there it is not worth a request. What goes wrong
    /// is told to who needs it.
    async fn list_tags(&self, known: &Known, request: &ImageRequest, source: &dyn Source) {
        if self.options.attachments && !request.optional {
            let _ = known.tags(source).await;
        }
    }

    /// Finds the image at the source. What the target lacks is going to be copied, so its manifest is read at
    /// once; what is there has most likely not changed, so it is asked for what is attached to it meanwhile.
    async fn resolve(
        &self,
        known: &Known,
        request: &ImageRequest,
        source: &dyn Source,
        there: Option<&Descriptor>,
    ) -> Result<Resolved> {
        let Some(there) = there.filter(|_| self.options.platform.is_none()) else {
            let manifest = known.manifests.find(source, &request.reference).await?;
            let root = manifest.descriptor.clone();
            return Ok(Resolved { root, manifest: Some(manifest), attachments: None });
        };
        let attached = self.attachments(known, request, source, there);
        let (root, attached) = future::join(source.resolve(&request.reference), attached).await;
        let root = root?;
        let attachments = (root.digest == there.digest).then_some(attached);
        Ok(Resolved { root, manifest: None, attachments })
    }

    async fn examine(
        &self,
        known: &Known,
        request: &ImageRequest,
        source: &dyn Source,
        resolved: Resolved,
        there: Option<Descriptor>,
    ) -> Result<Found> {
        let Resolved { root, manifest, attachments } = resolved;
        let manifest = self.choose_platform(known, source, manifest).await?;
        let root = manifest.as_ref().map_or(root, |manifest| manifest.descriptor.clone());
        let there = match self.name_at_target(request) {
            Some(_) => there,
            None => self.at_target(request, &root.digest.into()).await?,
        };
        let is_there = there.is_some_and(|there| there.digest == root.digest);
        let walked = async {
            match is_there {
                true => Ok(None),
                false => walk(known, source, &root, manifest).await.map(Some),
            }
        };
        // What is attached is asked for at the same time.
        let attached = async {
            match attachments {
                Some(attachments) => attachments,
                None => self.attachments(known, request, source, &root).await,
            }
        };
        let (graph, attachments) = future::try_join(walked, attached).await?;
        // The manifest itself tells its media type best.
        let read = graph.as_ref().and_then(|graph: &Graph| graph.manifests.last());
        let root = read.map_or(root, |manifest| manifest.descriptor.clone());
        Ok(Found { root, graph, attachments, held: Vec::new() })
    }

    /// With `--platform` the root to copy is a child, and only the manifest tells which.
    async fn choose_platform(
        &self,
        known: &Known,
        source: &dyn Source,
        root: Option<Arc<Manifest>>,
    ) -> Result<Option<Arc<Manifest>>> {
        match (&self.options.platform, root) {
            (Some(platform), Some(root)) => known.manifests.choose(source, root, platform).await.map(Some),
            (_, root) => Ok(root),
        }
    }

    /// Returns what the image is called at the target; `None` where that is a digest that only the source
    /// tells.
    fn name_at_target(&self, request: &ImageRequest) -> Option<ManifestRef> {
        match (&request.tag, &request.reference) {
            (Some(tag), _) => Some(tag.clone().into()),
            (None, ManifestRef::Digest(digest)) if self.options.platform.is_none() => Some((*digest).into()),
            _ => None,
        }
    }

    /// Finds what the target has under a name. A tag that points at the right digest is believed: a registry
    /// checks what a manifest links to before it takes it, and sealift sets the tag last. `recheck` believes
    /// nothing. Foreign layers may be absent below a tag that is right; only their manifests tell.
    async fn at_target(&self, request: &ImageRequest, name: &ManifestRef) -> Result<Option<Descriptor>> {
        if self.options.recheck || self.options.foreign.is_some() {
            return Ok(None);
        }
        let target = self.target.target(&request.target)?;
        target.stat_manifest(name).await.map_err(|error| error.on(Side::Target))
    }
}

/// Finds everything below a root.
async fn walk(
    known: &Known,
    source: &dyn Source,
    root: &Descriptor,
    manifest: Option<Arc<Manifest>>,
) -> Result<Graph> {
    let manifest = match manifest {
        Some(manifest) => manifest,
        None => known.manifests.read(source, &root.digest).await?,
    };
    Graph::walk(&known.manifests, source, manifest).await
}
