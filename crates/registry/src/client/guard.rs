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
//! - Behind a proxy the proxy resolves names, so that only addresses and the names of the user's own table
//!   can be judged; and a registry whose address is not known counts as a public one.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

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

/// A public registry leads to a private address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misled {
    host: String,
    address: IpAddr,
}

impl fmt::Display for Misled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address } = self;
        match host.parse::<IpAddr>() {
            Ok(_) => write!(f, "it leads to the private address {address}"),
            Err(_) => write!(f, "it leads to {host}, which is at the private address {address}"),
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
    /// Whether the registry was only ever found at private addresses; `None` where that is not known.
    is_private: Mutex<Option<bool>>,
}

impl Guard {
    pub(super) fn new(own: &Url, table: &[(String, IpAddr)], network: Network) -> Self {
        let table = table.iter().map(|(host, address)| (host.to_ascii_lowercase(), *address)).collect();
        let guard = Self { own: host_of(own), table, network, is_private: Mutex::new(None) };
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
        if host == self.own {
            self.observe(&addresses);
            return Ok(addresses);
        }
        let is_private = *self.is_private.lock().unwrap_or_else(PoisonError::into_inner);
        if is_private == Some(true) {
            return Ok(addresses);
        }
        let first = addresses.first().copied();
        addresses.retain(|address| !(self.network.is_private)(*address));
        match first {
            Some(address) if addresses.is_empty() => Err(Misled { host: host.to_owned(), address }),
            _ => Ok(addresses),
        }
    }

    /// Learns from the registry's own addresses. Who was public once stays so: a name that changes sides is
    /// what an attacker would use.
    fn observe(&self, addresses: &[IpAddr]) {
        let mut is_private = self.is_private.lock().unwrap_or_else(PoisonError::into_inner);
        if !addresses.is_empty() && *is_private != Some(false) {
            *is_private = Some(addresses.iter().all(|address| (self.network.is_private)(*address)));
        }
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

/// Tells whether an address is not one of the public internet (IANA's special-purpose registries, and what
/// clouds use for their machines' own services).
pub(super) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(address) => is_private_v4(address),
            None => is_private_v6(address),
        },
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    /// Azure gives its machines their names, health and certificates here, outside of every private range.
    const AZURE_WIRE_SERVER: [u8; 4] = [168, 63, 129, 16];
    match address.octets() {
        // This network, private, loopback, multicast and reserved.
        [0 | 10 | 127 | 224..=255, ..] => true,
        // Carriers' NAT, where Alibaba's metadata are, too.
        [100, 64..=127, ..] => true,
        // Link-local, with the metadata of all other clouds.
        [169, 254, ..] => true,
        [172, 16..=31, ..] | [192, 168, ..] => true,
        // Protocol assignments, with Oracle's metadata; benchmarks.
        [192, 0, 0, _] | [198, 18..=19, ..] => true,
        octets => octets == AZURE_WIRE_SERVER,
    }
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => true,
        // Translation within a network (RFC 8215).
        [0x64, 0xff9b, 1, ..] => true,
        // Unique local, link-local, site-local (deprecated), multicast.
        [first, ..] => matches!(first, 0xfc00..=0xfdff | 0xfe80..=0xfeff | 0xff00..=0xffff),
    }
}

/// Finds the IPv4 address that an IPv6 address stands for: mapped, translated (RFC 6052), 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Names that say where they are: `public.…`, `private.…`, `both.…`.
    fn lookup(host: String) -> Found {
        Box::pin(async move {
            Ok(match host.split('.').next() {
                Some("public") => vec![ip("203.0.113.7")],
                Some("private") => vec![ip("10.0.0.7"), ip("fd00::7")],
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
            assert!(guard.check(&"http://169.254.169.254/".parse().unwrap()).is_ok());
        }
        let unknown = guard("https://private.example/");
        assert!(resolve(&unknown, "private.storage").await.is_err());
        for own in ["http://127.0.0.1:5000/", "http://[fd00::1]/"] {
            assert!(guard(own).check(&"http://10.0.0.1/".parse().unwrap()).is_ok(), "{own}");
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
        assert_eq!(misled.to_string(), "it leads to the private address fe80::1");
    }

    #[test]
    fn private_addresses() {
        let private = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.53",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:a00:1::",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        let public = [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "168.63.129.17",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.169.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::",
            "fe00::1",
        ];
        for (addresses, expected) in [(&private[..], true), (&public[..], false)] {
            for address in addresses {
                assert_eq!(is_private(ip(address)), expected, "{address}");
            }
        }
    }
}
