//! Who is let in, and what they may touch while they are.

use std::sync::Arc;

use http::{HeaderValue, Method, Request};
use sealift_oci::RepositoryName;

use super::{Auth, Bearer, Door, Issued, Right, unauthorized};
use crate::server::connection::Connection;
use crate::server::error::WireError;
use crate::wire::{ErrorCode, Route, UploadStart};

/// Who asks. It knows what they may do; lists are filtered by it.
#[derive(Clone, Debug)]
pub(in crate::server) struct Caller {
    /// Whom the caller has shown to be; with a token that can be nobody in particular.
    shown: Option<Bearer>,
    /// Without it everybody may do everything.
    guard: Option<Guard>,
}

#[derive(Clone, Debug)]
struct Guard {
    auth: Arc<Auth>,
    /// What the caller is asked for who may not.
    challenge: HeaderValue,
}

/// Finds out who asks.
pub(in crate::server) async fn admit<B>(
    request: &Request<B>,
    connection: &Connection,
    door: Door,
) -> Result<Caller, WireError> {
    let Some(auth) = connection.shared.config.auth.clone() else {
        return Ok(Caller { shown: None, guard: None });
    };
    let challenge = auth.challenge(request, connection.is_secure, door);
    let shown = auth.who(request.headers(), connection.address(), &challenge).await?;
    Ok(Caller { shown, guard: Some(Guard { auth, challenge }) })
}

impl Caller {
    /// Returns the name of the user, where it is one.
    pub(in crate::server) fn user(&self) -> Option<&str> {
        self.shown.as_ref()?.0.as_deref()
    }

    /// Tells whether the caller has a right.
    pub(in crate::server) fn may(&self, right: Right, repository: &RepositoryName) -> bool {
        let guard = self.guard.as_ref();
        guard.is_none_or(|guard| guard.auth.rights.allow(self.user(), right, repository))
    }

    /// Refuses a route that is not for this caller. A blob is mounted only from where the caller may read it;
    /// else the wish is dropped, and an upload begins as if the blob were not there.
    pub(in crate::server) fn check(&self, method: &Method, route: Route) -> Result<Route, WireError> {
        if route == Route::Ping {
            return self.check_ping().map(|()| route);
        }
        let Some(repository) = route.repository() else { return self.check_registry().map(|()| route) };
        // The state of an upload is of use to who writes alone.
        let is_write = !method.is_safe() || matches!(route, Route::Uploads { .. } | Route::Upload { .. });
        self.check_repository(if is_write { Right::Write } else { Right::Read }, repository)?;
        Ok(match route {
            Route::Uploads { repository, start } => {
                let start = if self.may_mount(&repository, &start) { start } else { UploadStart::default() };
                Route::Uploads { repository, start }
            }
            route => route,
        })
    }

    fn may_mount(&self, repository: &RepositoryName, start: &UploadStart) -> bool {
        start.mount.is_none() || self.may(Right::Read, start.from.as_ref().unwrap_or(repository))
    }

    /// "Determining Support": Docker's clients sign in here or nowhere, so who has shown nothing is refused as
    /// long as there are users. Who cannot be one gets a token all the same.
    fn check_ping(&self) -> Result<(), WireError> {
        self.refuse_unless(|_| self.shown.is_some())
    }

    /// Refuses who may see nothing at all here.
    pub(in crate::server) fn check_registry(&self) -> Result<(), WireError> {
        self.refuse_unless(|auth| self.user().is_some() || auth.rights.welcome_anybody())
    }

    /// Refuses who is no user, where there are users.
    pub(in crate::server) fn check_user(&self) -> Result<(), WireError> {
        self.refuse_unless(|_| self.user().is_some())
    }

    fn refuse_unless(&self, is_welcome: impl Fn(&Auth) -> bool) -> Result<(), WireError> {
        match &self.guard {
            Some(guard) if !is_welcome(&guard.auth) => Err(unauthorized(guard.challenge.clone())),
            _ => Ok(()),
        }
    }

    /// Refuses who has not the right; whether the repository is there does not matter.
    pub(in crate::server) fn check_repository(
        &self,
        right: Right,
        repository: &RepositoryName,
    ) -> Result<(), WireError> {
        if self.may(right, repository) {
            return Ok(());
        }
        self.check_user()?;
        let verb = match right {
            Right::Read => "read",
            Right::Write => "write to",
        };
        let user = self.user().unwrap_or_default();
        let reason = format_args!("{user} may not {verb} {repository}");
        Err(WireError::new(ErrorCode::Denied).because(reason))
    }

    /// Makes a token for the caller, where there are tokens.
    pub(in crate::server) fn issue(&self) -> Option<Issued> {
        let guard = self.guard.as_ref().filter(|guard| guard.auth.has_tokens())?;
        Some(guard.auth.issue(self.user()))
    }
}
