//! From a request to the file of its resource, and from what that returns to the response.

use std::convert::Infallible;
use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::access::{Record, Recorded};
use super::answer::Answer;
use super::error::WireError;
use super::request::Call;
use super::{Shared, blobs, catalog, manifests, referrers, tags, uploads};
use crate::wire::header::{API_VERSION, DOCKER_DISTRIBUTION_API_VERSION};
use crate::wire::{ErrorCode, Route, RouteError};

/// Answers one request.
pub(super) async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Recorded>, Infallible> {
    let record = Record::begin(request.method(), request.uri().path(), shared.config.access.clone());
    let (mut response, error) = match run(&shared, request).await {
        Ok(answer) => (answer.into_response(), None),
        Err(error) => {
            let (response, line) = error.into_answer();
            (response, Some(line))
        }
    };
    let version = HeaderValue::from_static(API_VERSION);
    response.headers_mut().insert(DOCKER_DISTRIBUTION_API_VERSION, version);
    Ok(record.attach(response, error))
}

/// A client that leaves takes the future of its request with it. A write goes on in a task of its own, so
/// that the store takes everything that has arrived and ends in order; the body ends with the connection.
async fn run(shared: &Shared, request: Request<Incoming>) -> Result<Answer, WireError> {
    let route = Route::parse(request.uri().path(), request.uri().query());
    let call = Call::new(request, Arc::clone(&shared.store), shared.config.stall_timeout);
    let route = route.map_err(|error| refuse(&call.method, error))?;
    if call.method.is_safe() {
        return dispatch(route, call).await;
    }
    let write = tokio::spawn(dispatch(route, call));
    write.await.unwrap_or_else(|error| Err(WireError::internal(error)))
}

async fn dispatch(route: Route, call: Call) -> Result<Answer, WireError> {
    match route {
        Route::Ping => ping(&call),
        Route::Manifest { repository, reference } => manifests::handle(call, repository, reference).await,
        Route::Blob { repository, digest } => blobs::handle(&call, &repository, &digest).await,
        Route::Uploads { repository, start } => uploads::start(call, repository, start).await,
        Route::Upload { repository, id, digest } => uploads::handle(call, repository, id, digest).await,
        Route::Tags { repository, page } => tags::list(&call, repository, page).await,
        Route::Referrers { repository, subject, artifact_type, page } => {
            let wanted = referrers::Wanted { repository, subject, artifact_type };
            referrers::list(&call, wanted, page).await
        }
        Route::Catalog { page } => catalog::list(&call, page).await,
    }
}

/// A tag that cannot be is a tag that is not there, to who reads.
fn refuse(method: &Method, error: RouteError) -> WireError {
    match error {
        RouteError::Tag if method.is_safe() => WireError::new(ErrorCode::ManifestUnknown),
        _ => error.into(),
    }
}

/// "Determining Support": whoever asks here wants to know whether this is a registry at all.
fn ping(call: &Call) -> Result<Answer, WireError> {
    match call.method {
        Method::GET | Method::HEAD => Answer::new(StatusCode::OK).json(&serde_json::Map::new()),
        _ => Err(WireError::method("GET, HEAD")),
    }
}
