//! Beginning an upload, or getting around one: the POST that opens it, the mount that makes it needless, and
//! the way back to one that broke off ("Pushing blobs"). What is sent into it is [`super::upload_session`]'s.
//!
//! The address of an upload is the registry's word. It may be relative or absolute, it carries signed
//! state, and each answer may change it.

use http::{Method, StatusCode, header};
use sealift_oci::{Digest, RepositoryName};
use sealift_store::{ErrorKind, LinkOutcome, Operation, Upload, UploadId};
use url::Url;

use super::answer::Answer;
use super::auth::Scopes;
use super::endpoint::Located;
use super::fault::{Fault, Purpose};
use super::redirect::is_web;
use super::repository::Repository;
use super::request::Request;
use super::retry::Repeat;
use super::upload_session::RemoteUpload;
use crate::wire::{ErrorBody, ErrorCode, Route, UploadStart};

impl Repository {
    /// Asks for a blob to be linked from another repository, or to be found in this one ("Mounting a blob
    /// from another repository"). Whatever else a registry answers means: upload it.
    pub(super) async fn mount(&self, digest: &Digest, from: &RepositoryName) -> Result<LinkOutcome, Fault> {
        if self.connection.quirks().breaks_at_mounts() {
            return Ok(LinkOutcome::Refused);
        }
        let purpose = self.blob_purpose(Operation::MountBlob, digest);
        let start = UploadStart { mount: Some(*digest), from: Some(from.clone()), ..UploadStart::default() };
        // A failure is no reason to wait for a better answer: there is another way.
        let request = self.start_request(start, &purpose).await?.repeat(Repeat::IfWithoutEffect);
        let answer = self.send_mount(&request, from).await;
        let is_failure = answer.as_ref().map_or(true, |answer| answer.status.is_server_error());
        self.connection.learn(|quirks| quirks.mounted(is_failure));
        // What keeps it from being answered shows again where it matters.
        let Ok(answer) = answer else { return Ok(LinkOutcome::Refused) };
        match answer.status {
            StatusCode::CREATED if answer.digest().is_none_or(|told| told == *digest) => {
                Ok(LinkOutcome::Linked)
            }
            StatusCode::ACCEPTED => {
                let upload = self.opened(&answer, &self.own_purpose(Operation::PushBlob)).await;
                Ok(upload.map_or(LinkOutcome::Refused, |upload| LinkOutcome::Upload(upload)))
            }
            StatusCode::TOO_MANY_REQUESTS => Err(self.connection.refusal(&request, &answer)),
            _ => Ok(LinkOutcome::Refused),
        }
    }

    /// Some registries want a token that allows reading the other repository, and some token services give
    /// none at all where that is not allowed (buildkit issue 2454): then it goes without.
    async fn send_mount(&self, request: &Request, from: &RepositoryName) -> Result<Answer, Fault> {
        if *from != self.name {
            let both = self.scopes.clone().and(&Scopes::pull(from));
            match self.connection.send(&request.clone().scopes(&both)).await {
                Err(fault) if matches!(fault.kind, ErrorKind::Unauthenticated | ErrorKind::Denied) => {}
                other => return other,
            }
        }
        self.connection.send(request).await
    }

    /// Opens an upload. Sent twice it opens two, of which one is forgotten.
    pub(super) async fn start_upload(&self) -> Result<Box<dyn Upload>, Fault> {
        let purpose = self.own_purpose(Operation::PushBlob);
        let request = self.start_request(UploadStart::default(), &purpose).await?;
        let answer = self.connection.expect(&request, &[202]).await?;
        self.opened(&answer, &purpose).await.map(|upload| upload as Box<dyn Upload>)
    }

    async fn start_request(&self, start: UploadStart, purpose: &Purpose) -> Result<Request, Fault> {
        let route = Route::Uploads { repository: self.name.clone(), start };
        let url = self.connection.url(&route, purpose).await?;
        Ok(Request::new(Method::POST, url, purpose).scopes(&self.scopes))
    }

    async fn opened(&self, answer: &Answer, purpose: &Purpose) -> Result<Box<RemoteUpload>, Fault> {
        let silent = || purpose.fault(ErrorKind::Invalid).because("it does not tell where to upload to");
        let location = self.upload_location(answer, purpose).await?.ok_or_else(silent)?;
        self.connection.learn(|quirks| quirks.hear(answer));
        RemoteUpload::new(self, location, purpose).map(Box::new)
    }

    /// Reads the address that an answer gives the upload from now on.
    pub(super) async fn upload_location(
        &self,
        answer: &Answer,
        purpose: &Purpose,
    ) -> Result<Option<Located>, Fault> {
        let Some(reference) = answer.header(&header::LOCATION) else { return Ok(None) };
        let endpoint = self.connection.endpoint().await?;
        let wrong = || purpose.fault(ErrorKind::Invalid).because("it names no usable address to upload to");
        endpoint.locate(&answer.url, reference).map(Some).ok_or_else(wrong)
    }

    /// Goes on with an upload.
    pub(super) async fn find_upload(&self, id: &UploadId) -> Result<Box<dyn Upload>, Fault> {
        let purpose = self.own_purpose(Operation::PushBlob);
        let unknown =
            || purpose.fault(ErrorKind::NotFound).because("no upload of this repository has that name");
        let location = self.locate_upload(id).await?.ok_or_else(unknown)?;
        if self.connection.quirks().has_stuck_ranges {
            let reason = "it does not tell how much it has of an upload";
            return Err(purpose.fault(ErrorKind::NotFound).because(reason));
        }
        let mut upload = RemoteUpload::new(self, location, &purpose)?;
        let request = upload.request(Method::GET, &purpose);
        let answer = self.connection.send(&request).await?;
        match answer.status.as_u16() {
            200 | 202 | 204 => {}
            // Docker's registry gives up an upload whose state does not fit what it has.
            400 | 416 if is_given_up(&answer) => return Err(unknown()),
            _ => return Err(self.connection.refusal(&request, &answer)),
        }
        upload.resume(&answer, &purpose).await?;
        Ok(Box::new(upload))
    }

    /// An upload's name is its address: path and query at the registry, the whole of it elsewhere.
    async fn locate_upload(&self, id: &UploadId) -> Result<Option<Located>, Fault> {
        let endpoint = self.connection.endpoint().await?;
        let text = id.as_str();
        if !text.starts_with('/') {
            let url = Url::parse(text).ok().filter(is_web);
            return Ok(url.and_then(|url| endpoint.locate(endpoint.base(), url.as_str())));
        }
        let located = endpoint.locate(endpoint.base(), text);
        Ok(located.filter(|it| !self.is_elsewhere(it.url())))
    }

    /// Tells whether an address has the protocol's form and names another repository.
    fn is_elsewhere(&self, url: &Url) -> bool {
        let other = Route::parse(url.path(), None).ok().and_then(|route| route.repository().cloned());
        other.is_some_and(|other| other != self.name)
    }
}

fn is_given_up(answer: &Answer) -> bool {
    let body = ErrorBody::parse(&answer.bytes());
    let code = body.and_then(|body| body.errors.into_iter().next()).map(|error| error.code);
    matches!(code, Some(ErrorCode::BlobUploadInvalid | ErrorCode::RangeInvalid))
}
