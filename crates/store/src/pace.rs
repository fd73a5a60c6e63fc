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
    /// How late somebody may come without losing the turn.
    slack: Duration,
    /// When the next one may go.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// Allows `per_second` units a second; at least one in a day.
    #[must_use]
    pub fn new(per_second: f64) -> Self {
        const ONE_A_DAY: f64 = 1.0 / 86_400.0;
        Self { per_second: per_second.max(ONE_A_DAY), slack: Duration::ZERO, next: Mutex::default() }
    }

    /// Makes up for waking up late, up to so much: timers are no better than that, and without it every piece of a
    /// fast stream would lose a little.
    #[must_use]
    pub fn with_slack(self, slack: Duration) -> Self {
        Self { slack, ..self }
    }

    /// Waits until `units` may go. Who asks first goes first.
    pub async fn wait(&self, units: u64) {
        tokio::time::sleep_until(self.turn(units, Instant::now())).await;
    }

    fn turn(&self, units: u64, now: Instant) -> Instant {
        let mut next = lock(&self.next);
        let earliest = now.checked_sub(self.slack).unwrap_or(now);
        let turn = next.map_or(now, |next| next.max(earliest));
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
    async fn waking_up_late_costs_nothing_where_there_is_slack() {
        let late = async |pace: Pace| {
            let began = Instant::now();
            for _ in 0..100 {
                pace.wait(10).await;
                tokio::time::sleep(Duration::from_millis(12)).await;
            }
            began.elapsed().as_millis()
        };
        // 10 units take 10 ms at this pace; each time 12 ms pass until somebody asks again, 2 ms of them lost.
        let pace = || Pace::new(1000.0).with_slack(Duration::from_millis(50));
        assert_eq!(late(pace()).await, 1200);
        let (pace, began) = (pace(), Instant::now());
        pace.wait(1).await;
        tokio::time::sleep(Duration::from_millis(40)).await;
        for _ in 0..1000 {
            pace.wait(1).await;
        }
        assert_eq!(began.elapsed().as_millis(), 1000, "40 ms were made up for");
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
