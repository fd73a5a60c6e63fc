//! The way of one request through the layers:
//!
//! 1. The endpoint is found, once per client: HTTPS or plain HTTP, and what the registry asks for
//!    ([`super::ping`]).
//! 2. What proves who asks is added up front: a body that streams by cannot be sent twice
//!    ([`super::authorize`]).
//! 3. The request is sent, as often as its facts and the policy allow ([`super::retry`]), each time
//!    following redirects ([`super::redirect`]); not at all for a while where nothing is answered any more
//!    ([`super::silence`]).
//! 4. A `401` gets a new token and one more round.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use http::{HeaderValue, StatusCode};
use sealift_oci::Registry;
use sealift_store::{Error, ErrorKind, Operation, Result};
use url::Url;

use super::ClientConfig;
use super::answer::{Answer, Body, Ear, collect, collect_error};
use super::auth::{Authenticator, Authorization, Veil};
use super::endpoint::Endpoint;
use super::fault::{Fault, Purpose};
use super::flight::Flight;
use super::guard::Network;
use super::quirks::Quirks;
use super::redirect::{REDIRECT_LIMIT, RedirectError, redirect, same_origin};
use super::request::{Reading, Request};
use super::retry::{Attempt, repeat};
use super::status::{asked_wait, is_transient, refusal};
use super::transport::Transport;
use crate::wire::{ERROR_BODY_LIMIT, Route};

/// Everything that the repositories of one registry share.
pub(super) struct Connection {
    pub(super) registry: Registry,
    pub(super) config: ClientConfig,
    pub(super) transport: Transport,
    pub(super) endpoint: Flight<Endpoint>,
    pub(super) authenticator: Authenticator,
    quirks: Mutex<Quirks>,
    /// Held while a list of referrers is read and written again.
    pub(super) referrers_turn: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("registry", &self.registry).finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(registry: Registry, config: ClientConfig, network: Network) -> Result<Self> {
        let authenticator = Authenticator::new(&config.credentials).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, Operation::Authenticate)
                .at(&registry)
                .because("the user's name or the password has characters that cannot be sent")
        })?;
        Ok(Self {
            transport: Transport::new(&registry, &config, network).map_err(|error| error.at(&registry))?,
            quirks: Mutex::new(Quirks::of(&registry)),
            registry,
            config,
            endpoint: Flight::default(),
            authenticator,
            referrers_turn: tokio::sync::Mutex::default(),
        })
    }

    /// Returns the name that stands in front of every message.
    pub(super) fn place(&self) -> &str {
        self.registry.as_str()
    }

    pub(super) fn quirks(&self) -> Quirks {
        *self.quirks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn learn<T>(&self, change: impl FnOnce(&mut Quirks) -> T) -> T {
        change(&mut self.quirks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the address of a route.
    pub(super) async fn url(&self, route: &Route, purpose: &Purpose) -> Result<Url, Fault> {
        let endpoint = self.endpoint().await?;
        endpoint.route(route).ok_or_else(|| purpose.fault(ErrorKind::Invalid).because("it has no address"))
    }

    /// Sends a request with what it needs to be allowed, and once more after a `401`.
    pub(super) async fn send(&self, request: &Request) -> Result<Answer, Fault> {
        let authorization = self.authorize(request.scopes.as_ref()).await?;
        let answer = self.exchange(request, &authorization).await?;
        if answer.status != StatusCode::UNAUTHORIZED || answer.is_foreign {
            return Ok(answer);
        }
        match self.renew(request.scopes.as_ref(), &authorization, &answer.headers).await? {
            Some(authorization) => self.exchange(request, &authorization).await,
            None => Ok(answer),
        }
    }

    /// Sends a request as often as its facts allow.
    pub(super) async fn exchange(
        &self,
        request: &Request,
        authorization: &Authorization,
    ) -> Result<Answer, Fault> {
        let tell = || self.config.pushback.iter().for_each(|pushback| pushback());
        repeat(&self.config.retry, request.repeat, tell, || self.attempt(request, authorization)).await
    }

    async fn attempt(
        &self,
        request: &Request,
        authorization: &Authorization,
    ) -> Attempt<Result<Answer, Fault>> {
        let outcome = self.follow(request, authorization).await;
        let (without_effect, asked) = match &outcome {
            Ok(answer) if is_transient(answer.status) => {
                // Who is told to come back later was not served.
                (answer.status == StatusCode::TOO_MANY_REQUESTS, asked_wait(answer, self.config.now))
            }
            Err(fault) if fault.kind.is_transient() => (fault.without_effect, fault.wait),
            _ => return Attempt::Final(outcome),
        };
        Attempt::Transient { outcome, without_effect, asked }
    }

    /// Sends a request once and follows where it is redirected.
    async fn follow(&self, request: &Request, authorization: &Authorization) -> Result<Answer, Fault> {
        let purpose = &request.purpose;
        let refuse = |error: RedirectError| purpose.fault(ErrorKind::Invalid).because(error).caused_by(error);
        let (mut url, mut is_foreign) = (request.url.clone(), false);
        for _ in 0..=REDIRECT_LIMIT {
            let built = request.build(&url, authorization.header(), is_foreign);
            let response = self.transport.execute_in_time(built, request.patience, purpose).await?;
            match redirect(&request.method, &url, response.status(), response.headers()).map_err(refuse)? {
                None => return self.read(request, authorization, response, url, is_foreign).await,
                Some(to) => {
                    // Credentials that were lost on the way stay lost.
                    is_foreign |= !same_origin(&url, &to);
                    url = to;
                }
            }
        }
        Err(refuse(RedirectError::TooMany))
    }

    /// Reads what is wanted of the body.
    async fn read(
        &self,
        request: &Request,
        authorization: &Authorization,
        mut response: reqwest::Response,
        url: Url,
        is_foreign: bool,
    ) -> Result<Answer, Fault> {
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let stall = self.transport.stall_timeout();
        let purpose = &self.transport.purpose(&url, &request.purpose);
        let body = match request.reading {
            _ if !status.is_success() => {
                let veil = self.veil(authorization.header());
                Body::Whole(collect_error(&mut response, ERROR_BODY_LIMIT, stall, purpose, &veil).await)
            }
            Reading::Whole(limit) => {
                let ear = Ear::new(&self.transport.silence, &url, purpose)?;
                Body::Whole(collect(&mut response, limit, stall, purpose, ear).await?)
            }
            Reading::Stream => Body::Open(response),
        };
        Ok(Answer { status, headers, url, is_foreign, body })
    }

    /// Makes the error of an answer that is not what was wanted.
    pub(super) fn refusal(&self, request: &Request, answer: &Answer) -> Fault {
        let is_sensitive = request.is_sensitive || answer.is_foreign;
        let fault = refusal(&request.purpose, answer, is_sensitive, asked_wait(answer, self.config.now));
        fault.reworded(|reason| self.veil(None).cover(reason))
    }

    /// Returns what must not be repeated of what a server says: all secrets of this client, and what proved who
    /// asked in a request.
    pub(super) fn veil(&self, sent: Option<&HeaderValue>) -> Veil {
        let mut veil = Veil::default();
        self.authenticator.hide(&mut veil, sent);
        self.transport.hide(&mut veil);
        veil
    }

    /// Sends a request and makes an error of every status that is not among `wanted`.
    pub(super) async fn expect(&self, request: &Request, wanted: &[u16]) -> Result<Answer, Fault> {
        let answer = self.send(request).await?;
        if wanted.contains(&answer.status.as_u16()) {
            Ok(answer)
        } else {
            Err(self.refusal(request, &answer))
        }
    }
}
