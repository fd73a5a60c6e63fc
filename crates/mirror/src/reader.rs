//! Reading a blob to its end: a source that breaks off, or that does not let it be opened, is opened again at
//! the byte where it broke. Places do not repeat that themselves.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use sealift_oci::Digest;
use sealift_store::{BlobBody, ByteStream, Error, ErrorKind, Operation, Pace, Result, Side, Source, lock};

use crate::retry::SharedBudget;
use crate::{Event, ForeignLayers, Observer, Passage, Spool};

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

    /// Names the blob there, for messages.
    pub(crate) fn describe(&self, digest: &Digest) -> String {
        match self {
            Self::Repository(source) => format!("{}@{digest}", source.repository()),
            Self::Url(_, url) => url.clone(),
        }
    }
}

/// Reads a blob to its end, however often its source breaks off.
pub(crate) struct Reader {
    pub(crate) origins: Vec<Origin>,
    /// Which origin to ask first.
    pub(crate) first: usize,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// Where to read on.
    pub(crate) offset: u64,
    /// What is being read; none before the first byte and after a failure.
    pub(crate) stream: Option<ByteStream>,
    /// What keeps the beginning of the blob for the next process.
    pub(crate) spool: Option<Arc<dyn Spool>>,
    /// What is being read comes out of the spool.
    pub(crate) is_spooled: bool,
    pub(crate) budget: SharedBudget,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) passage: Arc<Passage>,
    pub(crate) pace: Option<Arc<Pace>>,
    /// The side on which the origins are.
    pub(crate) side: Side,
}

impl Reader {
    pub(crate) fn into_stream(self) -> ByteStream {
        stream::try_unfold(self, |mut reader| async move {
            let piece = reader.next().await?;
            Ok(piece.map(|piece| (piece, reader)))
        })
        .boxed()
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let read = match &mut self.stream {
                Some(stream) => stream.try_next().await,
                None => match self.begin().await {
                    Ok(stream) => {
                        self.stream = Some(stream);
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            let error = match read {
                Ok(Some(piece)) => return Ok(Some(self.take(piece).await)),
                Ok(None) if self.offset >= self.size => return Ok(None),
                // The source goes on where the spool ends, or fails.
                _ if self.is_spooled => {
                    (self.stream, self.is_spooled) = (None, false);
                    continue;
                }
                Ok(None) => self.cut_short(),
                Err(error) => error,
            };
            self.wait(error).await?;
        }
    }

    async fn take(&mut self, piece: Bytes) -> Bytes {
        let bytes = piece.len() as u64;
        if self.is_spooled {
            self.offset += bytes;
            self.passage.advance(self.offset, 0);
            return piece;
        }
        if let Some(pace) = &self.pace {
            pace.wait(bytes).await;
        }
        if let Some(spool) = &self.spool {
            spool.keep(&self.digest, self.offset, &piece).await;
        }
        self.offset += bytes;
        self.passage.advance(self.offset, bytes);
        lock(&self.budget).arrived(self.offset);
        self.observer.notice(&Event::BlobProgress { digest: self.digest, bytes });
        piece
    }

    /// Opens the spool if it has the beginning, else the source.
    async fn begin(&mut self) -> Result<ByteStream> {
        let spool = self.spool.as_ref().filter(|_| self.offset == 0);
        let kept = match spool {
            Some(spool) => spool.recall(&self.digest).await,
            None => None,
        };
        let Some(body) = kept else { return self.open().await };
        self.is_spooled = true;
        Ok(body.take(self.size).into_stream())
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
        let error = error.on(self.side);
        let wait = lock(&self.budget).spend(&error);
        let Some(wait) = wait else { return Err(error) };
        self.observer.notice(&Event::Retrying { error: &error, wait });
        tokio::time::sleep(wait).await;
        Ok(())
    }
}
