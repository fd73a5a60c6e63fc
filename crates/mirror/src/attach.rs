//! What is attached to an image: signatures, attestations, SBOMs; and what is attached to those.
//!
//! Two ways of attaching are in use. A manifest names its subject, and the registry lists it as a referrer
//! (OCI distribution 1.1, "Listing referrers"); or a tag is made from the subject's digest, as cosign did
//! before: `sha256-<hex>.sig`, `.att`, `.sbom`. Both are followed, for children of an index too.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, TryStreamExt, stream};
use sealift_oci::{Algorithm, Descriptor, Digest, ManifestRef, RepositoryName, Tag, media_type};
use sealift_store::{Error, ErrorKind, Operation, PageRequest, Result, Side, Source, collect_pages, lock};
use tokio::sync::OnceCell;

use crate::walk::{Graph, Manifests};
use crate::{Event, ImageRequest, Mirror};

/// The endings of the tags that cosign attaches by.
const TAG_ENDINGS: [&str; 3] = ["sig", "att", "sbom"];
/// How many manifests may be attached to one image, directly and by way of one another. Real images have
/// a handful for each platform.
const ATTACHMENTS_LIMIT: usize = 4096;
/// How many manifests of one image are asked for what hangs on them at the same time.
const SUBJECTS_CONCURRENCY: usize = 8;

/// Something that is attached to an image.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// Its manifests and blobs.
    pub graph: Graph,
    /// The tag that it hangs on; without one it names its subject itself.
    pub tag: Option<Tag>,
}

/// What one survey has read already.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) manifests: Manifests,
    /// The tags of each of the source's repositories: read once, however many images lie in one.
    tags: Mutex<HashMap<RepositoryName, Arc<OnceCell<Listing>>>>,
    /// The first question for referrers. Its answer tells how the source keeps such lists, so all others
    /// wait for it.
    asked: OnceCell<Asked>,
}

#[derive(Debug)]
struct Asked {
    repository: RepositoryName,
    subject: Digest,
    listed: Vec<Descriptor>,
}

/// The tags of a repository that something can hang on; `None` where the place does not list tags, and has
/// to be asked for each.
pub(crate) type Listing = Option<Arc<HashSet<Tag>>>;

/// An attachment as it was found: what it hangs on, what to read, and its tag if it has one.
pub(crate) struct Hanging {
    pub(crate) subject: Digest,
    pub(crate) digest: Digest,
    pub(crate) tag: Option<Tag>,
}

impl Mirror {
    /// Finds what is attached to an image and is not at the target yet.
    pub(crate) async fn attachments(
        &self,
        known: &Known,
        request: &ImageRequest,
        source: &dyn Source,
        root: &Descriptor,
    ) -> Result<Vec<Attachment>> {
        if !self.options.attachments {
            return Ok(Vec::new());
        }
        let hanging = all_hanging(known, source, root).await?.into_iter();
        let looked: Vec<_> =
            hanging.map(|hanging| self.unless_held(known, request, source, hanging)).collect();
        let looked = stream::iter(looked).buffered(SUBJECTS_CONCURRENCY);
        looked.try_filter_map(|attachment| async { Ok(attachment) }).try_collect().await
    }

    async fn unless_held(
        &self,
        known: &Known,
        request: &ImageRequest,
        source: &dyn Source,
        hanging: Hanging,
    ) -> Result<Option<Attachment>> {
        if self.target_holds(request, &hanging).await? {
            return Ok(None);
        }
        let graph = self.walk_attached(known, request, source, &hanging).await?;
        Ok(graph.map(|graph| Attachment { graph, tag: hanging.tag }))
    }

    /// Reads what is attached, down to its blobs; `None` where it is listed and no longer there. Whoever
    /// deleted it left the list as it was, and the image is whole without it.
    pub(crate) async fn walk_attached(
        &self,
        known: &Known,
        request: &ImageRequest,
        source: &dyn Source,
        hanging: &Hanging,
    ) -> Result<Option<Graph>> {
        match known.walk(source, hanging).await {
            Ok(graph) => Ok(Some(graph)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let Hanging { digest, subject, .. } = hanging;
                let (digest, subject) = (*digest, *subject);
                self.observer.notice(&Event::AttachmentGone { request, digest, subject });
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn target_holds(&self, request: &ImageRequest, hanging: &Hanging) -> Result<bool> {
        match &hanging.tag {
            Some(tag) => {
                let target = self.target.target(&request.target)?;
                let there = target.stat_manifest(&ManifestRef::Tag(tag.clone())).await;
                let there = there.map_err(|error| error.on(Side::Target))?;
                Ok(there.is_some_and(|there| there.digest == hanging.digest))
            }
            // Where the target keeps the list in a manifest of its own, an interrupted run can have left
            // the attachment there and the list without it; so the list is asked.
            None => {
                let target = self.target.source(&request.target);
                let listed = is_listed(target.as_ref(), &hanging.subject, &hanging.digest).await;
                listed.map_err(|error| error.on(Side::Target))
            }
        }
    }
}

/// Finds everything that is attached to an image in `source`, each once. Those that were found first are
/// nearest to the image; a signature of an SBOM follows the SBOM.
pub(crate) async fn all_hanging(
    known: &Known,
    source: &dyn Source,
    root: &Descriptor,
) -> Result<Vec<Hanging>> {
    let mut all = Vec::new();
    if known.nothing_hangs(source, &root.digest).await? {
        return Ok(all);
    }
    let mut subjects = subjects(known, source, root).await?;
    let mut seen: HashSet<Digest> = subjects.iter().copied().collect();
    while !subjects.is_empty() {
        // Together: over a long line each round trip counts.
        let asked: Vec<_> = subjects.iter().map(|subject| hanging_on(known, source, subject)).collect();
        let found = stream::iter(asked).buffered(SUBJECTS_CONCURRENCY).try_collect::<Vec<_>>().await?;
        subjects = Vec::new();
        for hanging in found.into_iter().flatten() {
            if !seen.insert(hanging.digest) {
                continue;
            }
            if seen.len() > ATTACHMENTS_LIMIT {
                return Err(too_many(source));
            }
            subjects.push(hanging.digest);
            all.push(hanging);
        }
    }
    Ok(all)
}

/// Tells whether a place lists a manifest among those that refer to `subject`.
pub(crate) async fn is_listed(place: &dyn Source, subject: &Digest, digest: &Digest) -> Result<bool> {
    let listed = referrers(place, subject).await?;
    Ok(listed.iter().any(|referrer| referrer.digest == *digest))
}

/// The manifests that something can be attached to: the root and, where it is an index, everything in it.
async fn subjects(known: &Known, source: &dyn Source, root: &Descriptor) -> Result<Vec<Digest>> {
    let mut subjects = vec![root.digest];
    let mut indexes = vec![root.clone()];
    while let Some(index) = indexes.pop() {
        if !is_index(&index) {
            continue;
        }
        let manifest = known.manifests.read(source, &index.digest).await?;
        for child in &manifest.links.manifests {
            if !subjects.contains(&child.digest) {
                subjects.push(child.digest);
                indexes.push(child.clone());
            }
        }
        if subjects.len() > ATTACHMENTS_LIMIT {
            return Err(too_many(source));
        }
    }
    Ok(subjects)
}

fn is_index(descriptor: &Descriptor) -> bool {
    descriptor.media_type == media_type::OCI_INDEX || descriptor.media_type == media_type::DOCKER_LIST
}

async fn hanging_on(known: &Known, source: &dyn Source, subject: &Digest) -> Result<Vec<Hanging>> {
    let listed = known.referrers(source, subject).await.map_err(|error| error.on(Side::Source))?;
    let on = |digest, tag| Hanging { subject: *subject, digest, tag };
    let mut hanging: Vec<Hanging> = listed.into_iter().map(|referrer| on(referrer.digest, None)).collect();
    let tags = known.tags(source).await?;
    for ending in TAG_ENDINGS {
        let tag = format!("{}-{}.{ending}", subject.algorithm().as_str(), subject.hex()).parse::<Tag>();
        // A sha512 digest makes a tag that is too long; nobody can have attached by it.
        let Some(tag) = tag.ok().filter(|tag| may_have(&tags, tag)) else { continue };
        match source.resolve(&ManifestRef::Tag(tag.clone())).await {
            Ok(found) => hanging.push(on(found.digest, Some(tag))),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.on(Side::Source)),
        }
    }
    Ok(hanging)
}

/// Where tags are not listed, each may be there.
fn may_have(tags: &Listing, tag: &Tag) -> bool {
    tags.as_ref().is_none_or(|tags| tags.contains(tag))
}

async fn referrers(source: &dyn Source, subject: &Digest) -> Result<Vec<Descriptor>> {
    let page = |page: PageRequest| async move { source.referrers(subject, None, &page).await };
    collect_pages(Operation::ListReferrers, page).await
}

impl Known {
    /// Reads what is attached, down to its blobs.
    pub(crate) async fn walk(&self, source: &dyn Source, hanging: &Hanging) -> Result<Graph> {
        let manifest = self.manifests.read(source, &hanging.digest).await?;
        Graph::walk(&self.manifests, source, manifest).await
    }

    /// Tells whether it is certain that nothing is attached to anything in a repository: where lists of
    /// referrers are tags, and no tag is made of a digest.
    async fn nothing_hangs(&self, source: &dyn Source, subject: &Digest) -> Result<bool> {
        self.ask_first(source, subject).await?;
        if !source.keeps_referrers_in_tags() {
            return Ok(false);
        }
        Ok(self.tags(source).await?.is_some_and(|tags| tags.is_empty()))
    }

    async fn ask_first(&self, source: &dyn Source, subject: &Digest) -> Result<&Asked> {
        let asked = self.asked.get_or_try_init(|| async {
            let listed = self.list_first(source, subject).await.map_err(|error| error.on(Side::Source))?;
            Ok(Asked { repository: source.repository().clone(), subject: *subject, listed })
        });
        asked.await
    }

    async fn referrers(&self, source: &dyn Source, subject: &Digest) -> Result<Vec<Descriptor>> {
        let asked = self.ask_first(source, subject).await?;
        if asked.subject == *subject && asked.repository == *source.repository() {
            return Ok(asked.listed.clone());
        }
        if source.keeps_referrers_in_tags() && !self.may_have_list(source, subject).await? {
            return Ok(Vec::new());
        }
        referrers(source, subject).await
    }

    /// Reads the first list. Where its first page tells that such lists are tags, the list of tags knows
    /// whether there is one, and is on its way already.
    async fn list_first(&self, source: &dyn Source, subject: &Digest) -> Result<Vec<Descriptor>> {
        let first = source.referrers(subject, None, &PageRequest::first()).await?;
        if source.keeps_referrers_in_tags() && !self.may_have_list(source, subject).await? {
            return Ok(Vec::new());
        }
        let mut first = Some(first);
        let page = |page: PageRequest| {
            let first = first.take();
            async move {
                match first {
                    Some(first) => Ok(first),
                    None => source.referrers(subject, None, &page).await,
                }
            }
        };
        collect_pages(Operation::ListReferrers, page).await
    }

    /// Tells whether a list of referrers may stand under the tag that is made of its subject.
    async fn may_have_list(&self, source: &dyn Source, subject: &Digest) -> Result<bool> {
        // The hash is cut to 64 characters (distribution 1.1, "Referrers Tag Schema").
        let tag = format!("{}-{:.64}", subject.algorithm().as_str(), subject.hex()).parse();
        let tags = self.tags(source).await?;
        Ok(tag.is_ok_and(|tag| may_have(&tags, &tag)))
    }

    pub(crate) async fn tags(&self, source: &dyn Source) -> Result<Listing> {
        let cell = Arc::clone(lock(&self.tags).entry(source.repository().clone()).or_default());
        let tags = cell.get_or_try_init(|| async {
            let page = |page: PageRequest| async move { source.tags(&page).await };
            match collect_pages(Operation::ListTags, page).await {
                Ok(tags) => Ok(Some(Arc::new(attaching(tags)))),
                Err(error) if error.kind().is_transient() => Err(error.on(Side::Source)),
                Err(_) => Ok(None),
            }
        });
        tags.await.cloned()
    }
}

/// Keeps the tags that are made of a digest; a repository can have many others.
fn attaching(tags: Vec<Tag>) -> HashSet<Tag> {
    let made_of_digest = |tag: &Tag| {
        Algorithm::ALL.iter().any(|algorithm| {
            tag.as_str().strip_prefix(algorithm.as_str()).is_some_and(|rest| rest.starts_with('-'))
        })
    };
    tags.into_iter().filter(made_of_digest).collect()
}

fn too_many(source: &dyn Source) -> Error {
    Error::new(ErrorKind::Invalid, Operation::ListReferrers)
        .object(source.repository())
        .because(format_args!("more than {ATTACHMENTS_LIMIT} manifests are attached to one image"))
        .on(Side::Source)
}
