//! What is attached to a manifest ("Listing Referrers"), also at registries that do not know the question:
//! there the clients keep the list themselves, as an index under a tag that is made of the subject's digest
//! ("Referrers Tag Schema").

use bytes::Bytes;
use http::{Method, header};
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, media_type, referrers_tag};
use sealift_store::{ErrorKind, Operation, PAGE_LIMIT, Page, PageRequest};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::fault::{Fault, Purpose};
use super::lists::{LIST_LIMIT, page_query, parse};
use super::redirect::RedirectError;
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

/// What comes of the question for referrers.
enum Heard {
    /// The list, or a page of it.
    List(Box<(Index, Answer)>),
    /// The registry does not know the question; `for_certain` where it would say so of every subject.
    NoApi { for_certain: bool },
}

impl Repository {
    /// Lists the referrers of a subject. What shows that the registry does not know the question leads on to
    /// the list under the tag; a refusal for another reason must not look like "nothing attached" to whoever
    /// looks for signatures.
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
        match self.ask_for_referrers(&request).await? {
            Heard::List(heard) => {
                let (index, answer) = *heard;
                let unfiltered = artifact_type.filter(|_| !is_filtered(&answer));
                let next = self.connection.next_page(&answer, &purpose).await?;
                Ok(Page { items: select(index, unfiltered), next })
            }
            // Who has given a page knows the question.
            Heard::NoApi { .. } if page.after.is_some() => {
                Err(purpose.fault(ErrorKind::Invalid).because("the list breaks off"))
            }
            Heard::NoApi { for_certain } => {
                if !for_certain {
                    return self.referrers_by_tag(subject, artifact_type).await;
                }
                self.connection.learn(|quirks| quirks.has_no_referrers = true);
                // Who has the list of tags need not ask for a tag that is not there.
                let next = referrers_tag(subject).map(|tag| tag.to_string());
                Ok(Page { items: Vec::new(), next })
            }
        }
    }

    async fn ask_for_referrers(&self, request: &Request) -> Result<Heard, Fault> {
        let answer = match self.connection.send(request).await {
            // What is redirected to nowhere is a path that nobody serves.
            Err(fault) if fault.cause().is_some_and(|cause| cause.is::<RedirectError>()) => {
                return Ok(Heard::NoApi { for_certain: true });
            }
            answer => answer?,
        };
        match answer.status.as_u16() {
            200 => hear(answer, &request.purpose),
            // An error of the protocol may be about the repository; anything else is about the path.
            400 | 404 | 406 => Ok(Heard::NoApi { for_certain: ErrorBody::parse(&answer.bytes()).is_none() }),
            405 | 501 => Ok(Heard::NoApi { for_certain: true }),
            _ => Err(self.connection.refusal(request, &answer)),
        }
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
        let mut page = Page { items: Vec::new(), next: None };
        let Some(tag) = referrers_tag(subject) else { return Ok(page) };
        let reference = ManifestRef::Tag(tag.clone());
        let index = found(self.fetch_manifest(&reference, Operation::ListReferrers).await)?;
        // An image can have this tag; what belongs to it is not attached to it.
        if let Some(index) = index.filter(|index| index.is_referrers_list(&tag)) {
            page.items = select(Index { manifests: Some(index.links.manifests) }, artifact_type);
        }
        Ok(page)
    }

    /// Adds a manifest to the list under its subject's tag, because the registry does not ("Pushing
    /// Manifests with Subject"). The list is read again right before it is written, and once more behind
    /// that, so that what another client wrote meanwhile is merged. Between the second reading and the
    /// writing lies one round trip in which a write can still be lost: no registry writes a tag on a
    /// condition.
    pub(super) async fn list_by_tag(&self, subject: &Digest, manifest: &Manifest) -> Result<(), Fault> {
        let Some(tag) = referrers_tag(subject) else { return Ok(()) };
        let _turn = self.connection.referrers_turn.lock().await;
        let reference = ManifestRef::Tag(tag.clone());
        let purpose = self.purpose(Operation::PushManifest, &reference);
        let mut list = self.read_list(&reference).await?;
        for _ in 0..LIST_ROUNDS {
            if list.as_ref().is_some_and(|list| !list.is_referrers_list(&tag)) {
                return Err(no_list(&purpose));
            }
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
    let unusable = || no_list(purpose);
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

fn no_list(purpose: &Purpose) -> Fault {
    purpose
        .fault(ErrorKind::Invalid)
        .because("this tag is where the registry's clients list what is attached, and it holds no list")
}

/// Reads a list. Registries that know the question name the type of an index; from others, which may answer
/// every path with a page, only what has entries is taken for a list.
fn hear(answer: Answer, purpose: &Purpose) -> Result<Heard, Fault> {
    let content_type = answer.header(&header::CONTENT_TYPE).unwrap_or_default();
    let is_index = content_type.split(';').next().unwrap_or_default().trim() == media_type::OCI_INDEX;
    match parse::<Index>(&answer, purpose) {
        Ok(index) if is_index || index.manifests.as_ref().is_some_and(|it| !it.is_empty()) => {
            Ok(Heard::List(Box::new((index, answer))))
        }
        Ok(_) => Ok(Heard::NoApi { for_certain: false }),
        Err(fault) if is_index => Err(fault),
        Err(_) => Ok(Heard::NoApi { for_certain: true }),
    }
}

fn is_filtered(answer: &Answer) -> bool {
    let applied = answer.header(&OCI_FILTERS_APPLIED).unwrap_or_default();
    applied.split(',').any(|filter| filter.trim() == FILTER_ARTIFACT_TYPE)
}

fn select(index: Index, artifact_type: Option<&str>) -> Vec<Descriptor> {
    let all = index.manifests.unwrap_or_default().into_iter();
    all.filter(|it| artifact_type.is_none_or(|wanted| it.artifact_type.as_deref() == Some(wanted))).collect()
}
