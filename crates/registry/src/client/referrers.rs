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

/// How often a list is merged anew when other clients write it at the same time.
const LIST_ROUNDS: usize = 8;

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
    /// Manifests with Subject"). The list is read again right before it is written, and once more behind
    /// that, so that what another client wrote meanwhile is merged. Between the second reading and the
    /// writing lies one round trip in which a write can still be lost: no registry writes a tag on a
    /// condition.
    pub(super) async fn list_by_tag(&self, subject: &Digest, manifest: &Manifest) -> Result<(), Fault> {
        let Some(tag) = referrers_tag(subject) else { return Ok(()) };
        let _turn = self.connection.referrers_turn.lock().await;
        let reference = ManifestRef::Tag(tag);
        let purpose = self.purpose(Operation::PushManifest, &reference);
        let mut list = self.read_list(&reference).await?;
        for _ in 0..LIST_ROUNDS {
            let Some(merged) = with_entry(list.as_ref(), &manifest.descriptor, &purpose)? else {
                return Ok(());
            };
            let now = self.read_list(&reference).await?;
            if now.as_ref().map(Manifest::digest) == list.as_ref().map(Manifest::digest) {
                Box::pin(self.put(&merged, &reference)).await?;
                list = self.read_list(&reference).await?;
            } else {
                list = now;
            }
        }
        Err(purpose.fault(ErrorKind::Busy).because("other clients keep writing this list of referrers"))
    }

    async fn read_list(&self, reference: &ManifestRef) -> Result<Option<Manifest>, Fault> {
        found(self.fetch_manifest(reference, Operation::PushManifest).await)
    }
}

/// Adds an entry to a list, whose other entries stay as they are; `None` where it has that one already.
fn with_entry(
    list: Option<&Manifest>,
    entry: &Descriptor,
    purpose: &Purpose,
) -> Result<Option<Manifest>, Fault> {
    let unusable = || {
        purpose
            .fault(ErrorKind::Invalid)
            .because("this tag is where the registry's clients list what is attached, and it holds no list")
    };
    if list.is_some_and(|list| list.links.manifests.iter().any(|it| it.digest == entry.digest)) {
        return Ok(None);
    }
    let empty = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": []});
    let mut merged: Value = match list {
        Some(list) => serde_json::from_slice(&list.bytes).map_err(|_| unusable())?,
        None => empty,
    };
    let entries = merged.get_mut("manifests").and_then(Value::as_array_mut).ok_or_else(unusable)?;
    entries.push(serde_json::to_value(entry).map_err(|_| unusable())?);
    let bytes = Bytes::from(serde_json::to_vec(&merged).map_err(|_| unusable())?);
    Manifest::parse(Some(media_type::OCI_INDEX), bytes).map(Some).map_err(|_| unusable())
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
