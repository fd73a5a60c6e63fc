//! Foreign layers: those that registries may lack because their publisher forbids copies. Only where the
//! user says so are they fetched from the addresses in the manifest. No credentials go there.

use std::error::Error as _;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use reqwest::header::RANGE;
use reqwest::{Certificate, Client, Response, StatusCode, Url};
use sealift_mirror::ForeignLayers;
use sealift_store::{BlobBody, Error, ErrorKind, Operation, Result, Side};

/// How long a publisher's server may keep silent.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Publishers send from one address to another once or twice.
const REDIRECTS: usize = 5;

/// Fetches layers from where their publisher keeps them.
#[derive(Debug)]
pub(crate) struct Publishers {
    client: Client,
}

impl Publishers {
    /// Trusts the system's authorities and those of `certificates`, which are PEM files.
    pub(crate) fn new(certificates: &[Vec<u8>]) -> Result<Self> {
        let mut trusted = Vec::new();
        for file in certificates {
            trusted.extend(Certificate::from_pem_bundle(file).map_err(unusable)?);
        }
        let client = Client::builder()
            .http1_only()
            .referer(false)
            .redirect(reqwest::redirect::Policy::limited(REDIRECTS))
            .user_agent(concat!("sealift/", env!("CARGO_PKG_VERSION")))
            .read_timeout(STALL_TIMEOUT)
            .tls_certs_merge(trusted)
            .build();
        Ok(Self { client: client.map_err(unusable)? })
    }
}

#[async_trait]
impl ForeignLayers for Publishers {
    async fn open(&self, url: &str, offset: u64) -> Result<BlobBody> {
        let at = Address::of(url)?;
        let mut request = self.client.get(at.url.clone());
        if offset > 0 {
            request = request.header(RANGE, format!("bytes={offset}-"));
        }
        let answer = request.send().await.map_err(|error| at.failure(error))?;
        let wanted = if offset > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        if answer.status() != wanted {
            return Err(at.refusal(&answer));
        }
        let length = answer.content_length();
        let stream = answer.bytes_stream().map_err(move |error| at.failure(error));
        Ok(BlobBody::from_stream(length, Box::pin(stream)))
    }
}

/// Where a layer is kept; messages name its host and path and never the query, which may be signed.
struct Address {
    url: Url,
}

impl Address {
    fn of(url: &str) -> Result<Self> {
        let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let malformed =
            || error(ErrorKind::Invalid).because("its publisher's address is no URL of http or https");
        Ok(Self { url: parsed.ok_or_else(malformed)? })
    }

    fn failure(&self, failure: reqwest::Error) -> Error {
        let error = self.error(ErrorKind::Unavailable);
        // The outermost error only repeats the URL.
        match failure.without_url().source() {
            Some(cause) => error.caused_by(cause.to_string()),
            None => error,
        }
    }

    fn refusal(&self, answer: &Response) -> Error {
        let kind = match answer.status() {
            StatusCode::NOT_FOUND | StatusCode::GONE => ErrorKind::NotFound,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Denied,
            StatusCode::TOO_MANY_REQUESTS => ErrorKind::Busy,
            status if status.is_server_error() => ErrorKind::Unavailable,
            _ => ErrorKind::Unsupported,
        };
        self.error(kind).because(format_args!("its publisher answers {}", answer.status()))
    }

    fn error(&self, kind: ErrorKind) -> Error {
        let host = self.url.host_str().unwrap_or_default();
        error(kind).at(host).object(self.url.path())
    }
}

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, Operation::FetchBlob).on(Side::Source)
}

fn unusable(failure: reqwest::Error) -> Error {
    Error::new(ErrorKind::Invalid, Operation::Connect)
        .because("the certificates cannot be used")
        .caused_by(failure)
}
