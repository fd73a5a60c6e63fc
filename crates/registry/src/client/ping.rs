//! Finding out how a registry is spoken to: `GET /v2/` ("Determining Support"), once per client.
//!
//! HTTPS, always; except for
//! - a registry that the settings name as plain HTTP, which is spoken to in nothing else;
//! - loopback, where HTTPS is tried first. Only if the peer does not speak TLS at all is plain HTTP tried,
//!   and only if a registry answers to that is it taken. Whatever else is wrong, a certificate above all, is
//!   an error. No credentials go out before this is known.

use http::{Method, StatusCode};
use sealift_store::{ErrorKind, Operation};

use super::answer::Answer;
use super::auth::{Authorization, challenges};
use super::connection::Connection;
use super::endpoint::Endpoint;
use super::failure::speaks_no_tls;
use super::fault::{Fault, Purpose};
use super::request::Request;
use super::retry::Repeat;
use super::status::is_transient;
use crate::wire::Route;

impl Connection {
    /// Returns where the registry answers. The first caller finds it out.
    pub(super) async fn endpoint(&self) -> Result<Endpoint, Fault> {
        self.endpoint.get(|_| true, self.find_endpoint()).await
    }

    async fn find_endpoint(&self) -> Result<Endpoint, Fault> {
        let purpose = Purpose::of(Operation::Connect);
        if self.config.plain_http {
            return self.ping("http", Repeat::Always, &purpose).await.map(|(endpoint, _)| endpoint);
        }
        if self.registry.is_loopback()
            && let Some(endpoint) = self.find_on_loopback(&purpose).await?
        {
            return Ok(endpoint);
        }
        self.ping("https", Repeat::Always, &purpose).await.map(|(endpoint, _)| endpoint)
    }

    /// Tries HTTPS, then perhaps plain HTTP, once each; `None` where waiting may help.
    async fn find_on_loopback(&self, purpose: &Purpose) -> Result<Option<Endpoint>, Fault> {
        let fault = match self.ping("https", Repeat::Never, purpose).await {
            Ok((endpoint, _)) => return Ok(Some(endpoint)),
            Err(fault) => fault,
        };
        if speaks_no_tls(&fault)
            && let Ok((endpoint, answer)) = self.ask_base("http", Repeat::Never, purpose).await
            && is_registry(&answer)
        {
            // A registry that cannot be trusted with what it asks for is one, too.
            self.remember(&answer, &endpoint, purpose)?;
            return Ok(Some(endpoint));
        }
        // What is wrong with HTTPS is what has to be put right.
        if fault.kind.is_transient() { Ok(None) } else { Err(fault) }
    }

    /// Asks for the base of the API, and remembers what the registry asks for.
    async fn ping(
        &self,
        scheme: &str,
        repeat: Repeat,
        purpose: &Purpose,
    ) -> Result<(Endpoint, Answer), Fault> {
        let (endpoint, answer) = self.ask_base(scheme, repeat, purpose).await?;
        self.remember(&answer, &endpoint, purpose)?;
        Ok((endpoint, answer))
    }

    /// Asks for the base of the API, without credentials.
    async fn ask_base(
        &self,
        scheme: &str,
        repeat: Repeat,
        purpose: &Purpose,
    ) -> Result<(Endpoint, Answer), Fault> {
        let endpoint = Endpoint::new(&self.registry, scheme);
        let address = endpoint.and_then(|endpoint| Some((endpoint.route(&Route::Ping)?, endpoint)));
        let Some((url, endpoint)) = address else {
            return Err(purpose.fault(ErrorKind::Invalid).because("its name is no address"));
        };
        let request = Request::new(Method::GET, url, purpose).repeat(repeat);
        let answer = self.exchange(&request, &Authorization::None).await?;
        // Servers that speak TLS answer plain HTTP with 400.
        let wants_tls = scheme == "http" && answer.status == StatusCode::BAD_REQUEST;
        if wants_tls || is_transient(answer.status) {
            return Err(self.refusal(&request, &answer));
        }
        Ok((endpoint, answer))
    }

    fn remember(&self, answer: &Answer, endpoint: &Endpoint, purpose: &Purpose) -> Result<(), Fault> {
        if answer.status == StatusCode::UNAUTHORIZED && !answer.is_foreign {
            self.authenticator.learn(&challenges(&answer.headers), endpoint.base(), purpose)?;
        }
        Ok(())
    }
}

/// A TLS server answers plain HTTP with `400`, any web server with `404`, and some send one elsewhere:
/// credentials must go to none of them.
fn is_registry(answer: &Answer) -> bool {
    !answer.is_foreign && (answer.status.is_success() || answer.status == StatusCode::UNAUTHORIZED)
}
