//! A pace that is kept: so many bytes, or requests, a second over everything that shares it.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::sync::lock;

/// Spaces out what shares it. There is no burst: what comes after a pause is not faster than the pace, so
/// that the line is never asked for more than was allowed.
#[derive(Debug)]
pub struct Pace {
    per_second: f64,
    /// When the next one may go.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// Allows `per_second` units a second; at least one in a day.
    #[must_use]
    pub fn new(per_second: f64) -> Self {
        const ONE_A_DAY: f64 = 1.0 / 86_400.0;
        Self { per_second: per_second.max(ONE_A_DAY), next: Mutex::default() }
    }

    /// Waits until `units` may go. Who asks first goes first.
    pub async fn wait(&self, units: u64) {
        tokio::time::sleep_until(self.turn(units, Instant::now())).await;
    }

    fn turn(&self, units: u64, now: Instant) -> Instant {
        let mut next = lock(&self.next);
        let turn = next.map_or(now, |next| next.max(now));
        #[allow(clippy::cast_precision_loss, reason = "no count of bytes comes near 2^52")]
        let taken = Duration::try_from_secs_f64(units as f64 / self.per_second);
        *next = Some(turn + taken.unwrap_or(Duration::from_secs(86_400)));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test(start_paused = true)]
    async fn everything_that_shares_a_pace_keeps_it() {
        let (pace, began) = (Arc::new(Pace::new(1000.0)), Instant::now());
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let pace = Arc::clone(&pace);
                tokio::spawn(async move {
                    for _ in 0..50 {
                        pace.wait(25).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        // 5000 units at 1000 a second: the last 25 begin after 4.975 s.
        assert!((4.9..5.1).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_gives_no_credit() {
        let pace = Pace::new(10.0);
        pace.wait(1).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let began = Instant::now();
        for _ in 0..11 {
            pace.wait(1).await;
        }
        assert_eq!(began.elapsed().as_secs_f64().round() as u64, 1);
    }

    #[test]
    fn no_pace_is_too_small_or_too_large_to_keep() {
        for pace in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let _ = Pace::new(pace).turn(u64::MAX, Instant::now());
        }
    }
}
