//! What can be seen of a registry from here without any rights: for who looks for the reason why nothing works.

use std::net::SocketAddr;
use std::time::SystemTime;

use http::{Method, header};
use sealift_store::{Error, ErrorKind, Operation, Result};
use url::{Host, Url};

use super::auth::Authorization;
use super::connection::Connection;
use super::fault::{Fault, Purpose};
use super::request::Request;
use super::{Presented, RegistryClient};
use crate::wire::Route;

/// The longest name of a server that is told, in characters.
const SERVER_LIMIT: usize = 40;

/// How a registry answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether it is spoken to by TLS.
    pub is_tls: bool,
    /// What its clock shows, if it tells.
    pub clock: Option<SystemTime>,
    /// What it calls itself.
    pub server: Option<String>,
}

/// The way to a registry, before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The host that is asked.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The proxy that lies between, without its user and password.
    pub proxy: Option<String>,
    /// The address that the user gave the host.
    pub fixed: Option<std::net::IpAddr>,
}

impl RegistryClient {
    /// Says which way requests to the registry take. Nothing is sent.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] where its name is no address.
    pub fn way(&self) -> Result<Way> {
        self.connection.way().map_err(|fault| fault.at(self.connection.place()))
    }

    /// Asks the registry for the base of its API, as nobody in particular.
    ///
    /// # Errors
    /// Those of connecting.
    pub async fn examine(&self) -> Result<Seen> {
        self.connection.examine().await.map_err(|fault| fault.at(self.connection.place()))
    }

    /// Looks at the certificates that the registry shows, whether or not they are trusted. Nothing is sent but what
    /// begins a connection by TLS.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] where no connection comes about, or no TLS is spoken.
    pub async fn certificates(&self, address: SocketAddr) -> Result<Vec<Presented>> {
        let connection = &self.connection;
        let host = connection.way_host();
        let shown = connection.transport.presented(&host, address);
        let limit = connection.config.connect_timeout;
        let failed = |reason: String| {
            Error::new(ErrorKind::Unavailable, Operation::Connect).at(connection.place()).because(reason)
        };
        match tokio::time::timeout(limit, shown).await {
            Ok(shown) => shown.map_err(|error| failed(format!("it cannot be spoken to by TLS: {error}"))),
            Err(_) => Err(failed("it cannot be reached in time".to_owned())),
        }
    }
}

impl Connection {
    /// The address that the registry has if all is well: HTTPS, but where plain HTTP is meant.
    fn base(&self) -> Option<Url> {
        let scheme = if self.config.plain_http { "http" } else { "https" };
        Some(super::endpoint::Endpoint::new(&self.registry, scheme)?.base().clone())
    }

    fn way_host(&self) -> String {
        let base = self.base();
        base.as_ref().and_then(Url::host).map(|host| bare(&host)).unwrap_or_default()
    }

    fn way(&self) -> std::result::Result<Way, Fault> {
        let no_address =
            || Purpose::of(Operation::Connect).fault(ErrorKind::Invalid).because("its name is no address");
        let base = self.base().ok_or_else(no_address)?;
        let host = self.way_host();
        let fixed = self.config.resolve.iter().find(|(name, _)| *name == host).map(|(_, address)| *address);
        Ok(Way {
            port: base.port_or_known_default().unwrap_or_default(),
            proxy: self.transport.proxy_of(&base),
            host,
            fixed,
        })
    }

    async fn examine(&self) -> std::result::Result<Seen, Fault> {
        let purpose = Purpose::of(Operation::Connect);
        let url = self.url(&Route::Ping, &purpose).await?;
        let is_tls = url.scheme() == "https";
        let answer = self.exchange(&Request::new(Method::GET, url, &purpose), &Authorization::None).await?;
        let clock = answer.header(&header::DATE).and_then(|text| httpdate::parse_http_date(text).ok());
        let server = answer.header(&header::SERVER).map(|text| super::status::plain(text, SERVER_LIMIT));
        Ok(Seen { is_tls, clock, server: server.filter(|it| !it.is_empty()) })
    }
}

/// A host without the brackets of an address.
fn bare(host: &Host<&str>) -> String {
    match host {
        Host::Ipv6(address) => address.to_string(),
        other => other.to_string(),
    }
}
