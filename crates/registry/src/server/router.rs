//! From a request to the file of its resource, and from what that returns to the response.

use std::convert::Infallible;
use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::access::{Record, Recorded};
use super::answer::Answer;
use super::connection::Connection;
use super::error::WireError;
use super::request::Call;
use super::resource::Resource;
use super::{
    auth, blobs, catalog, health, manifests, metrics, page, referrers, request, tags, tokens, uploads,
};
use crate::wire::header::{API_VERSION, DOCKER_DISTRIBUTION_API_VERSION};
use crate::wire::{ErrorCode, Route, RouteError};

/// Answers one request.
pub(super) async fn answer(
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<Recorded>, Infallible> {
    let mut record = Record::begin(Arc::clone(&connection), &request);
    let (mut response, error) = match run(&connection, request, &mut record).await {
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
async fn run(
    connection: &Connection,
    request: Request<Incoming>,
    record: &mut Record,
) -> Result<Answer, WireError> {
    if let Err(error) = request::check_head(&request, connection.shared.config.header_limit) {
        request::discard(request, connection);
        return Err(error);
    }
    let resource = Resource::parse(&request);
    record.set_resource(resource.label());
    if let Resource::Health(question) = resource {
        let answer = health::handle(&connection.shared, request.method(), question).await;
        request::discard(request, connection);
        return answer;
    }
    let admitted = match request::check_host(&request) {
        Ok(()) => auth::admit(&request, connection, resource.door()).await,
        Err(error) => Err(error),
    };
    let caller = match admitted {
        Ok(caller) => caller,
        Err(error) => {
            request::discard(request, connection);
            return Err(error);
        }
    };
    record.set_user(caller.user());
    let call = Call::new(request, connection, caller, record.received());
    let route = match resource {
        Resource::Metrics => return metrics::handle(&connection.shared, &call).await,
        Resource::Token => return tokens::handle(&call),
        Resource::Page(page) => {
            let call = call.showing(connection.shared.config.shown.as_ref());
            return page::handle(connection, &call, page).await;
        }
        Resource::Api(Ok(route)) => call.caller.check(&call.method, route)?,
        Resource::Api(Err(error)) => {
            call.caller.check_registry()?;
            return Err(refuse(&call.method, error));
        }
        Resource::Health(_) => return Err(WireError::internal("it was answered before")),
    };
    if call.method.is_safe() {
        return dispatch(route, call).await;
    }
    let write = tokio::spawn(dispatch(route, call));
    write.await.unwrap_or_else(|error| Err(WireError::internal(error)))
}

async fn dispatch(route: Route, call: Call) -> Result<Answer, WireError> {
    match route {
        Route::Ping => ping(&call),
        Route::Manifest { repository, reference } => {
            manifests::handle(call, repository, reference, Vec::new()).await
        }
        Route::TaggedManifest { repository, digest, tags } => {
            manifests::handle(call, repository, digest.into(), tags).await
        }
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
