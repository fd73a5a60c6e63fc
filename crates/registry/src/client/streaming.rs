//! Sending a request whose body streams by: once, since nobody has the bytes any more when something breaks.

use std::sync::Arc;

use http::{StatusCode, header};
use sealift_store::ErrorKind;

use super::answer::{Answer, Body, collect_error};
use super::auth::{Authorization, Scheme};
use super::connection::Connection;
use super::fault::Fault;
use super::request::Request;
use super::transport::silence;
use super::upload_body::{Progress, UploadBody};
use crate::wire::ERROR_BODY_LIMIT;

impl Connection {
    /// Sends a request with a body, without a time limit as long as it moves. The request's patience is for the answer
    /// behind the last byte: what was sent may still lie in buffers along a slow line.
    pub(super) async fn stream(
        &self,
        request: &Request,
        body: UploadBody,
        progress: &Arc<Progress>,
    ) -> Result<Answer, Fault> {
        let authorization = self.authorize(request.scopes.as_ref()).await?;
        let mut built = request.build(&request.url, authorization.header(), false);
        // A PUT without a body says so; this one has one.
        built.headers_mut().remove(header::CONTENT_LENGTH);
        *built.body_mut() = Some(reqwest::Body::wrap(body));
        self.transport.turn().await;
        let silence_of = &self.transport.silence;
        let purpose = self.transport.purpose(&request.url, &request.purpose);
        let listening = silence_of.listen(&request.method, &request.url, &purpose)?;
        let limit = self.transport.stall_timeout();
        let mut response = tokio::select! {
            response = self.transport.execute(built, &request.purpose) => response?,
            waited = progress.stalled(limit, limit.saturating_mul(request.patience)) => {
                let fault = silence(waited, &purpose);
                silence_of.unanswered(listening, fault.reason());
                return Err(fault);
            }
        };
        let status = response.status();
        silence_of.headed(listening, status, response.headers());
        let headers = std::mem::take(response.headers_mut());
        let veil = self.veil(authorization.header());
        let body = collect_error(&mut response, ERROR_BODY_LIMIT, limit, &request.purpose, &veil).await;
        let url = request.url.clone();
        let is_foreign = request.scopes.is_none();
        let answer = Answer { status, headers, url, is_foreign, body: Body::Whole(body) };
        self.settle(request, &authorization, answer).await
    }

    /// A token may end while a body streams by, which then is lost with it: the next attempt has a new one.
    /// The second token in a row that is refused was not too old.
    async fn settle(&self, request: &Request, sent: &Authorization, answer: Answer) -> Result<Answer, Fault> {
        let Some(scopes) = &request.scopes else { return Ok(answer) };
        let slot = self.slot(scopes);
        if answer.status != StatusCode::UNAUTHORIZED {
            slot.accepted();
            return Ok(answer);
        }
        self.forget(scopes, sent, &answer.headers).await?;
        // Where there is nothing to prove who asks by, the next request would be refused as well.
        let has_nothing = match self.authenticator.scheme() {
            Scheme::Open => true,
            Scheme::Basic => self.authenticator.basic().is_none(),
            Scheme::Bearer(_) => false,
        };
        let is_final = has_nothing || matches!(sent, Authorization::Basic(_));
        if is_final || !slot.refused(sent.generation()) {
            return Ok(answer);
        }
        let reason = "the credentials expired on the way; new ones will be asked for";
        Err(request.purpose.fault(ErrorKind::Unavailable).because(reason))
    }
}
