//! One distinct blob and every repository that needs it.
//!
//! The first repository leads: it gets the bytes from the source, or from a repository that has them with another
//! image. The others follow: they link from the leader, and where a link is refused they read the bytes back from
//! it, never again from the source. If the leader fails at the target, the next repository takes the lead; if the
//! source fails, all fail.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sealift_oci::{Descriptor, RepositoryName};
use sealift_store::{Error, ErrorKind, LinkOutcome, Result, Side, Target, Upload};

use crate::copy::{Resumed, Transfer, resume};
use crate::reader::Origin;
use crate::retry::{Budget, SharedBudget};
use crate::trail::{JOURNALED_FROM, Page, Trail, UploadKey};
use crate::{Carried, Event, Mirror, Passage, PlannedBlob};

/// How many repositories are linked at the same time, for one blob.
const LINK_CONCURRENCY: usize = 4;

/// What became of one blob.
#[derive(Debug, Default)]
pub(crate) struct Placed {
    /// What became of it in each repository that needs it.
    pub(crate) repositories: HashMap<RepositoryName, Placement>,
    /// Its content, if it is an image configuration that passed by.
    pub(crate) config: Option<Bytes>,
}

/// What became of one blob in one repository.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    pub(crate) outcome: Result<Carried, Arc<Error>>,
    pub(crate) elapsed: Duration,
}

impl Placed {
    /// Lists the repositories that have the blob now, and how it came there.
    pub(crate) fn carried(&self) -> BTreeMap<RepositoryName, Carried> {
        let placements = self.repositories.iter();
        let there = placements.filter_map(|(name, it)| Some((name.clone(), *it.outcome.as_ref().ok()?)));
        there.collect()
    }
}

/// What the leader needs to know when the bytes have come.
type Led = (Carried, Option<Bytes>);

impl Mirror {
    /// Brings a blob into every repository that needs it.
    pub(crate) async fn place(&self, blob: &PlannedBlob) -> Placed {
        let mut placed = Placed::default();
        let budget = Budget::shared(&self.options.retry);
        for (position, leader) in blob.targets.iter().enumerate() {
            let began = Instant::now();
            let led = self.lead(blob, leader, Arc::clone(&budget)).await;
            let followers = &blob.targets[position + 1..];
            match led {
                Ok((carried, config)) => {
                    placed.config = config;
                    self.record(&mut placed, blob, leader, began, Ok(carried));
                    self.follow_all(&mut placed, blob, leader, followers, carried).await;
                    return placed;
                }
                Err(error) if error.side() == Some(Side::Source) => {
                    let error = Arc::new(error);
                    for repository in std::iter::once(leader).chain(followers) {
                        self.record(&mut placed, blob, repository, began, Err(Arc::clone(&error)));
                    }
                    return placed;
                }
                Err(error) => self.record(&mut placed, blob, leader, began, Err(Arc::new(error))),
            }
        }
        placed
    }

    async fn follow_all(
        &self,
        placed: &mut Placed,
        blob: &PlannedBlob,
        leader: &RepositoryName,
        followers: &[RepositoryName],
        led: Carried,
    ) {
        let mut outcomes = stream::iter(followers.iter().cloned().map(|follower| async move {
            let began = Instant::now();
            let outcome = match led {
                Carried::Skipped => Ok(Carried::Skipped),
                _ => self.follow(&blob.descriptor, leader, &follower).await,
            };
            (follower, began, outcome.map_err(Arc::new))
        }))
        .buffer_unordered(LINK_CONCURRENCY);
        while let Some((follower, began, outcome)) = outcomes.next().await {
            self.record(placed, blob, &follower, began, outcome);
        }
    }

    fn record(
        &self,
        placed: &mut Placed,
        blob: &PlannedBlob,
        repository: &RepositoryName,
        began: Instant,
        outcome: Result<Carried, Arc<Error>>,
    ) {
        if let Ok(carried) = outcome {
            let Descriptor { digest, size, .. } = blob.descriptor;
            self.observer.notice(&Event::BlobFinished { digest, size, carried });
        }
        placed.repositories.insert(repository.clone(), Placement { outcome, elapsed: began.elapsed() });
    }

    /// Gets the bytes from the source, unless they are there. The wish to link a blob from its own
    /// repository is the question whether it is there, and opens the upload if it is not: one request. A place that
    /// never links is asked once more where the source lacks the blob.
    async fn lead(
        &self,
        blob: &PlannedBlob,
        repository: &RepositoryName,
        budget: SharedBudget,
    ) -> Result<Led> {
        let target = self.target.target(repository).map_err(|error| error.on(Side::Target))?;
        let descriptor = &blob.descriptor;
        let page = self.page(target.as_ref(), descriptor);
        if let Some(carried) = self.take_over(blob, repository, page.as_ref()).await? {
            return Ok((carried, None));
        }
        let (upload, trail) = match self.take_up(target.as_ref(), descriptor, page.as_ref()).await {
            Some((upload, trail)) => (Some(upload), trail),
            None => match link(target.as_ref(), descriptor, repository).await? {
                Linked::Yes => {
                    // An earlier run may have left its beginning behind.
                    if let Some(spool) = &self.options.spool {
                        spool.forget(&descriptor.digest).await;
                    }
                    return Ok((Carried::Present, None));
                }
                Linked::No(upload) => (upload, Trail::new(descriptor.digest.algorithm())),
            },
        };
        let Some(origins) = self.origins(blob).await? else {
            cancel(upload).await;
            return Ok((Carried::Skipped, None));
        };
        let transfer = Transfer {
            blob: descriptor,
            origins,
            place: self.source.place(),
            side: Side::Source,
            target: target.as_ref(),
            observer: &self.observer,
            passage: self.set_out(descriptor, repository, Side::Source),
            budget,
            pace: self.options.bandwidth.clone(),
            trail: Arc::new(trail),
            spool: self.options.spool.clone(),
            page,
        };
        match transfer.run(upload).await {
            // A place may open an upload whatever it has. What the source does not have, it can only have already.
            Err(error) if is_gone(&error) && is_there(target.as_ref(), descriptor).await => {
                Ok((Carried::Present, None))
            }
            moved => Ok((Carried::Moved, moved?)),
        }
    }

    /// Gets the blob from the repository that holds it; `None` where there is none, or it does not have it any more.
    async fn take_over(
        &self,
        blob: &PlannedBlob,
        repository: &RepositoryName,
        page: Option<&Page>,
    ) -> Result<Option<Carried>> {
        let Some(holder) = &blob.holder else { return Ok(None) };
        match self.follow(&blob.descriptor, holder, repository).await {
            Ok(carried) => {
                // An earlier run may have left its beginning behind.
                page.inspect(|page| page.forget());
                if let Some(spool) = &self.options.spool {
                    spool.forget(&blob.descriptor.digest).await;
                }
                Ok(Some(carried))
            }
            // What is gone or spoilt there is still at the source.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Mismatch) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Tells that a blob is on its way; it is read on `side`.
    pub(crate) fn set_out(&self, blob: &Descriptor, to: &RepositoryName, side: Side) -> Arc<Passage> {
        let passage = Passage::new(blob.digest, blob.size, to.clone(), side);
        self.observer.notice(&Event::BlobStarted { passage: &passage });
        passage
    }

    /// Opens the journal where an upload of this blob stands in it.
    fn page(&self, target: &dyn Target, blob: &Descriptor) -> Option<Page> {
        let journal = self.options.journal.clone().filter(|_| blob.size >= JOURNALED_FROM)?;
        let (place, repository) = (self.target.place().to_owned(), target.repository().clone());
        Some(Page { journal, key: UploadKey { place, repository, digest: blob.digest } })
    }

    /// Finds the upload that an earlier process left behind, if the target still has it.
    async fn take_up(
        &self,
        target: &dyn Target,
        blob: &Descriptor,
        page: Option<&Page>,
    ) -> Option<(Box<dyn Upload>, Trail)> {
        let page = page?;
        let unfinished = page.recall()?;
        let patience = Budget::new(&self.options.retry);
        match resume(target, &unfinished.upload, blob.size, patience, self.observer.as_ref()).await {
            Resumed::At(upload) => Some((upload, Trail::restore(blob.digest.algorithm(), &unfinished))),
            Resumed::Lost => {
                page.forget();
                None
            }
            // What is noted may still be right: the place has not said.
            Resumed::Unknown => None,
        }
    }

    /// Where a blob can be read; `None` for a foreign layer that the source does not have.
    pub(crate) async fn origins(&self, blob: &PlannedBlob) -> Result<Option<Vec<Origin>>> {
        let sources = blob.sources.iter().map(|repository| self.source.source(repository));
        if !blob.descriptor.is_foreign_layer() {
            return Ok(Some(sources.map(Origin::Repository).collect()));
        }
        for source in sources {
            match source.stat_blob(&blob.descriptor.digest).await {
                Ok(_) => return Ok(Some(vec![Origin::Repository(source)])),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.on(Side::Source)),
            }
        }
        let Some(foreign) = &self.options.foreign else { return Ok(None) };
        let urls = blob.descriptor.urls.iter().map(|url| Origin::Url(Arc::clone(foreign), url.clone()));
        let urls: Vec<Origin> = urls.collect();
        Ok((!urls.is_empty()).then_some(urls))
    }

    /// Links a blob from the leader's repository, or reads it back from there.
    async fn follow(
        &self,
        blob: &Descriptor,
        leader: &RepositoryName,
        follower: &RepositoryName,
    ) -> Result<Carried> {
        let target = self.target.target(follower).map_err(|error| error.on(Side::Target))?;
        let upload = match link(target.as_ref(), blob, leader).await? {
            Linked::Yes => return Ok(Carried::Mounted),
            Linked::No(upload) => upload,
        };
        let transfer = Transfer {
            blob,
            origins: vec![Origin::Repository(self.target.source(leader))],
            place: self.target.place(),
            side: Side::Target,
            target: target.as_ref(),
            observer: &self.observer,
            passage: self.set_out(blob, follower, Side::Target),
            budget: Budget::shared(&self.options.retry),
            pace: self.options.bandwidth.clone(),
            trail: Arc::new(Trail::new(blob.digest.algorithm())),
            spool: None,
            page: None,
        };
        transfer.run(upload).await?;
        Ok(Carried::ReadBack)
    }
}

enum Linked {
    Yes,
    No(Option<Box<dyn Upload>>),
}

/// Where a place refuses the wish to link outright, it is asked in plain words whether the blob is there.
async fn link(target: &dyn Target, blob: &Descriptor, from: &RepositoryName) -> Result<Linked> {
    let outcome = target.link_blob(&blob.digest, from).await.map_err(|error| error.on(Side::Target))?;
    match outcome {
        LinkOutcome::Linked => Ok(Linked::Yes),
        LinkOutcome::Upload(upload) => Ok(Linked::No(Some(upload))),
        LinkOutcome::Refused => {
            let there = target.stat_blob(&blob.digest).await.map_err(|error| error.on(Side::Target))?;
            Ok(if there.is_some() { Linked::Yes } else { Linked::No(None) })
        }
    }
}

/// Tells whether it is the source that lacks a blob.
fn is_gone(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound && error.side() == Some(Side::Source)
}

/// Asks in plain words. A place that cannot say does not have it.
async fn is_there(target: &dyn Target, blob: &Descriptor) -> bool {
    matches!(target.stat_blob(&blob.digest).await, Ok(Some(size)) if size == blob.size)
}

/// An upload that nobody needs is given back; what that fails with changes nothing.
async fn cancel(upload: Option<Box<dyn Upload>>) {
    if let Some(upload) = upload {
        let _ = upload.cancel().await;
    }
}
