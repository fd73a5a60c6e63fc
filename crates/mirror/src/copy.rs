//! The copy of one blob: a stream from a source into an upload, hashed on its way.
//!
//! Nothing is kept but the pieces in flight. A source that breaks off is opened again at the byte where
//! it broke; the upload does not notice. An upload that breaks off begins again. Both draw on one
//! [`Budget`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use sealift_oci::{Descriptor, Digest, media_type};
use sealift_store::{
    BlobBody, ByteStream, Error, ErrorKind, Operation, Result, Side, Source, Target, Upload, verified,
};

use crate::retry::Budget;
use crate::{Event, ForeignLayers, Observer};

/// Configurations up to this many bytes are kept while they pass, to read their platform.
pub(crate) const CONFIG_LIMIT: u64 = 1024 * 1024;

/// Where the bytes of a blob can be read.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// In a repository.
    Repository(Arc<dyn Source>),
    /// At an address that the manifest names.
    Url(Arc<dyn ForeignLayers>, String),
}

impl Origin {
    async fn open(&self, digest: &Digest, offset: u64) -> Result<BlobBody> {
        match self {
            Self::Repository(source) => source.open_blob(digest, offset).await,
            Self::Url(layers, url) => layers.open(url, offset).await,
        }
    }
}

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
    pub(crate) budget: SharedBudget,
}

/// Both ends of a transfer draw on one budget.
pub(crate) type SharedBudget = Arc<Mutex<Budget>>;

impl Transfer<'_> {
    /// Copies the blob, into `upload` first if the target has opened one. Returns the content if it is an
    /// image configuration.
    pub(crate) async fn run(&self, mut upload: Option<Box<dyn Upload>>) -> Result<Option<Bytes>> {
        let mut origin = 0;
        let mut mismatched = false;
        loop {
            let session = match upload.take() {
                Some(upload) => upload,
                None => self.target.begin_upload().await.map_err(|error| error.on(Side::Target))?,
            };
            let error = match self.attempt(session, origin).await {
                Ok(config) => return Ok(config),
                Err(error) => error,
            };
            // Wrong bytes are thrown away and fetched once more from scratch: a line can flip a bit.
            let wait = if error.kind() == ErrorKind::Mismatch && !mismatched {
                mismatched = true;
                Some(Duration::ZERO)
            } else {
                lock(&self.budget).spend(&error)
            };
            let Some(wait) = wait else { return Err(error) };
            self.observer.notice(&Event::Retrying { error: &error, wait });
            tokio::time::sleep(wait).await;
            origin += 1;
            // The last answer of a finished upload can be lost on the way back.
            if let Ok(Some(_)) = self.target.stat_blob(&self.blob.digest).await {
                return Ok(None);
            }
        }
    }

    async fn attempt(&self, mut upload: Box<dyn Upload>, origin: usize) -> Result<Option<Bytes>> {
        let kept = Arc::new(Mutex::new(BytesMut::new()));
        let body = self.body(origin, Arc::clone(&kept));
        if let Err(error) = upload.append(body).await {
            // The reason for breaking off tells more than what the cleaning up may fail with.
            let _ = upload.cancel().await;
            return Err(error.on(Side::Target));
        }
        upload.finish(&self.blob.digest).await.map_err(|error| error.on(Side::Target))?;
        let config = std::mem::take(&mut *lock(&kept)).freeze();
        Ok((!config.is_empty()).then_some(config))
    }

    /// The verified content; what fails in it is marked with its side and place.
    fn body(&self, first: usize, kept: Arc<Mutex<BytesMut>>) -> BlobBody {
        let (digest, size, side) = (self.blob.digest, self.blob.size, self.side);
        let keep = media_type::is_image_config(&self.blob.media_type) && size <= CONFIG_LIMIT;
        let reader = Reader {
            origins: self.origins.clone(),
            first,
            digest,
            size,
            offset: 0,
            stream: None,
            budget: Arc::clone(&self.budget),
            observer: Arc::clone(self.observer),
        };
        let origin = self.origins.get(first % self.origins.len().max(1)).map(|it| it.describe(&digest));
        let place = self.place.to_owned();
        let checked = verified(BlobBody::from_stream(Some(size), reader.into_stream(side)), digest, size);
        let marked = checked.into_stream().map(move |piece| match piece {
            Ok(piece) => {
                if keep {
                    lock(&kept).extend_from_slice(&piece);
                }
                Ok(piece)
            }
            Err(error) => Err(name_origin(error.on(side), &place, origin.as_deref())),
        });
        BlobBody::from_stream(Some(size), marked.boxed())
    }
}

impl Origin {
    fn describe(&self, digest: &Digest) -> String {
        match self {
            Self::Repository(source) => format!("{}@{digest}", source.repository()),
            Self::Url(_, url) => url.clone(),
        }
    }
}

/// What is found here, such as a difference, does not know yet where the bytes come from.
fn name_origin(error: Error, place: &str, origin: Option<&str>) -> Error {
    match (error.place(), origin) {
        (None, Some(origin)) => error.at(place).object(origin),
        _ => error,
    }
}

/// Reads a blob to its end, however often its source breaks off.
struct Reader {
    origins: Vec<Origin>,
    /// Which origin to ask first.
    first: usize,
    digest: Digest,
    size: u64,
    offset: u64,
    stream: Option<ByteStream>,
    budget: SharedBudget,
    observer: Arc<dyn Observer>,
}

impl Reader {
    fn into_stream(self, side: Side) -> ByteStream {
        stream::try_unfold(self, move |mut reader| async move {
            let piece = reader.next().await.map_err(|error| error.on(side))?;
            Ok(piece.map(|piece| (piece, reader)))
        })
        .boxed()
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let read = match &mut self.stream {
                Some(stream) => stream.try_next().await,
                None => {
                    self.stream = Some(self.open().await?);
                    continue;
                }
            };
            let error = match read {
                Ok(Some(piece)) => return Ok(Some(self.take(piece))),
                Ok(None) if self.offset >= self.size => return Ok(None),
                Ok(None) => self.cut_short(),
                Err(error) => error,
            };
            self.wait(error).await?;
        }
    }

    fn take(&mut self, piece: Bytes) -> Bytes {
        let bytes = piece.len() as u64;
        self.offset += bytes;
        lock(&self.budget).progressed(bytes);
        self.observer.notice(&Event::BlobProgress { digest: self.digest, bytes });
        piece
    }

    /// Opens the blob where it broke off; an origin that does not have it hands over to the next.
    async fn open(&mut self) -> Result<ByteStream> {
        let mut last = None;
        for turn in 0..self.origins.len() {
            let origin = &self.origins[(self.first + turn) % self.origins.len()];
            match origin.open(&self.digest, self.offset).await {
                Ok(body) => return self.check_length(&body).map(|()| body.into_stream()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            Error::new(ErrorKind::NotFound, Operation::FetchBlob)
                .object(self.digest)
                .because("no place has it")
        }))
    }

    fn check_length(&self, body: &BlobBody) -> Result<()> {
        let wanted = self.size - self.offset.min(self.size);
        match body.length() {
            Some(length) if length != wanted => Err(Error::new(ErrorKind::Mismatch, Operation::FetchBlob)
                .object(self.digest)
                .because(format_args!(
                    "its source has {} bytes where its manifest says {}",
                    self.offset + length,
                    self.size
                ))),
            _ => Ok(()),
        }
    }

    fn cut_short(&self) -> Error {
        Error::new(ErrorKind::Unavailable, Operation::FetchBlob)
            .object(self.digest)
            .because(format_args!("it ended after {} of {} bytes", self.offset, self.size))
    }

    async fn wait(&mut self, error: Error) -> Result<()> {
        self.stream = None;
        let wait = lock(&self.budget).spend(&error);
        let Some(wait) = wait else { return Err(error) };
        self.observer.notice(&Event::Retrying { error: &error, wait });
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// What is behind these locks stays valid if a holder panics: counters and plain bytes.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
