//! Manifests: finding, reading and writing them ("Pulling manifests", "Pushing Manifests").

use bytes::Bytes;
use http::{Method, StatusCode, header};
use sealift_oci::{
    Algorithm, Descriptor, Digest, MANIFEST_LIMIT, Manifest, ManifestError, ManifestRef, Tag, media_type,
};
use sealift_store::{ErrorKind, Operation};

use super::answer::Answer;
use super::fault::{Fault, Purpose};
use super::repository::{Repository, found};
use super::request::{Reading, Request};
use super::status::plain;
use crate::wire::Route;
use crate::wire::header::{DOCKER_DISTRIBUTION_API_VERSION, OCI_SUBJECT};

/// The types of schema 1 begin so.
const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+";
/// The longest name of an encoding that is told, in characters.
const ENCODING_LIMIT: usize = 20;

impl Repository {
    /// Finds out what a reference means: by HEAD, or where its answer does not tell, by reading the
    /// manifest.
    pub(super) async fn describe_manifest(&self, reference: &ManifestRef) -> Result<Descriptor, Fault> {
        let purpose = self.purpose(Operation::Resolve, reference);
        let request = self.manifest_request(Method::HEAD, reference, &purpose).await?;
        let answer = self.connection.send(&request).await?;
        match answer.status.as_u16() {
            200 => {
                if let Some(descriptor) = described(&answer, reference, &purpose)? {
                    return Ok(descriptor);
                }
            }
            404 if comes_from_registry(&answer) => return Err(self.connection.refusal(&request, &answer)),
            // Some registries know no HEAD, or answer it with what is true of the path and not of the tag.
            400 | 404 | 405 | 406 | 501 => {}
            _ => return Err(self.connection.refusal(&request, &answer)),
        }
        self.fetch_manifest(reference, Operation::Resolve).await.map(|manifest| manifest.descriptor)
    }

    /// Reads a manifest and checks its digest against all that is known of it.
    pub(super) async fn fetch_manifest(
        &self,
        reference: &ManifestRef,
        operation: Operation,
    ) -> Result<Manifest, Fault> {
        let purpose = self.purpose(operation, reference);
        let request = self.manifest_request(Method::GET, reference, &purpose).await?;
        let request = request.reading(Reading::Whole(MANIFEST_LIMIT));
        match self.receive(&request, reference).await {
            // A line can flip a bit; the second time it is the registry.
            Err(fault) if fault.kind == ErrorKind::Mismatch => self.receive(&request, reference).await,
            received => received,
        }
    }

    async fn receive(&self, request: &Request, reference: &ManifestRef) -> Result<Manifest, Fault> {
        let answer = self.connection.expect(request, &[200]).await?;
        let read = read(&answer, reference, &request.purpose);
        // What is no manifest because it is packed is told so.
        let encoding = answer.header(&header::CONTENT_ENCODING).map(|it| plain(it, ENCODING_LIMIT));
        read.map_err(|fault| match encoding.filter(|it| !it.is_empty() && it != "identity") {
            Some(encoding) => fault.reworded(|reason| {
                format!("{reason}; it comes encoded by {encoding}, which nobody asked for")
            }),
            None => fault,
        })
    }

    async fn manifest_request(
        &self,
        method: Method,
        reference: &ManifestRef,
        purpose: &Purpose,
    ) -> Result<Request, Fault> {
        let route = Route::Manifest { repository: self.name.clone(), reference: reference.clone() };
        let url = self.connection.url(&route, purpose).await?;
        // One header with all types; Docker's registry reads several headers too, some proxies do not.
        let accepted = media_type::MANIFESTS.join(", ");
        Ok(Request::new(method, url, purpose).scopes(&self.scopes).accept(&accepted))
    }

    /// Writes a manifest under its tag, or else under its digest. A registry knows a tagged manifest by its
    /// SHA-256 digest, so one that is named by another digest is written under that first.
    pub(super) async fn push_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<(), Fault> {
        let digest = manifest.digest();
        if tag.is_none() || digest.algorithm() != Algorithm::Sha256 {
            self.put(manifest, &digest.into()).await?;
        }
        if let Some(tag) = tag {
            self.put_asking(manifest, &tag.clone().into(), Ask::Always).await?;
        }
        Ok(())
    }

    /// Writes a manifest under a digest, whose bytes the registry checks, or under a tag whose content is
    /// read afterwards.
    pub(super) async fn put(&self, manifest: &Manifest, reference: &ManifestRef) -> Result<(), Fault> {
        self.put_asking(manifest, reference, Ask::IfDoubtful).await
    }

    async fn put_asking(&self, manifest: &Manifest, reference: &ManifestRef, ask: Ask) -> Result<(), Fault> {
        let purpose = self.purpose(Operation::PushManifest, reference);
        let route = Route::Manifest { repository: self.name.clone(), reference: reference.clone() };
        let request = Request::new(Method::PUT, self.connection.url(&route, &purpose).await?, &purpose)
            .scopes(&self.scopes)
            .header(header::CONTENT_TYPE, &manifest.descriptor.media_type)
            .body(manifest.bytes.clone());
        let answer = match self.store(&request, manifest, reference, ask).await {
            Err(fault) if may_be_the_line(fault.kind) => {
                self.store(&request, manifest, reference, ask).await?
            }
            stored => stored?,
        };
        match &manifest.links.subject {
            Some(subject) if answer.header(&OCI_SUBJECT).is_none() => {
                self.list_by_tag(&subject.digest, manifest).await
            }
            _ => Ok(()),
        }
    }
}

impl Repository {
    /// Sends a manifest once, and makes sure that it is what was stored.
    async fn store(
        &self,
        request: &Request,
        manifest: &Manifest,
        reference: &ManifestRef,
        ask: Ask,
    ) -> Result<Answer, Fault> {
        let answer = self.connection.expect(request, &[200, 201, 202, 204]).await?;
        let stored = match (answer.digest(), ask) {
            (Some(told), _) => Some(told),
            // The protocol has 201; what else says yes may be a page of some proxy.
            (None, Ask::IfDoubtful) if answer.status == StatusCode::CREATED => return Ok(answer),
            (None, _) => found(self.describe_manifest(reference).await)?.map(|there| there.digest),
        };
        match stored {
            Some(stored) if stored == Digest::of(stored.algorithm(), &manifest.bytes) => Ok(answer),
            Some(stored) => Err(wrongly_stored(&stored, manifest, reference, &request.purpose)),
            None => Err(request
                .purpose
                .fault(ErrorKind::Invalid)
                .because("it says that it has stored it, and has not")),
        }
    }
}

/// When to ask what was stored, where the registry does not tell with its answer.
#[derive(Clone, Copy, Debug)]
enum Ask {
    /// Where its answer is another one than the protocol has.
    IfDoubtful,
    /// Always: under a tag anything is stored, also what became of a manifest on its way.
    Always,
}

/// Tells whether a manifest may have been changed on its way: what is no longer whole is refused for many
/// reasons. It is sent once more.
fn may_be_the_line(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Mismatch | ErrorKind::Invalid | ErrorKind::NotFound)
}

fn wrongly_stored(stored: &Digest, manifest: &Manifest, reference: &ManifestRef, purpose: &Purpose) -> Fault {
    match reference {
        ManifestRef::Digest(_) => mismatch(stored, &manifest.digest(), purpose),
        ManifestRef::Tag(_) => purpose.fault(ErrorKind::Mismatch).because(format_args!(
            "its bytes changed on the way: the tag is wrong now, it points at {stored} and not at {}",
            manifest.digest()
        )),
    }
}

/// Reads the descriptor in the headers of an answer to HEAD; `None` where they do not tell all of it.
fn described(
    answer: &Answer,
    reference: &ManifestRef,
    purpose: &Purpose,
) -> Result<Option<Descriptor>, Fault> {
    let content_type = answer.header(&header::CONTENT_TYPE).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.starts_with(SCHEMA_1) {
        return Err(unreadable(ManifestError::Schema1, purpose));
    }
    let digest = match (reference, answer.digest()) {
        (ManifestRef::Digest(named), Some(told))
            if named.algorithm() == told.algorithm() && *named != told =>
        {
            return Err(mismatch(&told, named, purpose));
        }
        (ManifestRef::Digest(named), _) => Some(*named),
        (ManifestRef::Tag(_), told) => told,
    };
    // A type that is not the kind's own, `text/plain` above all, says nothing.
    let is_told = media_type.starts_with("application/vnd.");
    Ok(match (digest, answer.content_length()) {
        (Some(digest), Some(size)) if is_told => Some(Descriptor::new(media_type, digest, size)),
        _ => None,
    })
}

/// An answer to HEAD has no body, so what a "404" is about can only be guessed from its headers.
fn comes_from_registry(answer: &Answer) -> bool {
    let content_type = answer.header(&header::CONTENT_TYPE).unwrap_or_default();
    content_type.contains("json") || answer.headers.contains_key(DOCKER_DISTRIBUTION_API_VERSION)
}

/// Reads a manifest and checks its digest against all that is known of it.
fn read(answer: &Answer, reference: &ManifestRef, purpose: &Purpose) -> Result<Manifest, Fault> {
    let bytes = answer.bytes();
    let named = match reference {
        ManifestRef::Digest(digest) => Some(*digest),
        ManifestRef::Tag(_) => None,
    };
    for expected in named.iter().chain(&answer.digest()) {
        check_digest(expected, &bytes, purpose)?;
    }
    let algorithm = named.or(answer.digest()).map_or(Algorithm::Sha256, |it| it.algorithm());
    let content_type = answer.header(&header::CONTENT_TYPE);
    Manifest::parse_as(algorithm, content_type, bytes).map_err(|error| unreadable(error, purpose))
}

fn check_digest(expected: &Digest, bytes: &Bytes, purpose: &Purpose) -> Result<(), Fault> {
    let actual = Digest::of(expected.algorithm(), bytes);
    if actual == *expected { Ok(()) } else { Err(mismatch(&actual, expected, purpose)) }
}

fn mismatch(actual: &Digest, expected: &Digest, purpose: &Purpose) -> Fault {
    let reason = format_args!("its bytes have the digest {actual}, not {expected}");
    purpose.fault(ErrorKind::Mismatch).because(reason)
}

fn unreadable(error: ManifestError, purpose: &Purpose) -> Fault {
    let kind = match error {
        ManifestError::Schema1 => ErrorKind::Unsupported,
        _ => ErrorKind::Invalid,
    };
    purpose.fault(kind).because(error)
}
