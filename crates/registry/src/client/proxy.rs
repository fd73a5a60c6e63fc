//! Proxies: which request goes through which one. What is set comes in as values; this library reads no
//! environment, and neither may [`reqwest`].
//!
//! Loopback never goes through a proxy, whose loopback is another machine.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealift_store::ErrorKind;
use url::{Host, ParseError, Url};
use zeroize::Zeroizing;

use super::auth::Veil;
use super::fault::{Fault, Purpose};
use super::transport::is_loopback;

/// The schemes of proxies. `socks5` resolves names here and `socks5h` at the proxy, as curl has it.
const SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];

/// The proxies to go through, as the usual variables have them.
#[derive(Clone, Debug, Default)]
pub struct ProxyConfig {
    /// For `http` addresses (`HTTP_PROXY`).
    pub http: Option<Proxy>,
    /// For `https` addresses (`HTTPS_PROXY`).
    pub https: Option<Proxy>,
    /// Hosts that are reached without one, separated by commas (`NO_PROXY`): names, which stand for the names
    /// below them too, addresses, ranges of addresses such as `10.0.0.0/8`, each with or without a port; or
    /// `*` for all.
    pub no_proxy: Option<String>,
}

/// One proxy. Its address may have a user and a password in it, which neither form shows.
#[derive(Clone)]
pub struct Proxy {
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

/// Why a text is no proxy's address. Nothing of the text is repeated: there may be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Another scheme.
    #[error("its scheme is none of http, https, socks5 and socks5h")]
    Scheme,
    /// The user or password has a character that ends the part that it stands in. What comes behind it would
    /// be taken for the host, and told in messages.
    #[error("the user or password in it has an @ / \\ ? or # that is not encoded")]
    Unencoded,
    /// No host, or none that can be.
    #[error("it names no host")]
    Host,
    /// The port is no port.
    #[error("its port is no number from 1 to 65535")]
    Port,
}

/// Reads an address, `http` where it has no scheme.
impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let scheme = scheme.to_ascii_lowercase();
        if !SCHEMES.contains(&scheme.as_str()) {
            return Err(ProxyError::Scheme);
        }
        // Readers of URLs do not agree on these characters, so none of them is left to one.
        let (authority, behind) = rest.split_at(rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len()));
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        if behind.contains('@') || user.contains('@') {
            return Err(ProxyError::Unencoded);
        }
        if host.is_empty() || host.starts_with(':') {
            return Err(ProxyError::Host);
        }
        let url = Url::parse(&format!("{scheme}://{rest}")).map_err(|error| match error {
            ParseError::InvalidPort => ProxyError::Port,
            _ => ProxyError::Host,
        })?;
        if url.port() == Some(0) { Err(ProxyError::Port) } else { Ok(Self { url }) }
    }
}

impl Proxy {
    /// Puts the password in the address under a veil.
    fn hide(&self, veil: &mut Veil) {
        let [user, password] = [self.url.username(), self.url.password().unwrap_or_default()].map(decoded);
        if !password.is_empty() {
            veil.add(&password);
            let pair = Zeroizing::new(format!("{}:{}", *user, *password));
            veil.add_encoded(&STANDARD.encode(pair.as_bytes()));
        }
    }

    /// Makes the fault of a proxy that wants to know who asks.
    pub(super) fn wants_credentials(&self, purpose: &Purpose) -> Fault {
        let has_user = !self.url.username().is_empty();
        let what = if has_user { "refuses the user and password" } else { "wants a user and password" };
        purpose.fault(ErrorKind::Unauthenticated).because(format_args!("the proxy {self} {what}"))
    }
}

/// Undoes the encoding of a part of a URL. A form has it too, but for two characters.
fn decoded(part: &str) -> Zeroizing<String> {
    let form = Zeroizing::new(part.replace('+', "%2B").replace('&', "%26").replacen("", "=", 1));
    let value = url::form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value.into_owned());
    Zeroizing::new(value.unwrap_or_default())
}

/// The proxies of one client.
#[derive(Clone, Debug)]
pub(super) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    direct: Vec<Exception>,
}

impl Proxies {
    pub(super) fn new(config: &ProxyConfig) -> Self {
        let exceptions = config.no_proxy.as_deref().unwrap_or_default();
        let exceptions = exceptions.split([',', ' ']).map(str::trim).filter(|text| !text.is_empty());
        Self {
            http: config.http.clone(),
            https: config.https.clone(),
            direct: exceptions.map(Exception::read).collect(),
        }
    }

    /// Puts the passwords under a veil.
    pub(super) fn hide(&self, veil: &mut Veil) {
        [&self.http, &self.https].into_iter().flatten().for_each(|proxy| proxy.hide(veil));
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
    use proptest::prelude::*;

    fn proxies(http: &str, https: &str, no_proxy: &str) -> Proxies {
        let [http, https] = [http, https].map(|text| Some(text.parse().unwrap()));
        Proxies::new(&ProxyConfig { http, https, no_proxy: Some(no_proxy.to_owned()) })
    }

    #[test]
    fn the_scheme_decides() {
        let proxies = proxies("one.lan:3128", "socks5h://user:hunter2@two.lan:1080", "");
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
            let proxies = proxies("http://p", "http://p", no_proxy);
            assert_eq!(proxies.of(&url.parse().unwrap()).is_none(), is_direct, "{no_proxy} {url}");
        }
    }

    /// address → what it is read as, or why not.
    #[test]
    fn addresses_are_read_or_refused_without_being_shown() {
        use ProxyError::{Host, Port, Scheme, Unencoded};
        let cases = [
            ("p.lan:3128", Ok("http://p.lan:3128")),
            (" HTTP://user:hunter2@p.lan ", Ok("http://p.lan")),
            ("user:hunter2@p.lan:3128", Ok("http://p.lan:3128")),
            ("http://user:hunter2%40%2F@p.lan:3128/", Ok("http://p.lan:3128")),
            ("http://user:hunter2:x@p.lan", Ok("http://p.lan")),
            ("socks5h://[fd00::1]:1080", Ok("socks5h://[fd00::1]:1080")),
            ("ftp://user:hunter2@p.lan", Err(Scheme)),
            ("socks4://p.lan", Err(Scheme)),
            ("hunter2://p.lan", Err(Scheme)),
            ("user:hunter2://@p.lan", Err(Scheme)),
            ("http://user:hunter2@x@p.lan", Err(Unencoded)),
            ("http://user:12/hunter2@p.lan", Err(Unencoded)),
            ("socks5://user:hunter2?x@p.lan", Err(Unencoded)),
            ("http://user:hunter2#x@p.lan", Err(Unencoded)),
            ("http://user:hunter2\\x@p.lan", Err(Unencoded)),
            ("", Err(Host)),
            ("http://", Err(Host)),
            ("socks5://:1080", Err(Host)),
            ("http://user:hunter2@", Err(Host)),
            ("http://user:hunter2@:3128", Err(Host)),
            ("http://user:hunter2@a b", Err(Host)),
            ("::", Err(Host)),
            ("http://user:hunter2", Err(Port)),
            ("http://p.lan:65536", Err(Port)),
            ("socks5://p.lan:0", Err(Port)),
        ];
        for (text, expected) in cases {
            let read = text.parse::<Proxy>();
            let shown =
                format!("{read:?} {}", read.as_ref().map_or_else(ToString::to_string, |it| it.to_string()));
            assert!(!shown.contains("hunter2"), "{shown}");
            assert_eq!(read.map(|proxy| proxy.to_string()), expected.map(str::to_owned), "{text}");
        }
        let config = ProxyConfig { http: "http://u:hunter2@p".parse().ok(), ..ProxyConfig::default() };
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn any_address_is_read_without_panic(text in ".{0,30}|(https?|socks5h?)://[a-z:@/%\\[\\]0-9]{0,20}") {
            if let Ok(proxy) = text.parse::<Proxy>() {
                prop_assert!(proxy.url.host_str().is_some_and(|host| !host.is_empty()));
            }
        }
    }
}
