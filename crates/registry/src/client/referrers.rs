//! What is attached to a manifest ("Listing Referrers"), also at registries that do not know the question:
//! there the clients keep the list themselves, as an index under a tag that is made of the subject's digest
//! ("Referrers Tag Schema").

use bytes::Bytes;
use http::{Method, StatusCode};
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, Tag, media_type};
use sealift_store::{ErrorKind, Operation, PAGE_LIMIT, Page, PageRequest};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::fault::{Fault, Purpose};
use super::lists::{LIST_LIMIT, page_query, parse};
use super::repository::{Repository, found};
use super::request::{Reading, Request};
use crate::wire::header::{FILTER_ARTIFACT_TYPE, OCI_FILTERS_APPLIED};
use crate::wire::{ErrorBody, PageQuery, Route};

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
}

impl Repository {
    /// Lists the referrers of a subject. Only "404" means that the registry has no such list: any other
    /// refusal must not look like "nothing attached" to whoever looks for signatures.
    pub(super) async fn list_referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Descriptor>, Fault> {
        let purpose = self.blob_purpose(Operation::ListReferrers, subject);
        if self.connection.quirks().has_no_referrers {
            return self.referrers_by_tag(subject, artifact_type).await;
        }
        let request = self.referrers_request(subject, artifact_type, page, &purpose).await?;
        let answer = self.connection.send(&request).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => {
                // An error of the protocol may be about the repository; anything else is about the path.
                if ErrorBody::parse(&answer.bytes()).is_none() {
                    self.connection.learn(|quirks| quirks.has_no_referrers = true);
                }
                return self.referrers_by_tag(subject, artifact_type).await;
            }
            _ => return Err(self.connection.refusal(&request, &answer)),
        }
        let index: Index = parse(&answer, &purpose)?;
        let unfiltered = artifact_type.filter(|_| !is_filtered(&answer));
        let next = self.connection.next_page(&answer, &purpose).await?;
        Ok(Page { items: select(index, unfiltered), next })
    }

    async fn referrers_request(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &PageRequest,
        purpose: &Purpose,
    ) -> Result<Request, Fault> {
        // The specification has no size of a page here, so it is only sent where a small one is wanted.
        let limit = Some(page.limit).filter(|limit| *limit < PAGE_LIMIT);
        let route = Route::Referrers {
            repository: self.name.clone(),
            subject: *subject,
            artifact_type: artifact_type.map(str::to_owned),
            page: PageQuery { limit, ..page_query(page) },
        };
        let url = self.connection.page_url(&route, page, purpose).await?;
        Ok(Request::new(Method::GET, url, purpose)
            .scopes(&self.scopes)
            .accept(media_type::OCI_INDEX)
            .reading(Reading::Whole(LIST_LIMIT)))
    }

    async fn referrers_by_tag(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Page<Descriptor>, Fault> {
        let Some(tag) = referrers_tag(subject) else { return Ok(Page { items: Vec::new(), next: None }) };
        let index = found(self.fetch_manifest(&ManifestRef::Tag(tag), Operation::ListReferrers).await)?;
        let manifests = index.map(|index| index.links.manifests);
        Ok(Page { items: select(Index { manifests }, artifact_type), next: None })
    }

    /// Adds a manifest to the list under its subject's tag, because the registry does not ("Pushing
    /// Manifests with Subject"). Two clients that do so at the same time can lose an entry; the
    /// specification knows no better.
    pub(super) async fn list_by_tag(&self, subject: &Digest, manifest: &Manifest) -> Result<(), Fault> {
        let Some(tag) = referrers_tag(subject) else { return Ok(()) };
        let _turn = self.connection.referrers_turn.lock().await;
        let reference = ManifestRef::Tag(tag);
        let index = found(self.fetch_manifest(&reference, Operation::PushManifest).await)?;
        let Some(bytes) = with_entry(index.as_ref(), &manifest.descriptor) else { return Ok(()) };
        let purpose = self.purpose(Operation::PushManifest, &reference);
        let wrong = |error| {
            purpose.fault(ErrorKind::Invalid).because("the list of referrers is malformed").caused_by(error)
        };
        let index = Manifest::parse(Some(media_type::OCI_INDEX), bytes).map_err(wrong)?;
        Box::pin(self.put(&index, &reference)).await
    }
}

/// Adds an entry to an index, whose other entries stay as they are; `None` where it has that one already.
fn with_entry(index: Option<&Manifest>, entry: &Descriptor) -> Option<Bytes> {
    if index.is_some_and(|index| index.links.manifests.iter().any(|it| it.digest == entry.digest)) {
        return None;
    }
    let empty = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": []});
    let mut list: Value = match index {
        Some(index) => serde_json::from_slice(&index.bytes).ok()?,
        None => empty,
    };
    list.get_mut("manifests")?.as_array_mut()?.push(serde_json::to_value(entry).ok()?);
    serde_json::to_vec(&list).ok().map(Bytes::from)
}

/// The tag under which a subject's referrers are listed. The hash is cut to 64 characters, and a SHA-512
/// would not fit a tag otherwise.
fn referrers_tag(subject: &Digest) -> Option<Tag> {
    format!("{}-{:.64}", subject.algorithm().as_str(), subject.hex()).parse().ok()
}

fn is_filtered(answer: &Answer) -> bool {
    let applied = answer.header(&OCI_FILTERS_APPLIED).unwrap_or_default();
    applied.split(',').any(|filter| filter.trim() == FILTER_ARTIFACT_TYPE)
}

fn select(index: Index, artifact_type: Option<&str>) -> Vec<Descriptor> {
    let all = index.manifests.unwrap_or_default().into_iter();
    all.filter(|it| artifact_type.is_none_or(|wanted| it.artifact_type.as_deref() == Some(wanted))).collect()
}
