//! The HTTP client below everything: connections, TLS, proxies. It knows nothing of the registry but its
//! address, and it is the one module that makes [`reqwest`] clients, so that another client touches one file.
//!
//! HTTP/1.1 only: over HTTP/2 all blobs of a host would share one connection and cost twice the processor
//! time. Redirects, retries and time limits are ours: reqwest forwards custom headers across hosts, and its
//! limits either count the whole body or not the upload.
//!
//! The registry itself may see the user's client certificate; where else it leads is judged by
//! [`super::guard`], here, where no caller can forget it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sealift_oci::Registry;
use sealift_store::{Error, ErrorKind, Operation, Pace, Result};
use url::{Host, Url};

use super::ClientConfig;
use super::auth::Veil;
use super::endpoint::Endpoint;
use super::failure::{failure, is_proxy_refusal};
use super::fault::{Fault, Purpose};
use super::guard::{Guard, Network, Resolver};
use super::proxy::{Proxies, Proxy};
use super::redirect::same_origin;
use super::silence::Silence;
use super::tls::{TlsSettings, unusable};

/// The clients of one registry: their TLS settings are its own.
#[derive(Debug)]
pub(super) struct Transport {
    /// The addresses that are the registry itself, one for each scheme.
    origins: [Url; 2],
    guard: Arc<Guard>,
    proxies: Proxies,
    own: Clients,
    foreign: Clients,
    stall_timeout: Duration,
    /// Who is trusted.
    roots: rustls::RootCertStore,
    /// What the registry, and where it leads, leaves unanswered.
    pub(super) silence: Arc<Silence>,
    pace: Option<Arc<Pace>>,
    requests: Arc<AtomicU64>,
}

/// Two ways to the same hosts. They share no connections.
#[derive(Debug)]
struct Clients {
    direct: reqwest::Client,
    proxied: reqwest::Client,
}

impl Transport {
    pub(super) fn new(registry: &Registry, config: &ClientConfig, network: Network) -> Result<Self> {
        let origin = |scheme| Endpoint::new(registry, scheme).ok_or_else(no_address);
        let origins = [origin("https")?.base().clone(), origin("http")?.base().clone()];
        let guard = Arc::new(Guard::new(&origins[0], &config.resolve, network));
        let proxies = Proxies::new(&config.proxies);
        let tls = TlsSettings::new(&config.ca_files, config.identity.as_ref())?;
        Ok(Self {
            roots: tls.roots,
            own: Clients::new(config, tls.own, &guard, &proxies)?,
            foreign: Clients::new(config, tls.foreign, &guard, &proxies)?,
            origins,
            guard,
            proxies,
            stall_timeout: config.stall_timeout,
            silence: Arc::new(Silence::new(config.stall_timeout)),
            pace: config.pace.clone(),
            requests: Arc::clone(&config.requests),
        })
    }

    /// Puts the secrets of the proxies under a veil.
    pub(super) fn hide(&self, veil: &mut Veil) {
        self.proxies.hide(veil);
    }

    /// Names the proxy that lies before a URL.
    pub(super) fn proxy_of(&self, url: &Url) -> Option<String> {
        self.proxies.of(url).map(ToString::to_string)
    }

    /// Reads the certificates that a host shows at an address.
    pub(super) async fn presented(
        &self,
        host: &str,
        address: std::net::SocketAddr,
    ) -> std::io::Result<Vec<super::Presented>> {
        super::presented::presented(self.roots.clone(), host, address).await
    }

    /// Returns how long a peer may keep silent.
    pub(super) fn stall_timeout(&self) -> Duration {
        self.stall_timeout
    }

    /// Waits until the pace allows one more request. No time limit runs meanwhile.
    pub(super) async fn turn(&self) {
        if let Some(pace) = &self.pace {
            pace.wait(1).await;
        }
    }

    /// Tells whether a URL is one of the registry itself.
    fn is_own(&self, url: &Url) -> bool {
        self.origins.iter().any(|origin| same_origin(origin, url))
    }

    /// Says with the purpose who is asked, where that is another host than the registry.
    pub(super) fn purpose(&self, url: &Url, purpose: &Purpose) -> Purpose {
        if self.is_own(url) { purpose.of_place() } else { purpose.led_to(url) }
    }

    /// Sends one request and waits for the head of its answer, without a time limit.
    pub(super) async fn execute(
        &self,
        request: reqwest::Request,
        purpose: &Purpose,
    ) -> Result<reqwest::Response, Fault> {
        let url = request.url();
        let is_own = self.is_own(url);
        if !is_own {
            let refuse = |misled| purpose.of_place().fault(ErrorKind::Invalid).because(misled);
            self.guard.check(url).map_err(refuse)?;
        }
        let purpose = &self.purpose(url, purpose);
        let clients = if is_own { &self.own } else { &self.foreign };
        let answer = match self.proxies.of(url) {
            None => clients.direct.execute(request).await.map_err(|error| failure(error, purpose)),
            Some(proxy) => through(proxy, clients.proxied.execute(request).await, purpose),
        };
        self.requests.fetch_add(u64::from(answer.is_ok()), Ordering::Relaxed);
        answer
    }

    /// Sends one request and waits for the head of its answer, `patience` times the stall timeout.
    pub(super) async fn execute_in_time(
        &self,
        request: reqwest::Request,
        patience: u32,
        purpose: &Purpose,
    ) -> Result<reqwest::Response, Fault> {
        self.turn().await;
        let purpose = &self.purpose(request.url(), purpose);
        let limit = self.stall_timeout.saturating_mul(patience);
        let listening = self.silence.listen(request.method(), request.url(), purpose)?;
        let answer = tokio::time::timeout(limit, self.execute(request, purpose)).await;
        let answer = answer.unwrap_or_else(|_| Err(silence(limit, purpose)));
        match &answer {
            Ok(answer) => self.silence.headed(listening, answer.status(), answer.headers()),
            Err(fault) if fault.kind.is_transient() => self.silence.unanswered(listening, fault.reason()),
            Err(_) => {}
        }
        answer
    }
}

impl Clients {
    fn new(
        config: &ClientConfig,
        tls: rustls::ClientConfig,
        guard: &Arc<Guard>,
        proxies: &Proxies,
    ) -> Result<Self> {
        let builder = |is_strict| {
            reqwest::Client::builder()
                .http1_only()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .user_agent(&config.user_agent)
                .connect_timeout(config.connect_timeout)
                .dns_resolver(Resolver { guard: Arc::clone(guard), is_strict })
                .tls_backend_preconfigured(tls.clone())
        };
        let proxied = proxies.apply(builder(false)).map_err(unusable_proxy)?;
        Ok(Self {
            direct: builder(true).build().map_err(unusable)?,
            proxied: proxied.build().map_err(unusable_proxy)?,
        })
    }
}

/// Tells what comes of a request through a proxy. Its `407` is not the registry's word.
fn through(
    proxy: &Proxy,
    outcome: reqwest::Result<reqwest::Response>,
    purpose: &Purpose,
) -> Result<reqwest::Response, Fault> {
    match outcome {
        Ok(answer) if answer.status() == http::StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Err(proxy.wants_credentials(purpose))
        }
        Ok(answer) => Ok(answer),
        Err(error) if is_proxy_refusal(&error) => Err(proxy.wants_credentials(purpose)),
        Err(error) => {
            Err(failure(error, purpose).reworded(|reason| format!("{reason} (by way of the proxy {proxy})")))
        }
    }
}

/// Says that the peer kept silent for too long.
pub(super) fn silence(limit: Duration, purpose: &Purpose) -> Fault {
    purpose
        .fault(ErrorKind::Unavailable)
        .because(format_args!("nothing came for {} seconds", limit.as_secs_f64().round()))
}

/// Tells whether a URL names this very machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn no_address() -> Error {
    Error::new(ErrorKind::Invalid, Operation::Connect).because("its name is no address")
}

/// The cause is not kept: it may have the proxy's password in it.
fn unusable_proxy(_: reqwest::Error) -> Error {
    Error::new(ErrorKind::Invalid, Operation::Connect).because("the proxy's address cannot be used")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_machine_only() {
        for (url, expected) in [
            ("http://localhost:5000/v2/", true),
            ("http://127.9.9.9/", true),
            ("https://[::1]/", true),
            ("https://localhost.example.org/", false),
            ("https://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
