//! Getting a request allowed: tokens are fetched here, and renewed when the registry refuses one.

use http::{HeaderMap, Method, StatusCode};
use sealift_store::{ErrorKind, Operation};
use tokio::time::Instant;

use super::auth::{
    Authorization, Scheme, Scopes, TOKEN_ANSWER_LIMIT, Token, TokenService, TokenSlot, challenges,
    offered_scopes,
};
use super::connection::Connection;
use super::fault::{Fault, Purpose};
use super::request::{Reading, Request};
use super::status::is_transient;

impl Connection {
    /// Returns what proves that a request for `scopes` is allowed, as far as the registry asked for it.
    pub(super) async fn authorize(&self, scopes: Option<&Scopes>) -> Result<Authorization, Fault> {
        let Some(scopes) = scopes else { return Ok(Authorization::None) };
        match self.authenticator.scheme() {
            Scheme::Open => Ok(Authorization::None),
            Scheme::Basic => {
                Ok(self.authenticator.basic().cloned().map_or(Authorization::None, Authorization::Basic))
            }
            Scheme::Bearer(service) => {
                let slot = self.authenticator.tokens.slot(scopes);
                let wanted = slot.extra().and(scopes);
                let fetch = self.fetch_token(&service, &wanted);
                let token = slot.flight.get(|token| token.is_good(Instant::now()), fetch).await?;
                Ok(Authorization::Bearer(token))
            }
        }
    }

    /// Learns from a `401`, drops the token that was refused, and returns what to send instead; `None` where
    /// that would be the same again.
    pub(super) async fn renew(
        &self,
        scopes: Option<&Scopes>,
        sent: &Authorization,
        headers: &HeaderMap,
    ) -> Result<Option<Authorization>, Fault> {
        let Some(scopes) = scopes else { return Ok(None) };
        self.forget(scopes, sent, headers).await?;
        let next = self.authorize(Some(scopes)).await?;
        Ok(match (&next, sent) {
            (Authorization::None, _) | (Authorization::Basic(_), Authorization::Basic(_)) => None,
            _ => Some(next),
        })
    }

    /// Learns from a `401` and drops the token that was refused.
    pub(super) async fn forget(
        &self,
        scopes: &Scopes,
        sent: &Authorization,
        headers: &HeaderMap,
    ) -> Result<(), Fault> {
        let offered = challenges(headers);
        let endpoint = self.endpoint().await?;
        self.authenticator.learn(&offered, endpoint.base(), &Purpose::of(Operation::Authenticate))?;
        let slot = self.slot(scopes);
        slot.want(&offered_scopes(&offered));
        slot.flight.forget(|token| token.is(sent.generation())).await;
        Ok(())
    }

    /// Returns what is known of the token for `scopes`.
    pub(super) fn slot(&self, scopes: &Scopes) -> std::sync::Arc<TokenSlot> {
        self.authenticator.tokens.slot(scopes)
    }

    /// Asks the token service. The user's password goes there, to the realm that was checked, and nowhere
    /// that it redirects to.
    async fn fetch_token(&self, service: &TokenService, scopes: &Scopes) -> Result<Token, Fault> {
        let purpose = Purpose::of(Operation::Authenticate);
        let request = Request::new(Method::GET, service.request(scopes), &purpose)
            .sensitive()
            .reading(Reading::Whole(TOKEN_ANSWER_LIMIT));
        let basic = self.authenticator.basic().cloned();
        let authorization = basic.map_or(Authorization::None, Authorization::Basic);
        let asked = Instant::now();
        let answer = self.exchange(&request, &authorization).await?;
        if answer.status == StatusCode::OK {
            return self.authenticator.tokens.read(&answer.bytes(), asked).ok_or_else(|| {
                let host = service.host();
                purpose
                    .fault(ErrorKind::Invalid)
                    .because(format_args!("the answer of {host} has no token in it"))
            });
        }
        let mut fault = self.refusal(&request, &answer);
        // Services say in many ways that they give no token, and all of them mean the credentials.
        if answer.status.is_client_error() && !is_transient(answer.status) && fault.kind != ErrorKind::Denied
        {
            fault.kind = ErrorKind::Unauthenticated;
        }
        Err(fault.prefixed(format_args!("its token service {}: ", service.host())))
    }
}
