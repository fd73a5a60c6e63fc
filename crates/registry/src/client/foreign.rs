//! Layers that lie elsewhere: the addresses in a descriptor's `urls` (image specification, "Descriptors"),
//! which publishers use who forbid copies of a layer. The address is the registry's word like any other, so
//! the registry's own bounds hold for it: its guard, its proxies, its time limits.

use http::{Method, header};
use sealift_store::{BlobBody, Error, ErrorKind, Operation, Result};
use url::Url;

use super::auth::Authorization;
use super::blobs::ANY;
use super::connection::Connection;
use super::fault::{Fault, Purpose};
use super::redirect::is_web;
use super::request::{Reading, Request};
use super::retry::Repeat;
use super::transport::is_loopback;
use crate::wire::ByteRange;

impl Connection {
    /// Opens what lies at an address. Errors name its host and path, and never its query, which may be
    /// signed.
    pub(super) async fn fetch_url(&self, text: &str, offset: u64) -> Result<BlobBody> {
        let url = Url::parse(text).ok().filter(is_followed).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, Operation::FetchBlob)
                .at(self.place())
                .because("its publisher's address is no URL of https")
        })?;
        // Whether a private address is fine depends on the registry's own, which this finds out.
        self.endpoint().await.map_err(|fault| fault.at(self.place()))?;
        let (host, purpose) = (url.authority().to_owned(), Purpose::new(Operation::FetchBlob, url.path()));
        self.fetch_from(url, offset, purpose).await.map_err(|fault| fault.at(&host))
    }

    async fn fetch_from(&self, url: Url, offset: u64, purpose: Purpose) -> Result<BlobBody, Fault> {
        let request = Request::new(Method::GET, url, &purpose).accept(ANY).sensitive();
        let mut request = request.reading(Reading::Stream).repeat(Repeat::Never);
        if offset > 0 {
            let range = ByteRange::From { first: offset, last: None };
            request = request.header(header::RANGE, &range.to_string());
        }
        let answer = self.exchange(&request, &Authorization::None).await?;
        match answer.status.as_u16() {
            200 => self.blob_body(answer, offset, purpose),
            206 if offset > 0 => self.blob_body(answer, offset, purpose),
            _ => {
                let mut fault = self.refusal(&request, &answer);
                // There are no credentials that could be put right.
                if fault.kind == ErrorKind::Unauthenticated {
                    fault.kind = ErrorKind::Denied;
                }
                Err(fault.prefixed("its publisher refuses: "))
            }
        }
    }
}

/// On this machine alone nobody listens in on plain HTTP.
fn is_followed(url: &Url) -> bool {
    is_web(url) && (url.scheme() == "https" || is_loopback(url))
}
