//! The requests that the suite makes, and what it looks for in every answer.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use reqwest::header::HeaderMap;
use reqwest::{Body, Client, Method, RequestBuilder};
use sealift_oci::Digest;
use serde_json::Value;

use crate::data::Manifest;

/// The codes of the specification ("Error Codes").
const CODES: [&str; 14] = [
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
];

#[derive(Debug)]
pub(crate) struct Api {
    client: Client,
    base: String,
}

/// One repository of the registry.
#[derive(Debug)]
pub(crate) struct Repository<'a> {
    pub(crate) api: &'a Api,
    pub(crate) name: String,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Api {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { client: Client::builder().no_proxy().build().unwrap(), base: format!("http://{address}") }
    }

    /// A location is relative to the registry or a whole URL.
    pub(crate) fn request(&self, method: Method, location: &str) -> RequestBuilder {
        let url =
            if location.starts_with('/') { format!("{}{location}", self.base) } else { location.to_owned() };
        self.client.request(method, url)
    }

    pub(crate) async fn ask(&self, method: Method, location: &str) -> Answer {
        send(self.request(method, location)).await
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.bytes().await.unwrap() }
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        if status >= 400 && !self.body.is_empty() {
            let errors = self.json();
            let code = errors["errors"][0]["code"].as_str().unwrap_or_default();
            assert!(CODES.contains(&code), "{self:?}");
        }
        self
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The location leads to what was pushed, and subjects are acknowledged.
    pub(crate) async fn assert_created(&self, repository: &Repository<'_>, manifest: &Manifest) {
        assert_eq!(self.status, 201, "{self:?}");
        assert_eq!(self.header("docker-content-digest"), manifest.digest.to_string());
        let subject = manifest.subject.map(|subject| subject.to_string());
        assert_eq!(self.header("oci-subject"), subject.unwrap_or_default());
        let got = repository.api.ask(Method::GET, self.header("location")).await;
        assert_eq!((got.status, &got.body), (200, &manifest.bytes));
        assert_eq!(got.header("content-type"), manifest.media_type);
    }
}

impl Repository<'_> {
    fn target(&self, rest: &str) -> String {
        format!("/v2/{}/{rest}", self.name)
    }

    pub(crate) async fn get(&self, rest: &str) -> Answer {
        self.api.ask(Method::GET, &self.target(rest)).await
    }

    pub(crate) async fn head(&self, rest: &str) -> Answer {
        self.api.ask(Method::HEAD, &self.target(rest)).await
    }

    pub(crate) async fn delete(&self, rest: &str) -> Answer {
        self.api.ask(Method::DELETE, &self.target(rest)).await
    }

    pub(crate) async fn put(&self, rest: &str, body: &Bytes) -> Answer {
        send(self.api.request(Method::PUT, &self.target(rest)).body(body.clone())).await
    }

    pub(crate) async fn put_manifest(&self, rest: &str, manifest: &Manifest) -> Answer {
        let request = self.api.request(Method::PUT, &self.target(rest));
        // The suite does not say how long a manifest is.
        let bytes = manifest.bytes.clone();
        let body = Body::wrap_stream(stream::once(async { Ok::<_, std::io::Error>(bytes) }).boxed());
        send(request.header("content-type", &manifest.media_type).body(body)).await
    }

    pub(crate) async fn get_part(&self, digest: &Digest, range: &str) -> Answer {
        let target = self.target(&format!("blobs/{digest}"));
        send(self.api.request(Method::GET, &target).header("range", range)).await
    }

    /// Begins an upload and returns its location and how small chunks should not be.
    pub(crate) async fn begin(&self, query: &str) -> (Answer, String) {
        let target = self.target(&format!("blobs/uploads/{query}"));
        let begun = send(self.api.request(Method::POST, &target).header("content-length", 0)).await;
        let location = begun.header("location").to_owned();
        assert!(!location.is_empty(), "{begun:?}");
        (begun, location)
    }

    /// "post+put", which every set is pushed with.
    pub(crate) async fn push_blob(&self, digest: &Digest, content: &Bytes) {
        let (begun, location) = self.begin("").await;
        begun.expect(202);
        let put = self.finish(&location, digest, content.clone().into(), None).await;
        self.assert_pushed(&put, digest, content).await;
    }

    pub(crate) async fn finish(
        &self,
        location: &str,
        digest: &Digest,
        body: Body,
        range: Option<&str>,
    ) -> Answer {
        let mark = if location.contains('?') { '&' } else { '?' };
        let mut request =
            self.api.request(Method::PUT, &format!("{location}{mark}digest={digest}")).body(body);
        request = request.header("content-type", "application/octet-stream");
        send(match range {
            Some(range) => request.header("content-range", range),
            None => request,
        })
        .await
    }

    pub(crate) async fn assert_pushed(&self, answer: &Answer, digest: &Digest, content: &Bytes) {
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.header("docker-content-digest"), digest.to_string());
        let got = self.api.ask(Method::GET, answer.header("location")).await;
        assert_eq!((got.status, &got.body), (200, content));
    }

    /// `blob-head` and `blob-get`.
    pub(crate) async fn assert_blob(&self, digest: &Digest, content: &Bytes) {
        let target = format!("blobs/{digest}");
        for (answer, body) in [(self.head(&target).await, &Bytes::new()), (self.get(&target).await, content)]
        {
            assert_eq!((answer.status, &answer.body), (200, body), "{target}");
            assert_eq!(answer.header("content-length"), content.len().to_string());
            assert_eq!(answer.header("docker-content-digest"), digest.to_string());
        }
    }

    /// `manifest-head` and `manifest-get`, by tag or digest.
    pub(crate) async fn assert_manifest(&self, reference: &str, digest: Digest, bytes: &Bytes) -> Answer {
        let target = format!("manifests/{reference}");
        let (head, get) = (self.head(&target).await, self.get(&target).await);
        for (answer, body) in [(&head, &Bytes::new()), (&get, bytes)] {
            assert_eq!((answer.status, &answer.body), (200, body), "{target}");
            assert_eq!(answer.header("content-length"), bytes.len().to_string());
            assert_eq!(answer.header("docker-content-digest"), digest.to_string());
        }
        assert_eq!(head.header("content-type"), get.header("content-type"));
        get
    }

    pub(crate) async fn tags(&self, query: &str) -> Vec<String> {
        let list = self.get(&format!("tags/list{query}")).await.expect(200).json();
        assert_eq!(list["name"], self.name);
        serde_json::from_value(list["tags"].clone()).unwrap()
    }

    /// The suite compares type, digest, size, artifact type and annotations.
    pub(crate) async fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Vec<Value> {
        let query = artifact_type.map(|wanted| format!("?artifactType={wanted}")).unwrap_or_default();
        let answer = self.get(&format!("referrers/{subject}{query}")).await.expect(200);
        assert_eq!(answer.header("content-type"), sealift_oci::media_type::OCI_INDEX);
        let applied = if artifact_type.is_some() { "artifactType" } else { "" };
        assert_eq!(answer.header("oci-filters-applied"), applied);
        let list = answer.json();
        assert_eq!(list["mediaType"], sealift_oci::media_type::OCI_INDEX);
        assert_eq!(list["schemaVersion"], 2);
        list["manifests"].as_array().unwrap().clone()
    }
}
