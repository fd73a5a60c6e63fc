//! How fast something moves: a mean over the last seconds, in which older ones count less and less.

use std::time::Duration;

/// A change of pace shows to two thirds after so long.
const MEMORY: Duration = Duration::from_secs(4);

/// A rate that is measured again and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speed {
    at: Duration,
    amount: u64,
    rate: Option<f64>,
}

impl Speed {
    /// Begins to measure at `amount`.
    pub(super) fn new(now: Duration, amount: u64) -> Self {
        Self { at: now, amount, rate: None }
    }

    /// Takes note of what there is now. What falls, since something begins again, counts as no move.
    pub(super) fn measure(&mut self, now: Duration, amount: u64) {
        let past = now.saturating_sub(self.at).as_secs_f64();
        if past <= 0.0 {
            return;
        }
        // What a float loses of so many bytes is never seen.
        #[allow(clippy::cast_precision_loss)]
        let current = amount.saturating_sub(self.amount) as f64 / past;
        let weight = (-past / MEMORY.as_secs_f64()).exp();
        self.rate = Some(self.rate.map_or(current, |rate| rate * weight + current * (1.0 - weight)));
        (self.at, self.amount) = (now, amount);
    }

    /// Returns the bytes in a second; none as long as nothing is known.
    pub(super) fn per_second(&self) -> Option<u64> {
        // A rate is not negative, and a float that is too large becomes the largest number.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        self.rate.map(|rate| rate as u64)
    }

    /// Returns how long the rest takes at this rate.
    pub(super) fn left(&self, rest: u64) -> Option<Duration> {
        let rate = self.rate.filter(|rate| *rate >= 1.0)?;
        #[allow(clippy::cast_precision_loss)]
        Duration::try_from_secs_f64(rest as f64 / rate).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_steady_pace_is_that_pace_and_tells_the_rest() {
        let mut speed = Speed::new(at(0), 0);
        assert_eq!((speed.per_second(), speed.left(10)), (None, None));
        for second in 1..=10 {
            speed.measure(at(second), second * 500);
            assert_eq!(speed.per_second(), Some(500));
        }
        assert_eq!(speed.left(1000), Some(at(2)));
        // The same moment again tells nothing.
        speed.measure(at(10), 99_999);
        assert_eq!(speed.per_second(), Some(500));
    }

    #[test]
    fn what_stands_still_has_no_end_and_what_falls_counts_as_still() {
        let mut speed = Speed::new(at(0), 0);
        speed.measure(at(1), 1000);
        for second in 2..60 {
            speed.measure(at(second), 10);
        }
        assert_eq!((speed.per_second(), speed.left(1000)), (Some(0), None));
    }

    #[test]
    fn a_change_shows_within_some_seconds() {
        let mut speed = Speed::new(at(0), 0);
        speed.measure(at(1), 1000);
        for second in 2..=13 {
            speed.measure(at(second), 1000 + (second - 1) * 100);
        }
        let rate = speed.per_second().unwrap();
        assert!((100..200).contains(&rate), "{rate}");
    }
}
