//! The one loop that repeats requests, and what a server says about when to come back.
//!
//! A request states its facts ([`Repeat`]); an attempt states what became of it ([`Attempt`]). Nothing in
//! here knows HTTP's methods, and no other module of the client has a loop of its own. Bodies that are
//! streams cannot be repeated and never come here; answers that are streams are repeated by whoever reads
//! them, who would repeat them anyway where they break off later, and only the first attempt is made here.

use std::future::Future;
use std::time::{Duration, SystemTime};

use sealift_store::Backoff;

/// How often a request is repeated, and how long to wait before.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// How often a request is sent at most; at least 1.
    pub attempts: u32,
    /// How long to wait before the next attempt; a server that asks for more is busy.
    pub backoff: Backoff,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 5, backoff: Backoff::default() }
    }
}

/// Whether a request may be sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Twice is as good as once.
    Always,
    /// Only where the first one had no effect for certain.
    IfWithoutEffect,
    /// Nothing depends on it, or whoever asks does so again himself.
    Never,
}

/// What became of one attempt.
#[derive(Debug)]
pub(super) enum Attempt<T> {
    /// Another one would end the same way.
    Final(T),
    /// Another one may end better.
    Transient {
        /// What remains if there is no other attempt.
        outcome: T,
        /// Whether it is certain that nothing was done.
        without_effect: bool,
        /// How long the server asked to wait.
        asked: Option<Duration>,
    },
}

/// Makes attempts until one is final or the policy ends them; tells of each that is repeated.
pub(super) async fn repeat<T, F>(
    policy: &RetryPolicy,
    fact: Repeat,
    tell: impl Fn(),
    mut attempt: impl FnMut() -> F,
) -> T
where
    F: Future<Output = Attempt<T>>,
{
    let mut count = 0;
    loop {
        let (outcome, without_effect, asked) = match attempt().await {
            Attempt::Final(outcome) => return outcome,
            Attempt::Transient { outcome, without_effect, asked } => (outcome, without_effect, asked),
        };
        count += 1;
        let may = match fact {
            Repeat::Always => true,
            Repeat::IfWithoutEffect => without_effect,
            Repeat::Never => false,
        };
        match policy.backoff.wait(count, asked).filter(|_| may && count < policy.attempts) {
            Some(wait) => {
                tell();
                tokio::time::sleep(wait).await;
            }
            None => return outcome,
        }
    }
}

/// Reads a `Retry-After` header (RFC 9110, section 10.2.3): seconds, or a date. A date in the past means at
/// once. `now` is the server's own `Date` where it sent one, so that clocks need not agree.
pub(super) fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More seconds than a number holds are too many whatever the bound is.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::time::Instant;

    fn transient(asked: Option<u64>, without_effect: bool) -> Attempt<&'static str> {
        Attempt::Transient { outcome: "no", without_effect, asked: asked.map(Duration::from_secs) }
    }

    /// Plays the attempts and returns the outcome, how many were made, and how long it took. Each but the last
    /// is told of.
    async fn play(fact: Repeat, attempts: Vec<Attempt<&'static str>>) -> (&'static str, usize, Duration) {
        let backoff = Backoff { jitter: || 1.0, ..Backoff::default() };
        let policy = RetryPolicy { backoff, ..RetryPolicy::default() };
        let (began, total) = (Instant::now(), attempts.len());
        let mut attempts = attempts.into_iter();
        let told = std::cell::Cell::new(0);
        let tell = || told.set(told.get() + 1);
        let outcome = repeat(&policy, fact, tell, || {
            let next = attempts.next().unwrap();
            async { next }
        });
        let outcome = outcome.await;
        let made = total - attempts.len();
        assert_eq!(told.get(), made - 1);
        (outcome, made, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_bounded_and_waits_double() {
        let many = (0..9).map(|_| transient(None, false)).collect();
        let (outcome, count, elapsed) = play(Repeat::Always, many).await;
        assert_eq!((outcome, count), ("no", 5));
        assert!((4500..4600).contains(&elapsed.as_millis()), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_facts_of_a_request_decide() {
        let cases = [
            (Repeat::Always, false, 2),
            (Repeat::IfWithoutEffect, false, 1),
            (Repeat::IfWithoutEffect, true, 2),
            (Repeat::Never, true, 1),
        ];
        for (fact, without_effect, expected) in cases {
            let attempts = vec![transient(None, without_effect), Attempt::Final("yes")];
            let (outcome, count, _) = play(fact, attempts).await;
            assert_eq!(count, expected, "{fact:?} {without_effect}");
            assert_eq!(outcome, if expected == 2 { "yes" } else { "no" });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_may_ask_for_a_wait_up_to_a_bound() {
        let attempts = |asked| vec![transient(Some(asked), true), Attempt::Final("yes")];
        let (outcome, _, elapsed) = play(Repeat::Always, attempts(7)).await;
        assert_eq!((outcome, elapsed.as_secs()), ("yes", 7));
        let (outcome, count, elapsed) = play(Repeat::Always, attempts(121)).await;
        assert_eq!((outcome, count, elapsed.as_secs()), ("no", 1, 0));
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let cases = [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse_retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "\\PC{0,40}|[A-Za-z0-9, :-]{0,30}") {
            let _ = parse_retry_after(&text, SystemTime::now());
        }
    }
}
