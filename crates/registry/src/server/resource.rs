//! What a request is about: the registry, or what stands beside it.

use http::Request;

use super::auth::Door;
use super::health::Question;
use super::page::Page;
use super::tokens;
use crate::wire::{Route, RouteError};

/// What a path and query name.
#[derive(Debug)]
pub(super) enum Resource {
    /// Whether the server lives.
    Health(Question),
    /// `/metrics`
    Metrics,
    /// `/token`
    Token,
    /// Something for people.
    Page(Page),
    /// An endpoint of the registry, or a path that none has.
    Api(Result<Route, RouteError>),
}

impl Resource {
    pub(super) fn parse<B>(request: &Request<B>) -> Self {
        let uri = request.uri();
        if let Some(question) = Question::parse(uri.path()) {
            return Self::Health(question);
        }
        if uri.path() == "/metrics" {
            return Self::Metrics;
        }
        if uri.path() == tokens::PATH {
            return Self::Token;
        }
        match Page::parse(request) {
            Some(page) => Self::Page(page),
            None => Self::Api(Route::parse(uri.path(), uri.query())),
        }
    }

    /// Returns by which way it is come to.
    pub(super) fn door(&self) -> Door {
        match self {
            Self::Api(_) => Door::Api,
            Self::Health(_) | Self::Metrics | Self::Token | Self::Page(_) => Door::People,
        }
    }

    /// Names it in a word, for who counts requests.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Health(_) => "health",
            Self::Metrics => "metrics",
            Self::Token => "token",
            Self::Page(_) => "page",
            Self::Api(Ok(route)) => label(route),
            Self::Api(Err(_)) => "none",
        }
    }
}

fn label(route: &Route) -> &'static str {
    match route {
        Route::Ping => "ping",
        Route::Manifest { .. } | Route::TaggedManifest { .. } => "manifest",
        Route::Blob { .. } => "blob",
        Route::Uploads { .. } | Route::Upload { .. } => "upload",
        Route::Tags { .. } => "tags",
        Route::Referrers { .. } => "referrers",
        Route::Catalog { .. } => "catalog",
    }
}
