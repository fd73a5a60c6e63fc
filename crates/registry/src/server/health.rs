//! Whether the server lives, and whether it can do its work, for who restarts and who balances.

use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Method, StatusCode};
use sealift_store::{Error, ErrorKind, PageRequest};

use super::Shared;
use super::answer::Answer;
use super::error::WireError;

/// How long the store may take to show that it is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked of the server itself; nobody need say who they are for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// `/healthz`: does it answer?
    Alive,
    /// `/readyz`: can it read its store, and write it where it should?
    Ready,
}

impl Question {
    pub(super) fn parse(path: &str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Alive),
            "/readyz" => Some(Self::Ready),
            _ => None,
        }
    }
}

/// Answers in a word; what is wrong is for the log, not for everybody.
pub(super) async fn handle(
    shared: &Shared,
    method: &Method,
    question: Question,
) -> Result<Answer, WireError> {
    if ![Method::GET, Method::HEAD].contains(method) {
        return Err(WireError::method("GET, HEAD"));
    }
    let (status, word) = match question {
        Question::Alive => (StatusCode::OK, "alive\n"),
        Question::Ready => match tokio::time::timeout(PATIENCE, check(shared)).await {
            Ok(Ok(())) => (StatusCode::OK, "ready\n"),
            Ok(Err(error)) => return Err(not_ready(&error.to_string())),
            Err(_) => return Err(not_ready("the store does not answer")),
        },
    };
    let answer = Answer::new(status).header(CONTENT_TYPE, "text/plain; charset=utf-8")?;
    Ok(answer.header(CACHE_CONTROL, "no-store")?.bytes(word.into()))
}

async fn check(shared: &Shared) -> Result<(), Error> {
    shared.store.admin().repositories(&PageRequest { limit: 1, after: None }).await?;
    match &shared.config.keeper {
        Some(keeper) => keeper.check_writable().await.or_else(|error| match error.kind() {
            // It is not meant to be written then.
            ErrorKind::ReadOnly => Ok(()),
            _ => Err(error),
        }),
        None => Ok(()),
    }
}

fn not_ready(reason: &str) -> WireError {
    WireError::internal(reason).status(StatusCode::SERVICE_UNAVAILABLE)
}
