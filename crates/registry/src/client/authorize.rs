//! Getting a request allowed: tokens are fetched here, and renewed when the registry refuses one.

use http::header::{CONTENT_TYPE, DATE};
use http::{HeaderMap, Method, StatusCode};
use sealift_store::{ErrorKind, Operation};
use tokio::time::Instant;

use super::answer::Answer;
use super::auth::{
    Authorization, Granted, Scheme, Scopes, TOKEN_ANSWER_LIMIT, Token, TokenService, TokenSlot, Way,
    challenges, offered_scopes,
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
                let fetch = self.get_token(&service, &wanted);
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

    /// Asks the token service, unless it failed a moment ago.
    async fn get_token(&self, service: &TokenService, scopes: &Scopes) -> Result<Token, Fault> {
        if let Some(fault) = self.authenticator.tokens.failure(Instant::now()) {
            return Err(fault);
        }
        let fetched = self.fetch_token(service, scopes).await;
        fetched.inspect_err(|fault| self.authenticator.tokens.failed(fault, Instant::now()))
    }

    /// Asks the token service. The user's password goes there, to the realm that was checked, and nowhere
    /// that it redirects to.
    async fn fetch_token(&self, service: &TokenService, scopes: &Scopes) -> Result<Token, Fault> {
        let grants = &self.authenticator.grants;
        let (way, other) = grants.ways();
        let shown = grants.generation();
        let mut asked = self.ask(service, scopes, way).await?;
        if let Some(other) = other.filter(|_| is_unknown_way(asked.answer.status)) {
            asked = self.ask(service, scopes, other).await?;
            if asked.answer.status == StatusCode::OK {
                grants.prefer_second();
            }
        } else if asked.answer.status.is_client_error() && grants.generation() != shown {
            asked = self.ask(service, scopes, way).await?;
        }
        if asked.answer.status != StatusCode::OK {
            return Err(self.no_token(service, &asked));
        }
        let Granted { token, refresh_token } = self.read_token(service, &asked)?;
        grants.rotate(refresh_token);
        Ok(token)
    }

    async fn ask(&self, service: &TokenService, scopes: &Scopes, way: Way) -> Result<Asked, Fault> {
        let purpose = Purpose::of(Operation::Authenticate);
        let basic = self.authenticator.basic().cloned();
        let (request, authorization) = match way {
            Way::Query => {
                let request = Request::new(Method::GET, service.request(scopes), &purpose);
                (request, basic.map_or(Authorization::None, Authorization::Basic))
            }
            Way::Form => {
                let request = Request::new(Method::POST, service.address(), &purpose)
                    .header(CONTENT_TYPE, FORM)
                    .body(self.authenticator.form(service, scopes));
                (request, Authorization::None)
            }
        };
        let request = request.sensitive().reading(Reading::Whole(TOKEN_ANSWER_LIMIT));
        let at = Instant::now();
        let answer = self.exchange(&request, &authorization).await?;
        Ok(Asked { request, at, answer })
    }

    fn read_token(&self, service: &TokenService, asked: &Asked) -> Result<Granted, Fault> {
        let date = asked.answer.header(&DATE).and_then(|text| httpdate::parse_http_date(text).ok());
        let granted = self.authenticator.tokens.read(&asked.answer.bytes(), asked.at, date);
        granted.ok_or_else(|| {
            let reason = format_args!("the answer of {} has no token in it", service.host());
            asked.request.purpose.fault(ErrorKind::Invalid).because(reason)
        })
    }

    /// Services say in many ways that they give no token, and all of them mean the credentials.
    fn no_token(&self, service: &TokenService, asked: &Asked) -> Fault {
        let (status, mut fault) = (asked.answer.status, self.refusal(&asked.request, &asked.answer));
        if status.is_client_error() && !is_transient(status) && fault.kind != ErrorKind::Denied {
            fault.kind = ErrorKind::Unauthenticated;
        }
        fault.prefixed(format_args!("its token service {}: ", service.host()))
    }
}

/// A question to a token service, and what it answered.
struct Asked {
    request: Request,
    at: Instant,
    answer: Answer,
}

/// The type of a form (distribution's "Token authentication using OAuth2").
const FORM: &str = "application/x-www-form-urlencoded";

fn is_unknown_way(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
}
