//! Addresses that send wrong passwords, and how long each has to wait.
//!
//! A few wrong ones are free; then each doubles the wait, to a minute. Who has sent a right one before is not
//! held up by others at the same address, since that is remembered and not checked again.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// How many wrong passwords are free.
const FREE: u32 = 5;
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);
/// How long an address is kept after its last failure.
const KEPT: Duration = Duration::from_secs(15 * 60);
/// The most addresses that are kept; beyond it the one that failed longest ago is forgotten.
const ADDRESSES_LIMIT: usize = 4096;

/// The addresses that failed.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    failed: HashMap<IpAddr, Failures>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn end_of_wait(self) -> Instant {
        let doublings = self.count.saturating_sub(FREE);
        let wait = match doublings {
            0 => Duration::ZERO,
            _ => Duration::from_secs(1 << (doublings - 1).min(6)).min(LONGEST),
        };
        self.last + wait
    }
}

impl Throttle {
    /// Returns how long an address has to wait before it may try again, if at all.
    pub(super) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let end = self.failed.get(&whose(address))?.end_of_wait();
        Some(end.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// Notes a failure.
    pub(super) fn fail(&mut self, address: IpAddr, now: Instant) {
        self.failed.retain(|_, failures| now.saturating_duration_since(failures.last) < KEPT);
        let address = whose(address);
        if self.failed.len() >= ADDRESSES_LIMIT && !self.failed.contains_key(&address) {
            let oldest = self.failed.iter().min_by_key(|(_, failures)| failures.last).map(|(it, _)| *it);
            oldest.and_then(|oldest| self.failed.remove(&oldest));
        }
        let failures = self.failed.entry(address).or_insert(Failures { count: 0, last: now });
        *failures = Failures { count: failures.count.saturating_add(1), last: now };
    }
}

/// A site has at least 2^64 addresses of the sixth version, and can change them at will.
fn whose(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_wait_doubles_to_a_minute() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..14 {
            throttle.fail(address("10.0.0.1"), now);
            waits.push(throttle.wait(address("10.0.0.1"), now).unwrap_or_default().as_secs());
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        let later = now + Duration::from_secs(60);
        assert_eq!(throttle.wait(address("10.0.0.1"), later), None);
        assert_eq!(throttle.wait(address("10.0.0.2"), now), None);
    }

    #[test]
    fn an_address_is_forgotten_after_a_while() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..9 {
            throttle.fail(address("10.0.0.1"), now);
        }
        let later = now + KEPT;
        throttle.fail(address("10.0.0.1"), later);
        assert_eq!(throttle.wait(address("10.0.0.1"), later), None);
    }

    #[test]
    fn a_site_is_one_address() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for last in 0..9 {
            throttle.fail(address(&format!("2001:db8:1:2::{last}")), now);
        }
        assert!(throttle.wait(address("2001:db8:1:2:3::4"), now).is_some());
        assert_eq!(throttle.wait(address("2001:db8:1:3::1"), now), None);
    }

    #[test]
    fn the_table_is_bounded() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..9 {
            throttle.fail(address("10.0.0.1"), now + Duration::from_secs(1));
        }
        for number in 0..ADDRESSES_LIMIT as u32 + 100 {
            throttle.fail(IpAddr::V4((0xc000_0000 + number).into()), now);
        }
        assert_eq!(throttle.failed.len(), ADDRESSES_LIMIT);
        assert!(throttle.wait(address("10.0.0.1"), now + Duration::from_secs(1)).is_some());
    }
}
