//! How long to wait before another attempt. Who counts attempts, and what counts as one, is the caller's.

use std::time::Duration;

/// The waits between attempts.
#[derive(Clone, Debug)]
pub struct Backoff {
    /// The wait after the first failure; it doubles with each one that follows.
    pub first_wait: Duration,
    /// The longest wait that is chosen here.
    pub longest_wait: Duration,
    /// The longest wait that a place may ask for.
    pub longest_asked: Duration,
    /// Gives a number from 0 to 1 that spreads waits, so that many clients do not come back at once.
    pub jitter: fn() -> f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_millis(300),
            longest_wait: Duration::from_secs(20),
            longest_asked: Duration::from_secs(120),
            jitter: || 0.5,
        }
    }
}

impl Backoff {
    /// Returns the wait after so many failures in a row: what the place asked for; else half of the doubled
    /// wait for certain, the other half by the jitter. There is none where the place asks for too long.
    #[must_use]
    pub fn wait(&self, failures: u32, asked: Option<Duration>) -> Option<Duration> {
        if asked.is_some() {
            return asked.filter(|asked| *asked <= self.longest_asked);
        }
        let doubled = self.first_wait.saturating_mul(1 << failures.saturating_sub(1).min(16));
        Some(doubled.min(self.longest_wait).mul_f64(0.5 + (self.jitter)().clamp(0.0, 1.0) / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// failures, what was asked for in seconds → milliseconds.
    #[test]
    fn waits_double_up_to_a_bound_and_a_place_may_ask_for_its_own() {
        let backoff = Backoff { jitter: || 1.0, ..Backoff::default() };
        let cases = [
            (0, None, Some(300)),
            (1, None, Some(300)),
            (2, None, Some(600)),
            (3, None, Some(1200)),
            (8, None, Some(20_000)),
            (u32::MAX, None, Some(20_000)),
            (1, Some(0), Some(0)),
            (8, Some(120), Some(120_000)),
            (1, Some(121), None),
        ];
        for (failures, asked, expected) in cases {
            let wait = backoff.wait(failures, asked.map(Duration::from_secs));
            assert_eq!(wait, expected.map(Duration::from_millis), "{failures} {asked:?}");
        }
    }

    #[test]
    fn chance_takes_at_most_half_of_a_wait() {
        let jitters: [(fn() -> f64, u64); 5] =
            [(|| 0.0, 150), (|| 0.5, 225), (|| 1.0, 300), (|| -7.0, 150), (|| 7.0, 300)];
        for (jitter, expected) in jitters {
            let wait = Backoff { jitter, ..Backoff::default() }.wait(1, None);
            assert_eq!(wait, Some(Duration::from_millis(expected)));
        }
    }
}
