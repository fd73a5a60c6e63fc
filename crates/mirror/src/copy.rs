//! The copy of one blob: a stream from a source into an upload, hashed on its way.
//!
//! Nothing is kept but the pieces in flight. A source that breaks off is read on at its offset ([`Reader`]),
//! and the upload does not notice. An upload that breaks off goes on from what the target has of it, where
//! the target keeps it, and else begins again. Both ends draw on one budget.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sealift_oci::{Descriptor, media_type};
use sealift_store::{
    BlobBody, Checkpoint, Error, ErrorKind, Expected, Pace, Result, Side, Target, Upload, UploadId, lock,
    verified_from,
};

use crate::reader::{Origin, Reader};
use crate::retry::{Budget, SharedBudget};
use crate::trail::{Page, Trail};
use crate::{Event, Observer, Passage, Spool};

/// Configurations up to this many bytes are kept while they pass, to read their platform.
pub(crate) const CONFIG_LIMIT: u64 = 1024 * 1024;

/// One blob that is to be copied into one repository.
pub(crate) struct Transfer<'a> {
    pub(crate) blob: &'a Descriptor,
    /// Where it can be read; one is as good as another.
    pub(crate) origins: Vec<Origin>,
    /// The place in which the origins are, for messages.
    pub(crate) place: &'a str,
    /// The side on which they stand: a read-back has its origin at the target.
    pub(crate) side: Side,
    pub(crate) target: &'a dyn Target,
    pub(crate) observer: &'a Arc<dyn Observer>,
    /// How far it is, for whoever draws it.
    pub(crate) passage: Arc<Passage>,
    pub(crate) budget: SharedBudget,
    pub(crate) pace: Option<Arc<Pace>>,
    /// How the hash stood along the way.
    pub(crate) trail: Arc<Trail>,
    /// Keeps the beginning of the blob for the next process.
    pub(crate) spool: Option<Arc<dyn Spool>>,
    /// Keeps the trail for the next process.
    pub(crate) page: Option<Page>,
}

/// An attempt that failed, and the upload if there is one to go on with.
struct Broken {
    error: Error,
    upload: Option<Box<dyn Upload>>,
    /// What the upload is called: also one whose end failed can be found again, with all its bytes.
    id: UploadId,
}

impl Transfer<'_> {
    /// Copies the blob, into `upload` first if there is one. Returns the content if it is an image
    /// configuration.
    pub(crate) async fn run(&self, mut upload: Option<Box<dyn Upload>>) -> Result<Option<Bytes>> {
        let mut origin = 0;
        let mut mismatched = false;
        loop {
            let session = match upload.take() {
                Some(upload) => upload,
                None => {
                    let expected = Expected::new(self.blob.digest, self.blob.size);
                    let begun = self.target.begin_upload(Some(expected)).await;
                    begun.map_err(|error| error.on(Side::Target))?
                }
            };
            let Broken { error, upload: broken, id } = match self.attempt(session, origin).await {
                Ok(config) => return Ok(config),
                Err(broken) => broken,
            };
            // Wrong bytes are thrown away and fetched once more from scratch: a line can flip a bit.
            let is_mismatch = error.kind() == ErrorKind::Mismatch;
            let wait = match is_mismatch && !mismatched {
                true => Some(Duration::ZERO),
                false => lock(&self.budget).spend(&error),
            };
            mismatched |= is_mismatch;
            let Some(wait) = wait else { return self.give_up(error, broken).await };
            self.observer.notice(&Event::Retrying { error: &error, wait });
            tokio::time::sleep(wait).await;
            origin += 1;
            // The last answer of a finished upload can be lost on the way back.
            if let Ok(Some(_)) = self.target.stat_blob(&self.blob.digest).await {
                self.forget().await;
                return Ok(None);
            }
            upload = self.go_on(broken, &id, is_mismatch).await;
        }
    }

    /// Finds the upload again where the target keeps it; wrong bytes in it are not gone on from.
    async fn go_on(
        &self,
        broken: Option<Box<dyn Upload>>,
        id: &UploadId,
        is_mismatch: bool,
    ) -> Option<Box<dyn Upload>> {
        if is_mismatch {
            self.trail.clear();
            self.forget().await;
            cancel(broken).await;
            return None;
        }
        drop(broken);
        let patience = lock(&self.budget).renewed();
        match resume(self.target, id, self.blob.size, patience, self.observer.as_ref()).await {
            Resumed::At(upload) => Some(upload),
            Resumed::Lost | Resumed::Unknown => None,
        }
    }

    /// An upload that may still go on in the next process is left to it.
    async fn give_up(&self, error: Error, broken: Option<Box<dyn Upload>>) -> Result<Option<Bytes>> {
        if !error.kind().is_transient() {
            self.forget().await;
        }
        if self.page.is_none() || !error.kind().is_transient() {
            cancel(broken).await;
        }
        // Another process that found the same upload may have brought it to its end.
        let is_lost = error.kind() == ErrorKind::NotFound && error.side() == Some(Side::Target);
        if is_lost && matches!(self.target.stat_blob(&self.blob.digest).await, Ok(Some(_))) {
            return Ok(None);
        }
        Err(error)
    }

    async fn attempt(&self, mut upload: Box<dyn Upload>, origin: usize) -> Result<Option<Bytes>, Broken> {
        let kept = Arc::new(Mutex::new(BytesMut::new()));
        if upload.offset() < self.blob.size || self.blob.size == 0 {
            let body = self.body(upload.as_ref(), origin, &kept);
            if let Some(page) = &self.page {
                page.keep(&self.trail.unfinished(upload.id()));
            }
            if let Err(error) = upload.append(body).await {
                let (error, id) = (self.name_blob(error.on(Side::Target)), upload.id().clone());
                return Err(Broken { error, upload: Some(upload), id });
            }
        }
        let id = upload.id().clone();
        let finished = upload.finish(&self.blob.digest).await;
        finished.map_err(|error| Broken { error: error.on(Side::Target), upload: None, id })?;
        self.forget().await;
        let config = std::mem::take(&mut *lock(&kept)).freeze();
        Ok((!config.is_empty()).then_some(config))
    }

    /// An upload does not know which blob it is for.
    fn name_blob(&self, error: Error) -> Error {
        match error.side() {
            Some(Side::Target) => {
                error.object(format_args!("{}@{}", self.target.repository(), self.blob.digest))
            }
            _ => error,
        }
    }

    /// The verified content from where the upload stands; what fails in it is marked with side and place.
    fn body(&self, upload: &dyn Upload, first: usize, kept: &Arc<Mutex<BytesMut>>) -> BlobBody {
        let (digest, size, side) = (self.blob.digest, self.blob.size, self.side);
        let start = self.trail.before(upload.offset());
        let again = upload.offset() - start.offset;
        let source = BlobBody::from_stream(None, self.reader(first, start.offset).into_stream());
        let checked = verified_from(source, start, digest, size, self.mark(upload));
        let origin = self.origins.get(first % self.origins.len().max(1)).map(|it| it.describe(&digest));
        let place = self.place.to_owned();
        let marked = checked.map_error(move |error| name(error.on(side), &place, origin.as_deref()));
        // The first of them were hashed again, and the target has them.
        self.keep_config(marked.skip(again), upload.offset(), kept)
    }

    fn reader(&self, first: usize, offset: u64) -> Reader {
        Reader {
            origins: self.origins.clone(),
            first,
            digest: self.blob.digest,
            size: self.blob.size,
            offset,
            stream: None,
            spool: self.spool.clone(),
            is_spooled: false,
            budget: Arc::clone(&self.budget),
            observer: Arc::clone(self.observer),
            passage: Arc::clone(&self.passage),
            pace: self.pace.clone(),
            side: self.side,
        }
    }

    /// Leaves checkpoints along the way, and tells the journal now and then.
    fn mark(&self, upload: &dyn Upload) -> impl FnMut(&Checkpoint) + Send + use<> {
        let (trail, page, id) = (Arc::clone(&self.trail), self.page.clone(), upload.id().clone());
        move |point| {
            if let (true, Some(page)) = (trail.pass(point), &page) {
                page.keep(&trail.unfinished(&id));
            }
        }
    }

    fn keep_config(&self, body: BlobBody, offset: u64, kept: &Arc<Mutex<BytesMut>>) -> BlobBody {
        let is_config = media_type::is_image_config(&self.blob.media_type) && self.blob.size <= CONFIG_LIMIT;
        if !is_config || offset > 0 {
            return body;
        }
        let kept = Arc::clone(kept);
        body.inspect(move |piece| lock(&kept).extend_from_slice(piece))
    }

    async fn forget(&self) {
        if let Some(page) = &self.page {
            page.forget();
        }
        if let Some(spool) = &self.spool {
            spool.forget(&self.blob.digest).await;
        }
    }
}

/// What became of the wish to go on with an upload.
pub(crate) enum Resumed {
    /// The target has it.
    At(Box<dyn Upload>),
    /// The target does not have it, or nothing that could be of this blob.
    Lost,
    /// The target does not tell.
    Unknown,
}

/// Goes on with an upload. A connection that broke off can keep it busy until the target sees that nobody is
/// there any more, so that is waited for. The patience is not the blob's own budget: who waited in vain
/// begins again, and may then fail as often as any other.
pub(crate) async fn resume(
    target: &dyn Target,
    id: &UploadId,
    size: u64,
    mut patience: Budget,
    observer: &dyn Observer,
) -> Resumed {
    loop {
        let error = match target.resume_upload(id).await {
            Ok(upload) if upload.offset() <= size => return Resumed::At(upload),
            Ok(_) => return Resumed::Lost,
            Err(error) => error.on(Side::Target),
        };
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::Invalid | ErrorKind::Unsupported => return Resumed::Lost,
            ErrorKind::Busy => {}
            _ => return Resumed::Unknown,
        }
        let Some(wait) = patience.spend(&error) else { return Resumed::Unknown };
        observer.notice(&Event::Retrying { error: &error, wait });
        tokio::time::sleep(wait).await;
    }
}

/// The reason for breaking off tells more than what the cleaning up may fail with.
async fn cancel(upload: Option<Box<dyn Upload>>) {
    if let Some(upload) = upload {
        let _ = upload.cancel().await;
    }
}

/// What is found here, such as a difference, does not know yet where the bytes come from.
fn name(error: Error, place: &str, origin: Option<&str>) -> Error {
    match (error.place(), origin) {
        (None, Some(origin)) => error.at(place).object(origin),
        _ => error,
    }
}
