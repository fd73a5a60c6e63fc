//! Proxies: which request goes through which one. What is set comes in as values; this library reads no
//! environment, and neither may [`reqwest`].
//!
//! Loopback never goes through a proxy, whose loopback is another machine.

use std::fmt;
use std::net::IpAddr;

use sealift_store::{Error, ErrorKind, Operation, Result};
use url::{Host, Url};

use super::fault::{Fault, Purpose};
use super::transport::is_loopback;

/// The schemes of proxies. `socks5` resolves names here and `socks5h` at the proxy, as curl has it.
const SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];

/// The proxies to go through, as the usual variables have them. Their addresses may have a user and a
/// password in them, so the [`Debug`] form shows which ones are set and nothing more.
#[derive(Clone, Default)]
pub struct ProxyConfig {
    /// For `http` addresses (`HTTP_PROXY`); empty is none.
    pub http: Option<String>,
    /// For `https` addresses (`HTTPS_PROXY`).
    pub https: Option<String>,
    /// Hosts that are reached without one, separated by commas (`NO_PROXY`): names, which stand for the names
    /// below them too, addresses, ranges of addresses such as `10.0.0.0/8`, each with or without a port; or
    /// `*` for all.
    pub no_proxy: Option<String>,
}

impl fmt::Debug for ProxyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyConfig")
            .field("http", &self.http.is_some())
            .field("https", &self.https.is_some())
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

/// One proxy.
#[derive(Clone)]
pub(super) struct Proxy {
    url: Url,
}

/// The address without its user and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())?;
        self.url.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

impl Proxy {
    /// Reads an address, `http` where it has no scheme; `None` where nothing is set.
    fn read(text: Option<&String>) -> Result<Option<Self>> {
        let Some(text) = text.map(|text| text.trim()).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&text).ok();
        let url = url.filter(|url| SCHEMES.contains(&url.scheme()) && url.host_str().is_some_and(is_named));
        // What is wrong is not shown: there may be a password in it.
        let unusable = || {
            Error::new(ErrorKind::Invalid, Operation::Connect)
                .because("the proxy's address is no URL of http, https, socks5 or socks5h")
        };
        url.map(|url| Some(Self { url })).ok_or_else(unusable)
    }

    /// Makes the fault of a proxy that wants to know who asks.
    pub(super) fn wants_credentials(&self, purpose: &Purpose) -> Fault {
        let has_user = !self.url.username().is_empty();
        let what = if has_user { "refuses the user and password" } else { "wants a user and password" };
        purpose.fault(ErrorKind::Unauthenticated).because(format_args!("the proxy {self} {what}"))
    }
}

fn is_named(host: &str) -> bool {
    !host.is_empty()
}

/// The proxies of one client.
#[derive(Clone, Debug)]
pub(super) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    direct: Vec<Exception>,
}

impl Proxies {
    pub(super) fn new(config: &ProxyConfig) -> Result<Self> {
        let exceptions = config.no_proxy.as_deref().unwrap_or_default();
        let exceptions = exceptions.split([',', ' ']).map(str::trim).filter(|text| !text.is_empty());
        Ok(Self {
            http: Proxy::read(config.http.as_ref())?,
            https: Proxy::read(config.https.as_ref())?,
            direct: exceptions.map(Exception::read).collect(),
        })
    }

    /// Returns the proxy for a URL.
    pub(super) fn of(&self, url: &Url) -> Option<&Proxy> {
        let proxy = if url.scheme() == "https" { &self.https } else { &self.http };
        let is_direct = is_loopback(url) || self.direct.iter().any(|exception| exception.fits(url));
        proxy.as_ref().filter(|_| !is_direct)
    }

    /// Makes the HTTP client go through them, whatever the URL: which client is asked is decided before.
    pub(super) fn apply(
        &self,
        mut builder: reqwest::ClientBuilder,
    ) -> reqwest::Result<reqwest::ClientBuilder> {
        if let Some(Proxy { url }) = &self.http {
            builder = builder.proxy(reqwest::Proxy::http(url.clone())?);
        }
        if let Some(Proxy { url }) = &self.https {
            builder = builder.proxy(reqwest::Proxy::https(url.clone())?);
        }
        Ok(builder)
    }
}

/// One entry of `NO_PROXY`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// A name and those below it.
    Domain(String),
    /// The addresses that begin with so many bits of this one.
    Range(IpAddr, u32),
}

impl Exception {
    fn read(text: &str) -> Self {
        if let Some(hosts) = Hosts::of_addresses(text) {
            return Self { hosts, port: None };
        }
        let (host, port) = match text.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
            Some((host, Ok(port))) => (host, Some(port)),
            _ => (text, None),
        };
        let hosts = match host {
            "*" => Hosts::All,
            host => Hosts::of_addresses(host).unwrap_or_else(|| Hosts::of_names(host)),
        };
        Self { hosts, port }
    }

    fn fits(&self, url: &Url) -> bool {
        self.port.is_none_or(|port| url.port_or_known_default() == Some(port)) && self.hosts.include(url)
    }
}

impl Hosts {
    /// Reads an address, in brackets or not, or a range.
    fn of_addresses(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(it, bits)| (it, Some(bits)));
        let address: IpAddr = address.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(all), |bits| bits.parse().ok())?;
        (bits <= all).then_some(Self::Range(address, bits))
    }

    /// `.example.org` and `*.example.org` mean what `example.org` means.
    fn of_names(text: &str) -> Self {
        Self::Domain(text.trim_start_matches('*').trim_matches('.').to_ascii_lowercase())
    }

    fn include(&self, url: &Url) -> bool {
        match (self, url.host()) {
            (_, None) => false,
            (Self::All, _) => true,
            (Self::Domain(domain), Some(Host::Domain(host))) => {
                let above = host.trim_end_matches('.').strip_suffix(domain.as_str());
                !domain.is_empty() && above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Self::Range(address, bits), Some(Host::Ipv4(host))) => contains(*address, *bits, host.into()),
            (Self::Range(address, bits), Some(Host::Ipv6(host))) => contains(*address, *bits, host.into()),
            _ => false,
        }
    }
}

fn contains(range: IpAddr, bits: u32, address: IpAddr) -> bool {
    match (range, address) {
        (IpAddr::V4(range), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or_default();
            u32::from(range) & mask == u32::from(address) & mask
        }
        (IpAddr::V6(range), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or_default();
            u128::from(range) & mask == u128::from(address) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(http: &str, https: &str, no_proxy: &str) -> Result<Proxies> {
        let [http, https, no_proxy] = [http, https, no_proxy].map(|text| Some(text.to_owned()));
        Proxies::new(&ProxyConfig { http, https, no_proxy })
    }

    #[test]
    fn the_scheme_decides() {
        let proxies = proxies("one.lan:3128", "socks5h://user:hunter2@two.lan:1080", "").unwrap();
        for (url, proxy) in [
            ("http://a.example/", Some("http://one.lan:3128")),
            ("https://a.example/", Some("socks5h://two.lan:1080")),
            ("http://localhost:5000/", None),
            ("https://[::1]/", None),
        ] {
            let found = proxies.of(&url.parse().unwrap()).map(ToString::to_string);
            assert_eq!(found.as_deref(), proxy, "{url}");
        }
        assert!(!format!("{proxies:?}").contains("hunter2"));
    }

    #[test]
    fn exceptions_are_names_addresses_and_ranges() {
        let cases = [
            ("example.org", "https://example.org/", true),
            ("example.org", "https://a.example.org:5000/", true),
            ("example.org", "https://badexample.org/", false),
            (".example.org", "https://example.org/", true),
            ("*.Example.org", "https://a.b.example.org/", true),
            ("a.lan, example.org", "https://example.org./", true),
            ("example.org:5000", "https://example.org:5000/", true),
            ("example.org:5000", "https://example.org/", false),
            ("*", "https://a.example/", true),
            ("10.0.0.1", "https://10.0.0.1:5000/", true),
            ("10.0.0.1", "https://10.0.0.2/", false),
            ("10.0.0.1:443", "https://10.0.0.1/", true),
            ("10.1.0.0/16 192.168.0.0/24", "https://192.168.0.77/", true),
            ("10.1.0.0/16", "https://10.2.0.1/", false),
            ("0.0.0.0/0", "https://10.2.0.1/", true),
            ("fd00::/8", "https://[fd12::1]/", true),
            ("[fd00::1]:5000", "https://[fd00::1]:5000/", true),
            ("10.0.0.0/33", "https://10.0.0.1/", false),
            (",., ,", "https://a.example/", false),
        ];
        for (no_proxy, url, is_direct) in cases {
            let proxies = proxies("http://p", "http://p", no_proxy).unwrap();
            assert_eq!(proxies.of(&url.parse().unwrap()).is_none(), is_direct, "{no_proxy} {url}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_being_shown() {
        for text in ["ftp://user:hunter2@p", "socks4://p", "http://", "http://user:hunter2@", "::"] {
            let error = proxies("", text, "").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
        assert!(proxies("", " ", "").unwrap().of(&"https://a/".parse().unwrap()).is_none());
        let config = ProxyConfig { http: Some("http://u:hunter2@p".to_owned()), ..ProxyConfig::default() };
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
