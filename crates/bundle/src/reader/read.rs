//! The content of a bundle as bytes.

use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use sealift_oci::{Digest, MANIFEST_LIMIT, Manifest};
use sealift_store::{BlobBody, Error, ErrorKind, Operation, read_pieces};

use super::{Bundle, Extents, Piece};
use crate::catalogue::Content;
use crate::delta::{self, Delta};
use crate::layout::differs;

/// How much longer an encrypted manifest may be than its content, in bytes: a header, and 16 bytes for each 64 KiB.
const SEALED_ROOM: u64 = 64 * 1024;

/// What the functions on one blob or manifest return.
type Result<T> = sealift_store::Result<T>;

impl Bundle {
    /// Reads content from byte `offset` on. What comes is not verified: see [`sealift_store::verified`]. Errors
    /// name the volume's file and the byte in it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] of what the other side has, [`ErrorKind::Io`] of what lies in a volume that cannot be
    /// read, [`ErrorKind::Invalid`] of an offset behind the end, [`ErrorKind::Unsupported`] of a delta: see
    /// [`crate::BundleStore::with_bases`].
    pub async fn read(&self, content: &Content, offset: u64) -> Result<BlobBody> {
        check_known(content, Operation::FetchBlob)?;
        if content.encoding.is_some() {
            let reason = "it is carried as a delta, and what it builds on is not here; load the bundle";
            return Err(Error::new(ErrorKind::Unsupported, Operation::FetchBlob).because(reason));
        }
        self.read_bytes(content, content.size, offset).await
    }

    /// Reads what is carried of content that is a delta.
    pub(crate) async fn read_carried(&self, content: &Content, delta: &Delta) -> Result<BlobBody> {
        self.read_bytes(content, delta.carried(), 0).await
    }

    /// Reads the bytes that lie there, `size` of them when they are opened.
    async fn read_bytes(&self, content: &Content, size: u64, offset: u64) -> Result<BlobBody> {
        let (bundle, asked) = (self.clone(), content.clone());
        let operation = Operation::FetchBlob;
        let extents = blocking(operation, move || bundle.extents(&asked, operation)).await?;
        let length = size.checked_sub(offset).ok_or_else(|| beyond(size, offset))?;
        match self.opener() {
            Some(opener) => opener.open(extents, offset).await,
            None => Ok(BlobBody::from_stream(Some(length), read_pieces(extents.skip(offset), length))),
        }
    }

    /// Opens the bytes of content as they lie in the volumes.
    fn extents(&self, content: &Content, operation: Operation) -> Result<Extents> {
        self.check_readable(content, operation)?;
        self.prove_sealed(content, operation)?;
        Ok(Extents::new(self.pieces(content)))
    }

    /// Says why content cannot be read, as far as that is known beforehand.
    pub(crate) fn check_readable(&self, content: &Content, operation: Operation) -> Result<()> {
        if content.at.is_empty() {
            let reason = "the bundle left it out, because the other side has it";
            return Err(Error::new(ErrorKind::NotFound, operation).because(reason));
        }
        check_known(content, operation)?;
        if let Some(volume) = self.broken_volume(content) {
            let (path, problem) = (volume.path().display(), volume.problem().unwrap_or_default());
            return Err(Error::new(ErrorKind::Io, operation).because(format_args!("{path}: {problem}")));
        }
        Ok(())
    }

    /// Of a bundle that must be trusted, nothing is decrypted that was not checked.
    fn prove_sealed(&self, content: &Content, operation: Operation) -> Result<()> {
        if !self.is_trusted() || self.key().is_none() {
            return Ok(());
        }
        for volume in content.at.iter().filter_map(|extent| self.volume(extent.volume)) {
            volume.prove().map_err(|reason| {
                let path = volume.path().display();
                Error::new(ErrorKind::Mismatch, operation).because(format_args!("{path}: {reason}"))
            })?;
        }
        Ok(())
    }

    /// Returns where content lies in files.
    fn pieces(&self, content: &Content) -> Vec<Piece> {
        let piece = |at: &crate::catalogue::Extent| {
            let path = self.volume(at.volume)?.path().to_owned();
            Some(Piece { path, offset: at.offset, size: at.size })
        };
        content.at.iter().filter_map(piece).collect()
    }

    /// Reads a manifest whose bytes have its digest, and are of the type that it is listed under.
    pub(crate) fn read_manifest(&self, digest: &Digest, media_type: &str) -> Result<Manifest> {
        let (mut manifest, differs) = self.read_listed(digest, media_type)?;
        if let Some(what) = differs {
            return Err(Error::new(ErrorKind::Invalid, Operation::FetchManifest).because(what));
        }
        media_type.clone_into(&mut manifest.descriptor.media_type);
        Ok(manifest)
    }

    /// The same, whatever it is listed under; says how it differs from that.
    pub(crate) fn read_listed(
        &self,
        digest: &Digest,
        media_type: &str,
    ) -> Result<(Manifest, Option<String>)> {
        let operation = Operation::FetchManifest;
        let content = self.content(digest).ok_or_else(|| Error::new(ErrorKind::NotFound, operation))?;
        if content.size > MANIFEST_LIMIT as u64 {
            return Err(Error::new(ErrorKind::Invalid, operation)
                .because(format_args!("it has {} bytes; more than 4 MiB is not read", content.size)));
        }
        let bytes = self.read_whole(content, operation)?;
        let actual = Digest::of(digest.algorithm(), &bytes);
        if actual != *digest {
            return Err(Error::new(ErrorKind::Mismatch, operation)
                .because(format_args!("{}: its bytes have the digest {actual}", self.place_of(content))));
        }
        let parsed = Manifest::parse_as(digest.algorithm(), Some(media_type), Bytes::from(bytes));
        let manifest = parsed.map_err(|error| Error::new(ErrorKind::Invalid, operation).because(error))?;
        let differs = differs(&manifest, media_type);
        Ok((manifest, differs))
    }

    /// Reads content that is small.
    fn read_whole(&self, content: &Content, operation: Operation) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if content.encoding.is_some() {
            return Err(Error::new(ErrorKind::Invalid, operation).because("a manifest is no delta"));
        }
        let stored = content.sealed.unwrap_or(content.size);
        if stored > MANIFEST_LIMIT as u64 + SEALED_ROOM {
            return Err(Error::new(ErrorKind::Invalid, operation)
                .because(format_args!("it takes {stored} bytes, which is too many for its size")));
        }
        let extents = self.extents(content, operation)?;
        extents.take(stored).read_to_end(&mut bytes).map_err(|error| Error::io(operation, error))?;
        let Some(key) = self.key() else { return Ok(bytes) };
        let path = self.place_of(content);
        key.open(Path::new(&path), &bytes, content.size)
            .map_err(|error| Error::new(ErrorKind::Mismatch, operation).because(error))
    }

    /// Names the file and the byte where content begins.
    fn place_of(&self, content: &Content) -> String {
        match self.pieces(content).first() {
            Some(Piece { path, offset, .. }) => format!("{} at byte {offset}", path.display()),
            None => self.path().display().to_string(),
        }
    }
}

/// Refuses an encoding that is not known.
fn check_known(content: &Content, operation: Operation) -> Result<()> {
    match content.encoding.as_ref().filter(|it| it.id != delta::ID) {
        Some(encoding) => Err(Error::new(ErrorKind::Unsupported, operation)
            .because(format_args!("its encoding {:?} is not known to this sealift", encoding.id))),
        None => Ok(()),
    }
}

/// Refuses an offset behind the end.
pub(crate) fn beyond(size: u64, offset: u64) -> Error {
    let reason = format_args!("it has {size} bytes and none at {offset}");
    Error::new(ErrorKind::Invalid, Operation::FetchBlob).because(reason)
}

/// Runs blocking work of a place.
pub(crate) async fn blocking<T: Send + 'static>(
    operation: Operation,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::new(ErrorKind::Io, operation).caused_by(error)))
}
