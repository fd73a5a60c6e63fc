//! Why something failed, as the client's own modules say it to each other. It becomes a
//! [`sealift_store::Error`] where it leaves the client.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sealift_store::{Error, ErrorKind, Operation};
use url::{Position, Url};

/// What a request is for; it stands in every error.
#[derive(Clone, Debug)]
pub(super) struct Purpose {
    pub(super) operation: Operation,
    pub(super) object: Option<String>,
    /// The host that is asked, where it is not the place that the error names.
    host: Option<String>,
}

impl Purpose {
    pub(super) fn new(operation: Operation, object: impl fmt::Display) -> Self {
        Self { operation, object: Some(object.to_string()), host: None }
    }

    pub(super) fn of(operation: Operation) -> Self {
        Self { operation, object: None, host: None }
    }

    /// Is for a request to another host than the one that is wanted, because that one leads there. Nothing but
    /// the host and its port is told: the rest of a URL may be signed.
    pub(super) fn led_to(&self, url: &Url) -> Self {
        let host = url[Position::BeforeHost..Position::AfterPort].to_owned();
        Self { host: Some(host), ..self.clone() }
    }

    /// Is about the place that is wanted, whoever was asked.
    pub(super) fn of_place(&self) -> Self {
        Self { host: None, ..self.clone() }
    }

    /// Starts an error of this purpose.
    pub(super) fn fault(&self, kind: ErrorKind) -> Fault {
        Fault { kind, purpose: self.clone(), reason: None, cause: None, wait: None, without_effect: false }
    }
}

/// An error that can be shared: who waits for the same token fails for the same reason.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) kind: ErrorKind,
    purpose: Purpose,
    reason: Option<String>,
    cause: Option<Arc<dyn StdError + Send + Sync>>,
    pub(super) wait: Option<Duration>,
    /// Whether it is certain that the peer has done nothing.
    pub(super) without_effect: bool,
}

impl Fault {
    pub(super) fn because(mut self, reason: impl fmt::Display) -> Self {
        self.reason = Some(reason.to_string());
        self
    }

    /// Returns the words of the reason.
    pub(super) fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }

    /// Changes the words of the reason.
    pub(super) fn reworded(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.reason = self.reason.map(|reason| change(&reason));
        self
    }

    /// Makes it one after which trying again helps, and adds words to the reason that say so.
    pub(super) fn passing(mut self, words: &str) -> Self {
        self.kind = ErrorKind::Unavailable;
        self.reworded(|reason| format!("{reason}{words}"))
    }

    /// Puts words in front of the reason.
    pub(super) fn prefixed(self, words: impl fmt::Display) -> Self {
        let reason = format!("{words}{}", self.reason.as_deref().unwrap_or_default());
        self.because(reason)
    }

    pub(super) fn caused_by(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    pub(super) fn wait(mut self, wait: Option<Duration>) -> Self {
        self.wait = wait;
        self
    }

    pub(super) fn without_effect(mut self, is_certain: bool) -> Self {
        self.without_effect = is_certain;
        self
    }

    pub(super) fn cause(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }

    /// Names the registry and gives the error away.
    pub(super) fn at(self, place: &str) -> Error {
        let host = self.purpose.host.filter(|host| host != place);
        let mut error = Error::new(self.kind, self.purpose.operation).at(place).led_to(host);
        error = error.retry_after(self.wait);
        if let Some(object) = self.purpose.object {
            error = error.object(object);
        }
        if let Some(reason) = self.reason {
            error = error.because(reason);
        }
        match self.cause {
            Some(cause) => error.caused_by(cause),
            None => error,
        }
    }
}
