//! Where a registry may lead its clients: a public one to no private address (go-containerregistry issue
//! 2440). Redirects, `Location`, `Link` and `realm` are a server's word, and without a bound they would turn
//! every client into a door to what lies around it: to the services of its own machine, of its network, and
//! to those that give a cloud machine its rights.
//!
//! - Names are judged by the address that the connection really goes to: the resolver of the connection
//!   itself leaves private ones out, so nothing lies between the check and the use.
//! - Hosts that are addresses never reach a resolver, and are judged before.
//! - The registry's own host is the user's choice and always allowed. Where it is private itself, as a
//!   site's registry is, it may lead to private addresses.
//! - To the addresses at which machines are given their rights, it may not lead even then: no registry keeps
//!   anything there. Only one that is at such an address itself may lead to that very one.
//! - Behind a proxy the proxy resolves names, so that only addresses and the names of the user's own table
//!   can be judged; and a registry whose address is not known counts as a public one.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::addresses::{is_metadata, is_private};

/// The addresses that a lookup gives.
pub(super) type Found = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// The network around: how names become addresses, and which of them are not public.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network {
    pub(super) lookup: fn(String) -> Found,
    pub(super) is_private: fn(IpAddr) -> bool,
}

impl Default for Network {
    fn default() -> Self {
        Self { lookup: |host| Box::pin(system_lookup(host)), is_private }
    }
}

async fn system_lookup(host: String) -> io::Result<Vec<IpAddr>> {
    Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
}

/// A registry leads to where it may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misled {
    host: String,
    address: IpAddr,
}

impl fmt::Display for Misled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address } = self;
        let kind = if is_metadata(*address) { "link-local or metadata" } else { "private" };
        match host.parse::<IpAddr>() {
            Ok(_) => write!(f, "it leads to the {kind} address {address}"),
            Err(_) => write!(f, "it leads to {host}, which is at the {kind} address {address}"),
        }
    }
}

impl std::error::Error for Misled {}

/// Decides where connections may go that one registry asks for.
#[derive(Debug)]
pub(super) struct Guard {
    /// The registry's own host.
    own: String,
    /// The user's own addresses of hosts.
    table: Vec<(String, IpAddr)>,
    network: Network,
    seen: Mutex<Seen>,
}

/// What is known of where the registry itself is.
#[derive(Debug, Default)]
struct Seen {
    /// Whether it was only ever found at private addresses; `None` where nothing is known.
    is_private: Option<bool>,
    /// At which of the addresses that nobody is led to it was found at first.
    metadata: Vec<IpAddr>,
}

impl Guard {
    pub(super) fn new(own: &Url, table: &[(String, IpAddr)], network: Network) -> Self {
        let table = table.iter().map(|(host, address)| (host.to_ascii_lowercase(), *address)).collect();
        let guard = Self { own: host_of(own), table, network, seen: Mutex::default() };
        guard.observe(&guard.known(&guard.own));
        guard
    }

    /// Judges a host that is an address, or one of the user's table.
    pub(super) fn check(&self, url: &Url) -> Result<(), Misled> {
        let host = host_of(url);
        let addresses = self.known(&host);
        if addresses.is_empty() { Ok(()) } else { self.allowed(&host, addresses).map(drop) }
    }

    /// Returns the addresses of a host that need no lookup.
    fn known(&self, host: &str) -> Vec<IpAddr> {
        match host.parse() {
            Ok(address) => vec![address],
            Err(_) => self.table.iter().filter(|(name, _)| name == host).map(|(_, it)| *it).collect(),
        }
    }

    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let known = self.known(host);
        let found = if known.is_empty() { (self.network.lookup)(host.to_owned()).await? } else { known };
        if found.is_empty() { Err(io::Error::other("the name has no address")) } else { Ok(found) }
    }

    /// Keeps the addresses of a host that may be connected to.
    fn allowed(&self, host: &str, mut addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, Misled> {
        let is_own = host == self.own;
        if is_own {
            self.observe(&addresses);
        }
        let first = addresses.first().copied();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.retain(|address| match () {
            () if is_metadata(*address) => seen.metadata.contains(address),
            () => is_own || seen.is_private == Some(true) || !(self.network.is_private)(*address),
        });
        match first {
            Some(address) if addresses.is_empty() => Err(Misled { host: host.to_owned(), address }),
            _ => Ok(addresses),
        }
    }

    /// Learns from the registry's own addresses. Who was public once stays so, and who was elsewhere once
    /// does not move to where machines get their rights: a name that changes sides is what an attacker would
    /// use.
    fn observe(&self, addresses: &[IpAddr]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if addresses.is_empty() || seen.is_private == Some(false) {
            return;
        }
        if seen.is_private.is_none() {
            seen.metadata = addresses.iter().copied().filter(|address| is_metadata(*address)).collect();
        }
        seen.is_private = Some(addresses.iter().all(|address| (self.network.is_private)(*address)));
    }
}

/// Resolves names for the connections of one registry.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    pub(super) guard: Arc<Guard>,
    /// Whether the names are those of hosts that a registry may have named, and not of the user's proxies.
    pub(super) is_strict: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { guard, is_strict } = self.clone();
        Box::pin(async move {
            let mut addresses = guard.addresses(name.as_str()).await?;
            if is_strict {
                addresses = guard.allowed(name.as_str(), addresses)?;
            }
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// Returns the host; an IPv6 address without its brackets.
fn host_of(url: &Url) -> String {
    match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Where nobody is led, in all the forms that a URL has for it.
    const METADATA: [&str; 14] = [
        "http://169.254.169.254/",
        "http://0xa9.0xfe.0xa9.0xfe/",
        "http://2852039166/",
        "http://169.254.170.2/",
        "http://100.100.100.200/",
        "https://168.63.129.16/",
        "http://192.0.0.192/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::169.254.169.254]/",
        "http://[64:ff9b:1::169.254.169.254]/",
        "http://[2002:a9fe:a9fe::]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://[fd20:ce::254]/",
    ];

    /// Names that say where they are: `public.…`, `private.…`, `both.…`, and so on.
    fn lookup(host: String) -> Found {
        Box::pin(async move {
            Ok(match host.split('.').next() {
                Some("public") => vec![ip("203.0.113.7")],
                Some("private") => vec![ip("10.0.0.7"), ip("fd00::7")],
                Some("metadata") => vec![ip("169.254.169.254")],
                Some("mixed") => vec![ip("fe80::8"), ip("10.0.0.8")],
                Some("both") => vec![ip("192.168.0.7"), ip("2001:db8::7")],
                _ => Vec::new(),
            })
        })
    }

    fn guard(own: &str) -> Arc<Guard> {
        let table = [("table.in".to_owned(), ip("10.9.9.9")), ("Table.Out".to_owned(), ip("203.0.113.9"))];
        let network = Network { lookup, is_private };
        Arc::new(Guard::new(&own.parse().unwrap(), &table, network))
    }

    async fn resolve(guard: &Arc<Guard>, host: &str) -> Result<String, String> {
        let resolver = Resolver { guard: Arc::clone(guard), is_strict: true };
        let found = resolver.resolve(host.parse().unwrap()).await.map_err(|error| error.to_string())?;
        Ok(found.map(|address| address.ip().to_string()).collect::<Vec<_>>().join(" "))
    }

    #[tokio::test]
    async fn a_public_registry_leads_to_public_addresses_only() {
        let guard = guard("https://public.example/");
        for _ in 0..2 {
            assert_eq!(resolve(&guard, "public.storage").await.unwrap(), "203.0.113.7");
            assert_eq!(
                resolve(&guard, "private.storage").await.unwrap_err(),
                "it leads to private.storage, which is at the private address 10.0.0.7"
            );
            assert_eq!(resolve(&guard, "both.storage").await.unwrap(), "2001:db8::7");
            assert!(resolve(&guard, "table.in").await.is_err());
            assert_eq!(resolve(&guard, "table.out").await.unwrap(), "203.0.113.9");
            assert_eq!(resolve(&guard, "nowhere").await.unwrap_err(), "the name has no address");
            // The second time its own address is known.
            assert_eq!(resolve(&guard, "public.example").await.unwrap(), "203.0.113.7");
        }
    }

    #[tokio::test]
    async fn a_private_registry_leads_anywhere_once_its_address_is_known() {
        for own in ["https://private.example:5000/", "https://table.in/"] {
            let guard = guard(own);
            let host = host_of(&own.parse().unwrap());
            resolve(&guard, &host).await.unwrap();
            assert_eq!(resolve(&guard, "private.storage").await.unwrap(), "10.0.0.7 fd00::7");
            for url in METADATA {
                let misled = guard.check(&url.parse().unwrap()).unwrap_err().to_string();
                assert!(misled.starts_with("it leads to the link-local or metadata address "), "{misled}");
            }
            let misled = resolve(&guard, "metadata.storage").await.unwrap_err();
            assert_eq!(
                misled,
                "it leads to metadata.storage, which is at the link-local or metadata address 169.254.169.254"
            );
            assert_eq!(resolve(&guard, "mixed.storage").await.unwrap(), "10.0.0.8");
        }
        let unknown = guard("https://private.example/");
        assert!(resolve(&unknown, "private.storage").await.is_err());
        for own in ["http://127.0.0.1:5000/", "http://[fd00::1]/"] {
            assert!(guard(own).check(&"http://10.0.0.1/".parse().unwrap()).is_ok(), "{own}");
        }
    }

    #[tokio::test]
    async fn a_registry_at_a_link_local_address_leads_to_that_very_one() {
        let guard = guard("http://metadata.example/");
        assert!(resolve(&guard, "metadata.storage").await.is_err(), "its own address is not known yet");
        assert_eq!(resolve(&guard, "metadata.example").await.unwrap(), "169.254.169.254");
        assert_eq!(resolve(&guard, "metadata.storage").await.unwrap(), "169.254.169.254");
        assert!(guard.check(&"http://169.254.169.254:8080/".parse().unwrap()).is_ok());
        assert!(guard.check(&"http://169.254.170.2/".parse().unwrap()).is_err());
        let guard = self::guard("http://[fe80::1]:5000/");
        assert!(guard.check(&"http://[fe80::1]/".parse().unwrap()).is_ok());
        assert!(guard.check(&"http://[fe80::2]:5000/".parse().unwrap()).is_err());
    }

    /// By its own name it may not either, once it was elsewhere.
    #[tokio::test]
    async fn who_was_elsewhere_once_does_not_move_to_the_metadata() {
        for elsewhere in ["10.0.0.1", "203.0.113.7"] {
            let guard = guard("https://metadata.example/");
            guard.observe(&[ip(elsewhere)]);
            assert_eq!(
                resolve(&guard, "metadata.example").await.unwrap_err(),
                "it leads to metadata.example, which is at the link-local or metadata address 169.254.169.254"
            );
        }
    }

    #[tokio::test]
    async fn who_was_public_once_stays_so() {
        let guard = guard("https://both.example/");
        assert_eq!(resolve(&guard, "both.example").await.unwrap(), "192.168.0.7 2001:db8::7");
        guard.observe(&[ip("10.0.0.1")]);
        assert!(resolve(&guard, "private.storage").await.is_err());
    }

    #[test]
    fn hosts_that_are_addresses_are_judged_before() {
        let guard = guard("https://203.0.113.1/");
        for (url, is_fine) in [
            ("https://203.0.113.1:8443/", true),
            ("https://203.0.113.2/", true),
            ("https://10.0.0.1/", false),
            ("https://0x7f.1/", false),
            ("https://2130706433/", false),
            ("https://[::ffff:192.168.1.1]/", false),
            ("https://table.in/", false),
            ("https://private.storage/", true),
        ] {
            assert_eq!(guard.check(&url.parse().unwrap()).is_ok(), is_fine, "{url}");
        }
        let misled = guard.check(&"https://[fe80::1]/".parse().unwrap()).unwrap_err();
        assert_eq!(misled.to_string(), "it leads to the link-local or metadata address fe80::1");
        let misled = guard.check(&"https://10.0.0.1/".parse().unwrap()).unwrap_err();
        assert_eq!(misled.to_string(), "it leads to the private address 10.0.0.1");
    }
}
