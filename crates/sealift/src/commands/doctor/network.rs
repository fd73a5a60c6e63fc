//! The way to a registry: its name, a connection, TLS, its clock, and the proxy on the way.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use sealift_registry::client::{Presented, RegistryClient, Seen, Way};
use sealift_store::{Error, ErrorKind, Operation};
use tokio::net::{TcpStream, lookup_host};

use super::findings::{Check, Part};
use super::{End, advice};
use crate::errors::Exit;
use crate::output::units::seconds;

/// How long a name server and a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Clocks that differ less do no harm; from here on tokens and certificates that are new or old can be refused.
const SKEW: Duration = Duration::from_secs(30);
/// From here on signatures and tokens are refused (Amazon's API bears five minutes).
const GREAT_SKEW: Duration = Duration::from_secs(300);
/// A certificate that ends so soon should be renewed.
const ENDS_SOON: Duration = Duration::from_secs(14 * 24 * 3600);
/// How many addresses are named.
const ADDRESSES: usize = 3;
const DAY: u64 = 24 * 3600;

/// Looks at the way to an end; what comes behind makes sense if all of it is fine.
pub(super) async fn examine(end: &End<'_>, part: &mut Part) {
    let way = match end.client.way() {
        Ok(way) => way,
        Err(error) => return part.checks.push(end.failed("name", error)),
    };
    let address = match &way.proxy {
        Some(proxy) => {
            part.skip(&["name", "connection"], "the proxy finds it");
            part.checks.push(Check::ok("proxy", format!("by way of {proxy}")));
            None
        }
        None => {
            let address = connect(end, &way, part).await;
            if address.is_none() {
                return part.skip(&["TLS", "clock"], "there is no connection");
            }
            part.checks.push(Check::ok("proxy", "none"));
            address
        }
    };
    match end.client.examine().await {
        Ok(seen) => {
            let shown = match address {
                Some(address) if seen.is_tls => certificates(&end.client, address).await,
                _ => Vec::new(),
            };
            part.checks.push(tls(&seen, &shown, SystemTime::now()));
            part.checks.push(clock(&seen, SystemTime::now()));
        }
        Err(error) => {
            let shown = match address {
                Some(address) if speaks_tls(&error) => certificates(&end.client, address).await,
                _ => Vec::new(),
            };
            let mut check = end.failed("TLS", error);
            if let Some(last) = shown.last() {
                check.found.push_str(&format!("; it shows {}, signed by {}", shown[0].subject, last.issuer));
            }
            part.checks.push(check);
            part.skip(&["clock"], "it does not answer");
        }
    }
}

/// Finds the addresses of a host and connects to one of them.
async fn connect(end: &End<'_>, way: &Way, part: &mut Part) -> Option<SocketAddr> {
    let addresses = match look_up(way).await {
        Ok(addresses) => addresses,
        Err(reason) => {
            part.checks.push(end.failed("name", unavailable(end, &reason)));
            part.skip(&["connection"], "there is no address");
            return None;
        }
    };
    let named: Vec<String> = addresses.iter().take(ADDRESSES).map(|it| it.ip().to_string()).collect();
    let how = if way.fixed.is_some() { " (--resolve)" } else { "" };
    part.checks.push(Check::ok("name", format!("{} is {}{how}", way.host, named.join(", "))));
    let mut reason = String::new();
    for address in addresses {
        match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(_)) => {
                part.checks.push(Check::ok("connection", format!("{address} answers")));
                return Some(address);
            }
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                reason = format!("{address} cannot be reached: connection refused");
            }
            Ok(Err(error)) => reason = format!("{address} cannot be reached: {error}"),
            Err(_) => reason = format!("{address} cannot be reached in time"),
        }
    }
    part.checks.push(end.failed("connection", unavailable(end, &reason)));
    None
}

async fn look_up(way: &Way) -> Result<Vec<SocketAddr>, String> {
    let fixed = way.fixed.or_else(|| way.host.parse::<IpAddr>().ok());
    if let Some(address) = fixed {
        return Ok(vec![SocketAddr::new(address, way.port)]);
    }
    let found = tokio::time::timeout(PATIENCE, lookup_host((way.host.as_str(), way.port))).await;
    match found {
        Ok(Ok(addresses)) => Ok(addresses.collect::<Vec<_>>()).and_then(|all| match all.is_empty() {
            true => Err("its name cannot be resolved: it has no address".to_owned()),
            false => Ok(all),
        }),
        Ok(Err(error)) => Err(format!("its name cannot be resolved: {error}")),
        Err(_) => Err("its name cannot be resolved: no name server answers".to_owned()),
    }
}

fn unavailable(end: &End<'_>, reason: &str) -> Error {
    Error::new(ErrorKind::Unavailable, Operation::Connect).at(end.registry).because(reason)
}

/// Tells whether it is a certificate that is wrong.
fn speaks_tls(error: &Error) -> bool {
    error.to_string().contains("certificate")
}

/// What a registry shows; where it cannot be read there is nothing to tell of it.
async fn certificates(client: &RegistryClient, address: SocketAddr) -> Vec<Presented> {
    client.certificates(address).await.unwrap_or_default()
}

fn tls(seen: &Seen, shown: &[Presented], now: SystemTime) -> Check {
    let server = seen.server.as_ref().map(|server| format!(" ({server})")).unwrap_or_default();
    if !seen.is_tls {
        let found = format!("plain HTTP{server}: nothing is encrypted");
        return Check::warn(
            "TLS",
            found,
            "Passwords can be read on the way: use it on a trusted network only.",
        );
    }
    let Some(first) = shown.first() else { return Check::ok("TLS", format!("trusted{server}")) };
    let left = first.ends.duration_since(now).unwrap_or_default();
    let found = format!("trusted, signed by {}, ends in {} days{server}", first.issuer, left.as_secs() / DAY);
    match left < ENDS_SOON {
        true => Check::warn("TLS", found, "Have the certificate renewed."),
        false => Check::ok("TLS", found),
    }
}

fn clock(seen: &Seen, now: SystemTime) -> Check {
    let Some(there) = seen.clock else { return Check::skipped("clock", "it does not tell the time") };
    let (apart, way) = match now.duration_since(there) {
        Ok(ahead) => (ahead, "ahead"),
        Err(error) => (error.duration(), "behind"),
    };
    let found = format!("this machine's clock is {} {way}", seconds(apart));
    let next = "Set this machine's clock right (chrony, timedatectl), or have the registry's set right.";
    match apart {
        _ if apart >= GREAT_SKEW => Check::fail("clock", found, advice(Exit::Failed, next)),
        _ if apart >= SKEW => Check::warn("clock", found, next),
        _ => Check::ok("clock", format!("agrees, within {} s", SKEW.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Verdict;

    fn seen(is_tls: bool, clock: Option<SystemTime>) -> Seen {
        Seen { is_tls, clock, server: None }
    }

    #[test]
    fn clocks_that_are_apart_are_told_with_their_difference() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let apart = |seconds: u64, is_ahead| {
            let difference = Duration::from_secs(seconds);
            let there = if is_ahead { now - difference } else { now + difference };
            clock(&seen(true, Some(there)), now)
        };
        for (seconds, is_ahead, verdict, words) in [
            (0, true, Verdict::Ok, "agrees"),
            (29, false, Verdict::Ok, "agrees"),
            (45, true, Verdict::Warn, "clock is 45 s ahead"),
            (7200, false, Verdict::Fail, "clock is 2h00m behind"),
        ] {
            let check = apart(seconds, is_ahead);
            assert_eq!(check.verdict, verdict, "{seconds}");
            assert!(check.found.contains(words), "{}", check.found);
        }
        assert_eq!(clock(&seen(true, None), now).verdict, Verdict::Skipped);
    }

    #[test]
    fn a_certificate_is_told_with_its_authority_and_its_end() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let shown = |days: u64| Presented {
            subject: "CN=ship".to_owned(),
            issuer: "CN=harbour".to_owned(),
            names: Vec::new(),
            begins: SystemTime::UNIX_EPOCH,
            ends: now + Duration::from_secs(days * DAY),
        };
        for (is_tls, days, verdict, words) in [
            (true, 90, Verdict::Ok, "signed by CN=harbour, ends in 90 days"),
            (true, 3, Verdict::Warn, "ends in 3 days"),
            (false, 90, Verdict::Warn, "plain HTTP"),
        ] {
            let check = tls(&seen(is_tls, None), &[shown(days)], now);
            assert_eq!(check.verdict, verdict, "{words}");
            assert!(check.found.contains(words), "{}", check.found);
        }
        assert_eq!(tls(&seen(true, None), &[], now).found, "trusted");
    }
}
