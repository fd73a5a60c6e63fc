//! Verification: looks at the target again, and believes nothing that a run said.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, RepositoryName, Tag};
use sealift_store::{Error, ErrorKind, Operation, Result, Side, Source, lock, verified};

use crate::attach::{Hanging, Known, all_hanging, is_listed};
use crate::retry::open;
use crate::walk::Graph;
use crate::{Attached, Event, ImageRequest, Mirror, Selection};

/// What verifying found.
#[derive(Clone, Debug, Default)]
pub struct Verification {
    /// Every image, in the order of the selection.
    pub images: Vec<ImageVerdict>,
    /// How many blobs were looked at, each once in each repository.
    pub blobs: usize,
    /// How many bytes were read back and hashed.
    pub bytes_read: u64,
    /// From the first request to the last.
    pub elapsed: Duration,
}

/// What verifying found of one image.
#[derive(Clone, Debug)]
pub struct ImageVerdict {
    /// The image.
    pub request: ImageRequest,
    /// The group that it belongs to.
    pub group: Option<String>,
    /// The digest that the source has.
    pub digest: Option<Digest>,
    /// The verdict.
    pub verdict: Verdict,
    /// Foreign layers that are not at the target, as their publishers want it.
    pub absent: Vec<Digest>,
    /// What is attached at the source, and was looked for: signatures, attestations, SBOMs.
    pub attachments: Vec<Attached>,
    /// The distinct blobs of the image and of what is attached, in the order in which manifests name them.
    pub blobs: Vec<Descriptor>,
}

/// The verdict over one image.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Everything is there and right.
    Right,
    /// The source does not have it and need not.
    NotPart,
    /// The source does not have it, and should.
    Missing,
    /// The target differs.
    Wrong(Vec<Finding>),
    /// One of the places could not be asked.
    Failed(Arc<Error>),
}

/// One difference.
#[derive(Clone, Debug)]
pub enum Finding {
    /// The target has no such tag or manifest.
    NoManifest(ManifestRef),
    /// The target's tag points at another digest.
    WrongTag {
        /// The tag: the image's, or one that something is attached by.
        tag: Tag,
        /// What the source's tag points at.
        expected: Digest,
        /// What the target's points at.
        actual: Digest,
    },
    /// A manifest that is attached at the source is not attached at the target.
    NotAttached {
        /// The manifest.
        digest: Digest,
        /// What it is attached to.
        subject: Digest,
    },
    /// A blob is not there.
    NoBlob(Digest),
    /// A manifest or a blob is there with wrong bytes, or a wrong length.
    WrongContent(Digest, Arc<Error>),
}

/// What looking at one blob showed.
#[derive(Clone, Debug)]
enum Looked {
    Right,
    /// It is a foreign layer that is not there, which is no difference.
    Absent,
    Wrong(Finding),
}

/// What comparing one image showed.
#[derive(Debug, Default)]
struct Compared {
    findings: Vec<Finding>,
    absent: Vec<Digest>,
    attachments: Vec<Attached>,
    blobs: Vec<Descriptor>,
}

/// What is known of the blobs that were looked at: none is read twice.
type Seen = Mutex<HashMap<(RepositoryName, Digest), Looked>>;

/// How many blobs of one image are looked at at the same time.
const BLOB_CONCURRENCY: usize = 2;

struct Check<'a> {
    mirror: &'a Mirror,
    deep: bool,
    known: Known,
    seen: Seen,
    read: Mutex<u64>,
}

impl Mirror {
    /// Compares the target with the source, manifest by manifest and blob by blob, and likewise what is
    /// attached. With `deep` every blob of the target is read and hashed; else its presence and its size are
    /// compared.
    pub async fn verify(&self, selection: &Selection, deep: bool) -> Verification {
        let began = Instant::now();
        let wishes = selection
            .groups
            .iter()
            .flat_map(|group| group.images.iter().map(|request| (request.clone(), group.name.clone())));
        let wishes: Vec<_> = wishes.collect();
        self.observer.notice(&Event::ComparisonStarted { images: wishes.len() });
        let check = Check {
            mirror: self,
            deep,
            known: Known::default(),
            seen: Mutex::default(),
            read: Mutex::default(),
        };
        let images = stream::iter(wishes.into_iter().map(|(request, group)| check.image(request, group)))
            .buffered(self.options.transfers.max(1))
            .collect()
            .await;
        self.observer.notice(&Event::RunFinished);
        let blobs = lock(&check.seen).len();
        let bytes_read = *lock(&check.read);
        Verification { images, blobs, bytes_read, elapsed: began.elapsed() }
    }
}

impl Check<'_> {
    async fn image(&self, request: ImageRequest, group: Option<String>) -> ImageVerdict {
        let (mut digest, mut compared) = (None, Compared::default());
        let (request, verdict) = match self.mirror.beside_list(&request).await {
            Ok(request) => {
                let verdict = self.verdict(&request, &mut digest, &mut compared).await;
                (request, verdict)
            }
            Err(error) => (request, Verdict::Failed(Arc::new(error))),
        };
        self.mirror.observer.notice(&Event::ImageReady { request: &request });
        let Compared { absent, attachments, blobs, .. } = compared;
        ImageVerdict { request, group, digest, verdict, absent, attachments, blobs }
    }

    async fn verdict(
        &self,
        request: &ImageRequest,
        digest: &mut Option<Digest>,
        compared: &mut Compared,
    ) -> Verdict {
        let source = self.mirror.source.source(&request.source);
        match self.expected(source.as_ref(), request).await {
            Ok(root) => {
                *digest = Some(root.digest());
                match self.compare(source.as_ref(), request, root).await {
                    Ok(found) => *compared = found,
                    Err(error) => return Verdict::Failed(Arc::new(error)),
                }
                match std::mem::take(&mut compared.findings) {
                    findings if findings.is_empty() => Verdict::Right,
                    findings => Verdict::Wrong(findings),
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound && request.optional => Verdict::NotPart,
            Err(error) if error.kind() == ErrorKind::NotFound => Verdict::Missing,
            Err(error) => Verdict::Failed(Arc::new(error)),
        }
    }

    async fn expected(&self, source: &dyn Source, request: &ImageRequest) -> Result<Arc<Manifest>> {
        let root = source.manifest(&request.reference).await.map_err(|error| error.on(Side::Source))?;
        match &self.mirror.options.platform {
            Some(platform) => self.known.manifests.choose(source, Arc::new(root), platform).await,
            None => Ok(Arc::new(root)),
        }
    }

    async fn compare(
        &self,
        source: &dyn Source,
        request: &ImageRequest,
        root: Arc<Manifest>,
    ) -> Result<Compared> {
        let target = self.mirror.target.source(&request.target);
        let mut compared = Compared::default();
        if let Some(tag) = &request.tag {
            compared.findings.extend(tag_finding(target.as_ref(), tag, &root.digest()).await?);
        }
        let descriptor = root.descriptor.clone();
        let graph = Graph::walk(&self.known.manifests, source, root).await?;
        self.compare_graph(request, target.as_ref(), &graph, &mut compared).await?;
        if self.mirror.options.attachments {
            self.compare_attachments(source, request, &descriptor, &mut compared).await?;
        }
        let mut known = HashSet::new();
        compared.blobs.retain(|blob| known.insert(blob.digest));
        Ok(compared)
    }

    async fn compare_graph(
        &self,
        request: &ImageRequest,
        target: &dyn Source,
        graph: &Graph,
        compared: &mut Compared,
    ) -> Result<()> {
        for manifest in &graph.manifests {
            compared.findings.extend(manifest_finding(target, manifest).await?);
        }
        let blobs = stream::iter(&graph.blobs).map(|blob| self.blob(request, target, blob));
        compared.blobs.extend_from_slice(&graph.blobs);
        let looked: Vec<Looked> = blobs.buffered(BLOB_CONCURRENCY).try_collect().await?;
        for (blob, looked) in graph.blobs.iter().zip(looked) {
            match looked {
                Looked::Right => {}
                Looked::Absent => compared.absent.push(blob.digest),
                Looked::Wrong(finding) => compared.findings.push(finding),
            }
        }
        Ok(())
    }

    /// Looks for everything that is attached at the source. What is attached at the target only is no
    /// difference: a site may sign for itself.
    async fn compare_attachments(
        &self,
        source: &dyn Source,
        request: &ImageRequest,
        root: &Descriptor,
        compared: &mut Compared,
    ) -> Result<()> {
        let target = self.mirror.target.source(&request.target);
        for hanging in all_hanging(&self.known, source, root).await? {
            let graph = self.mirror.walk_attached(&self.known, request, source, &hanging).await?;
            let Some(graph) = graph else { continue };
            let root = graph.manifests.last();
            compared.attachments.extend(root.map(|root| Attached::new(root, hanging.tag.clone())));
            compared.findings.extend(attachment_finding(target.as_ref(), &hanging).await?);
            self.compare_graph(request, target.as_ref(), &graph, compared).await?;
        }
        Ok(())
    }

    async fn blob(&self, request: &ImageRequest, target: &dyn Source, blob: &Descriptor) -> Result<Looked> {
        let key = (request.target.clone(), blob.digest);
        if let Some(known) = lock(&self.seen).get(&key) {
            return Ok(known.clone());
        }
        let looked = self.look_at(target, blob).await?;
        lock(&self.seen).insert(key, looked.clone());
        Ok(looked)
    }

    async fn look_at(&self, target: &dyn Source, blob: &Descriptor) -> Result<Looked> {
        let looked = if self.deep { self.read(target, blob).await } else { stat(target, blob).await };
        match looked {
            Ok(()) => Ok(Looked::Right),
            Err(error) if error.kind() == ErrorKind::NotFound && blob.is_foreign_layer() => {
                Ok(Looked::Absent)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(Looked::Wrong(Finding::NoBlob(blob.digest)))
            }
            Err(error) if error.kind() == ErrorKind::Mismatch => {
                let error = Arc::new(error.on(Side::Target));
                Ok(Looked::Wrong(Finding::WrongContent(blob.digest, error)))
            }
            Err(error) => Err(error.on(Side::Target)),
        }
    }

    async fn read(&self, target: &dyn Source, blob: &Descriptor) -> Result<()> {
        let body = open(target, &blob.digest, &self.mirror.options.retry).await?;
        if body.length().is_some_and(|length| length != blob.size) {
            return Err(wrong_size(blob, body.length().unwrap_or_default()));
        }
        let passage = self.mirror.set_out(blob, target.repository(), Side::Target);
        let mut stream = verified(body, blob.digest, blob.size).into_stream();
        let mut position = 0;
        while let Some(piece) = stream.try_next().await? {
            let bytes = piece.len() as u64;
            position += bytes;
            passage.advance(position, bytes);
            *lock(&self.read) += bytes;
        }
        Ok(())
    }
}

async fn stat(target: &dyn Source, blob: &Descriptor) -> Result<()> {
    let size = target.stat_blob(&blob.digest).await?;
    if size == blob.size { Ok(()) } else { Err(wrong_size(blob, size)) }
}

fn wrong_size(blob: &Descriptor, actual: u64) -> Error {
    Error::new(ErrorKind::Mismatch, Operation::CheckBlob)
        .object(blob.digest)
        .because(format_args!("it has {actual} bytes where its manifest says {}", blob.size))
}

/// An attachment hangs on its tag, or on the list of its subject.
async fn attachment_finding(target: &dyn Source, hanging: &Hanging) -> Result<Option<Finding>> {
    let Hanging { subject, digest, tag } = hanging;
    if let Some(tag) = tag {
        return tag_finding(target, tag, digest).await;
    }
    let is_listed = is_listed(target, subject, digest).await.map_err(|error| error.on(Side::Target))?;
    Ok((!is_listed).then_some(Finding::NotAttached { digest: *digest, subject: *subject }))
}

async fn tag_finding(target: &dyn Source, tag: &Tag, expected: &Digest) -> Result<Option<Finding>> {
    let reference = ManifestRef::Tag(tag.clone());
    match target.resolve(&reference).await {
        Ok(there) if there.digest == *expected => Ok(None),
        Ok(there) => {
            Ok(Some(Finding::WrongTag { tag: tag.clone(), expected: *expected, actual: there.digest }))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some(Finding::NoManifest(reference))),
        Err(error) => Err(error.on(Side::Target)),
    }
}

/// Reading a manifest by its digest checks its bytes.
async fn manifest_finding(target: &dyn Source, manifest: &Manifest) -> Result<Option<Finding>> {
    let reference = ManifestRef::Digest(manifest.digest());
    match target.manifest(&reference).await {
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some(Finding::NoManifest(reference))),
        Err(error) if matches!(error.kind(), ErrorKind::Mismatch | ErrorKind::Unsupported) => {
            Ok(Some(Finding::WrongContent(manifest.digest(), Arc::new(error.on(Side::Target)))))
        }
        Err(error) => Err(error.on(Side::Target)),
    }
}

impl Verification {
    /// Goes through the distinct digests that are wrong or not there.
    #[must_use]
    pub fn damaged(&self) -> HashSet<Digest> {
        let findings = self.images.iter().flat_map(|image| match &image.verdict {
            Verdict::Wrong(findings) => findings.as_slice(),
            _ => &[],
        });
        findings
            .filter_map(|finding| match finding {
                Finding::NoBlob(digest) | Finding::WrongContent(digest, _) => Some(*digest),
                Finding::NoManifest(_) | Finding::WrongTag { .. } | Finding::NotAttached { .. } => None,
            })
            .collect()
    }
}
