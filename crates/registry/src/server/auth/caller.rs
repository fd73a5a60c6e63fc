//! Who is let in, and what they may touch while they are.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method};
use sealift_oci::RepositoryName;

use super::{Auth, CHALLENGE, Right, unauthorized};
use crate::server::error::WireError;
use crate::wire::{ErrorCode, Route, UploadStart};

/// Who asks. It knows what they may do; lists are filtered by it.
#[derive(Clone, Debug)]
pub(in crate::server) struct Caller {
    user: Option<String>,
    /// Without it everybody may do everything.
    auth: Option<Arc<Auth>>,
}

/// Finds out who asks, from the headers of a request.
pub(in crate::server) async fn admit(
    auth: Option<&Arc<Auth>>,
    headers: &HeaderMap,
    address: IpAddr,
) -> Result<Caller, WireError> {
    let Some(auth) = auth else { return Ok(Caller { user: None, auth: None }) };
    let user = auth.who(headers, address).await?;
    Ok(Caller { user, auth: Some(Arc::clone(auth)) })
}

impl Caller {
    /// Returns the name of the user, where it is one.
    pub(in crate::server) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Tells whether the caller has a right.
    pub(in crate::server) fn may(&self, right: Right, repository: &RepositoryName) -> bool {
        self.auth.as_ref().is_none_or(|auth| auth.rights.allow(self.user(), right, repository))
    }

    /// Refuses a route that is not for this caller. A blob is mounted only from where the caller may read it;
    /// else the wish is dropped, and an upload begins as if the blob were not there.
    pub(in crate::server) fn check(&self, method: &Method, route: Route) -> Result<Route, WireError> {
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

    /// Refuses who may see nothing at all here.
    pub(in crate::server) fn check_registry(&self) -> Result<(), WireError> {
        let is_welcome =
            self.user.is_some() || self.auth.as_ref().is_none_or(|auth| auth.rights.welcome_anybody());
        if is_welcome { Ok(()) } else { Err(unauthorized()) }
    }

    /// Refuses who is no user, where there are users.
    pub(in crate::server) fn check_user(&self) -> Result<(), WireError> {
        if self.user.is_some() || self.auth.is_none() { Ok(()) } else { Err(unauthorized()) }
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
        let Some(user) = self.user() else { return Err(unauthorized()) };
        let verb = match right {
            Right::Read => "read",
            Right::Write => "write to",
        };
        let reason = format_args!("{user} may not {verb} {repository}");
        Err(WireError::new(ErrorCode::Denied).because(reason))
    }

    /// Returns what somebody who is no user may be told: that there are users. Clients that ask only once
    /// learn it so (RFC 9110, section 11.6.1).
    pub(in crate::server) fn challenge(&self) -> Option<&'static str> {
        (self.auth.is_some() && self.user.is_none()).then_some(CHALLENGE)
    }
}
