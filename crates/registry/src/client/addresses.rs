//! What an address says of the network that it is in. This is a table and knows nothing of registries; what
//! follows from it is said in [`super::guard`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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

/// Azure gives its machines their names, health and certificates here, outside of every private range.
const AZURE_WIRE_SERVER: [u8; 4] = [168, 63, 129, 16];

fn is_private_v4(address: Ipv4Addr) -> bool {
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

/// Tells whether an address is one of those at which machines are told who they are and what they may do:
/// link-local, and what single clouds use beside that.
pub(super) fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_metadata_v4(address),
        IpAddr::V6(address) => match (embedded(address), address.segments()) {
            (Some(address), _) => is_metadata_v4(address),
            // Translation within a network, where it embeds 32 bits at the end.
            (None, [0x64, 0xff9b, 1, .., high, low]) => is_metadata_v4(joined(high, low)),
            // Amazon's and Google's own, in ranges that are private otherwise.
            (None, [0xfd00, 0xec2, ..] | [0xfd20, 0xce, ..]) => true,
            (None, [first, ..]) => matches!(first, 0xfe80..=0xfebf),
        },
    }
}

fn is_metadata_v4(address: Ipv4Addr) -> bool {
    /// Alibaba's, among the addresses of carriers' NAT, and Oracle's, among the protocol assignments.
    const OTHERS: [[u8; 4]; 3] = [AZURE_WIRE_SERVER, [100, 100, 100, 200], [192, 0, 0, 192]];
    address.is_link_local() || OTHERS.contains(&address.octets())
}

/// Finds the IPv4 address that an IPv6 address stands for: mapped, translated (RFC 6052), 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(joined(high, low)),
        [0x2002, high, low, ..] => Some(joined(high, low)),
        _ => None,
    }
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
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

    /// Every one of them is private, too.
    #[test]
    fn metadata_addresses() {
        let metadata = [
            "169.254.169.254",
            "169.254.170.2",
            "169.254.0.0",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::169.254.169.254",
            "2002:a9fe:a9fe::",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
        ];
        let others = [
            "169.253.255.255",
            "100.100.100.201",
            "127.0.0.1",
            "192.0.0.193",
            "10.0.0.1",
            "::1",
            "fec0::1",
            "fd00::1",
            "fd00:ec3::254",
            "64:ff9b:1::10.0.0.1",
        ];
        for (addresses, expected) in [(&metadata[..], true), (&others[..], false)] {
            for address in addresses {
                assert_eq!(is_metadata(ip(address)), expected, "{address}");
                assert!(!expected || is_private(ip(address)), "{address}");
            }
        }
    }
}
