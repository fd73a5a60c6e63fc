//! Tokens: reading them, keeping them, and knowing when they have ended.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use serde::Deserialize;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::super::Secret;
use super::super::fault::Fault;
use super::super::flight::Flight;
use super::{Scopes, sensitive, timestamp};

/// The largest answer of a token service, in bytes. Tokens of users with very many rights have reached
/// hundreds of kilobytes.
pub(in crate::client) const TOKEN_ANSWER_LIMIT: usize = 1024 * 1024;

/// How long a token lives where its service does not say (Docker token authentication, "Token response").
const DEFAULT_LIFETIME: u64 = 60;

/// A token is not believed to live longer; the clock that measures it has bounds.
const LONGEST_LIFETIME: u64 = 24 * 60 * 60;

/// A token is renewed that long before it ends, so that it does not end on its way; a short one after three
/// quarters of its life.
const MARGIN: Duration = Duration::from_secs(10);

/// A service that failed, although it was asked again and again, is left alone for so long: the next token
/// would be waited for in vain as well.
const REST: Duration = Duration::from_secs(10);

/// So many tokens in a row may be refused for a stream before the refusal is believed.
const STREAM_REFUSALS: u32 = 2;

/// A token, ready to be sent.
#[derive(Clone, Debug)]
pub(in crate::client) struct Token {
    header: HeaderValue,
    generation: u64,
    renewal: Instant,
}

impl Token {
    pub(super) fn header(&self) -> &HeaderValue {
        &self.header
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Tells whether it is still to be used.
    pub(in crate::client) fn is_good(&self, now: Instant) -> bool {
        now < self.renewal
    }

    /// Tells whether it is the one with that number.
    pub(in crate::client) fn is(&self, generation: u64) -> bool {
        self.generation == generation
    }
}

/// The tokens of one registry, by what they allow.
#[derive(Debug, Default)]
pub(in crate::client) struct Tokens {
    slots: Mutex<HashMap<Scopes, Arc<TokenSlot>>>,
    count: AtomicU64,
    /// How their service failed last, and when.
    failure: Mutex<Option<(Fault, Instant)>>,
}

/// The token for one set of scopes.
#[derive(Debug, Default)]
pub(in crate::client) struct TokenSlot {
    pub(in crate::client) flight: Flight<Token>,
    state: Mutex<SlotState>,
}

#[derive(Debug, Default)]
struct SlotState {
    /// What the registry wanted beyond what was asked for.
    extra: Scopes,
    /// The number of the token that was refused for a stream last, and how many were in a row.
    refused: Option<u64>,
    refusals: u32,
}

/// What a token service gave.
#[derive(Debug)]
pub(in crate::client) struct Granted {
    pub(in crate::client) token: Token,
    /// The refresh token to be used from now on.
    pub(in crate::client) refresh_token: Option<Secret>,
}

/// The answer of a token service. The first two names are both in use; they mean the same.
#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<serde_json::Value>,
    issued_at: Option<serde_json::Value>,
}

impl Tokens {
    /// Returns the slot for a set of scopes.
    pub(in crate::client) fn slot(&self, scopes: &Scopes) -> Arc<TokenSlot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(scopes.clone()).or_default())
    }

    /// Notes that the service failed. A refusal is no failure: of other scopes it may think otherwise.
    pub(in crate::client) fn failed(&self, fault: &Fault, now: Instant) {
        if fault.kind.is_transient() {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some((fault.clone(), now));
        }
    }

    /// Returns how the service failed, if that was a moment ago.
    pub(in crate::client) fn failure(&self, now: Instant) -> Option<Fault> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.as_ref().filter(|(_, at)| now < *at + REST).map(|(fault, _)| fault.clone())
    }

    /// Reads the answer to a request that was sent at `asked`; `None` where there is no token in it. `date`
    /// is the time of the answer by the service's own clock, which `issued_at` is read by.
    pub(in crate::client) fn read(
        &self,
        body: &[u8],
        asked: Instant,
        date: Option<SystemTime>,
    ) -> Option<Granted> {
        let Answer { token, access_token, refresh_token, expires_in, issued_at } =
            serde_json::from_slice(body).ok()?;
        let mut filled = [token, access_token].into_iter().flatten().map(Zeroizing::new);
        let token = filled.find(|token| !token.is_empty())?;
        let header = sensitive(&Zeroizing::new(format!("Bearer {}", token.as_str())))?;
        let generation = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let lifetime = Duration::from_secs(lifetime(expires_in.as_ref()));
        let renewal = asked + usable(lifetime - age(issued_at.as_ref(), date, lifetime));
        let refresh_token = refresh_token.filter(|token| !token.is_empty()).map(Secret::new);
        Some(Granted { token: Token { header, generation, renewal }, refresh_token })
    }
}

/// Some services write the number as a text; what cannot be read counts as not said.
fn lifetime(expires_in: Option<&serde_json::Value>) -> u64 {
    let number = expires_in.and_then(|value| match value {
        serde_json::Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    });
    number.filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_LIFETIME).min(LONGEST_LIFETIME)
}

/// Some services give the same token to many, so that it has lived a part of its life already. What makes no
/// sense counts as not said.
fn age(issued_at: Option<&serde_json::Value>, date: Option<SystemTime>, lifetime: Duration) -> Duration {
    let issued = issued_at.and_then(|value| timestamp::parse(value.as_str()?));
    let age = issued.and_then(|issued| date?.duration_since(issued).ok());
    age.filter(|age| *age < lifetime).unwrap_or_default()
}

fn usable(lifetime: Duration) -> Duration {
    lifetime - MARGIN.min(lifetime / 4)
}

impl TokenSlot {
    /// Returns what the registry wanted beyond what was asked for.
    pub(in crate::client) fn extra(&self) -> Scopes {
        self.state().extra.clone()
    }

    /// Adds what a challenge named.
    pub(in crate::client) fn want(&self, scopes: &Scopes) {
        let mut state = self.state();
        state.extra = std::mem::take(&mut state.extra).and(scopes);
    }

    /// Notes that a token was refused for a stream; tells whether another one is worth an attempt. Many
    /// streams that lose the same token count once.
    pub(in crate::client) fn refused(&self, generation: u64) -> bool {
        let mut state = self.state();
        if state.refused != Some(generation) {
            state.refused = Some(generation);
            state.refusals += 1;
        }
        state.refusals < STREAM_REFUSALS
    }

    /// Notes that a stream was accepted.
    pub(in crate::client) fn accepted(&self) {
        let mut state = self.state();
        state.refused = None;
        state.refusals = 0;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_of_token_services() {
        let cases = [
            (r#"{"token":"abc"}"#, Some(("Bearer abc", 50))),
            (r#"{"access_token":"abc","expires_in":300}"#, Some(("Bearer abc", 290))),
            (r#"{"token":"","access_token":"x","expires_in":"300"}"#, Some(("Bearer x", 290))),
            (r#"{"token":"a","access_token":"b","expires_in":4,"more":[]}"#, Some(("Bearer a", 3))),
            (r#"{"token":"a","expires_in":-1}"#, Some(("Bearer a", 50))),
            (r#"{"token":"a","expires_in":18446744073709551615}"#, Some(("Bearer a", 86390))),
            (r#"{"token":"a\nb"}"#, None),
            (r#"{"token":null}"#, None),
            ("{}", None),
            ("<html>", None),
            ("", None),
        ];
        for (body, expected) in cases {
            let (tokens, now) = (Tokens::default(), Instant::now());
            let token = tokens.read(body.as_bytes(), now, None).map(|granted| granted.token);
            let seen = token.as_ref().map(|it| (it.header.to_str().unwrap(), (it.renewal - now).as_secs()));
            assert_eq!(seen, expected, "{body}");
            assert!(!format!("{token:?}").contains("Bearer"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_ends() {
        let granted = Tokens::default().read(br#"{"token":"a","expires_in":100}"#, Instant::now(), None);
        let token = granted.unwrap().token;
        assert!(token.is_good(Instant::now()));
        tokio::time::advance(Duration::from_secs(89)).await;
        assert!(token.is_good(Instant::now()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!token.is_good(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_is_shared_is_older() {
        let date = httpdate::parse_http_date("Sat, 21 Nov 2026 10:05:00 GMT").unwrap();
        for (issued_at, date, left) in [
            (r#""2026-11-21T10:00:00.5Z""#, Some(date), 290),
            (r#""2026-11-21T10:00:00Z""#, None, 590),
            (r#""2026-11-21T11:00:00Z""#, Some(date), 590),
            (r#""2026-11-21T09:00:00Z""#, Some(date), 590),
            ("7", Some(date), 590),
        ] {
            let body = format!(r#"{{"token":"a","expires_in":600,"issued_at":{issued_at}}}"#);
            let granted = Tokens::default().read(body.as_bytes(), Instant::now(), date).unwrap();
            assert_eq!((granted.token.renewal - Instant::now()).as_secs(), left, "{issued_at}");
        }
    }

    #[test]
    fn a_new_refresh_token_is_read_and_never_printed() {
        let read = |body: &str| Tokens::default().read(body.as_bytes(), Instant::now(), None).unwrap();
        let granted = read(r#"{"access_token":"a","refresh_token":"hunter2"}"#);
        assert!(!format!("{granted:?}").contains("hunter2"));
        assert_eq!(granted.refresh_token.unwrap().expose(), "hunter2");
        assert!(read(r#"{"access_token":"a","refresh_token":""}"#).refresh_token.is_none());
    }

    #[test]
    fn the_second_token_that_a_stream_is_refused_for_is_one_too_many() {
        let slot = TokenSlot::default();
        assert!(slot.refused(1) && slot.refused(1));
        assert!(!slot.refused(2));
        slot.accepted();
        assert!(slot.refused(3));
    }

    #[test]
    fn equal_scopes_share_a_slot() {
        let tokens = Tokens::default();
        let [one, other] = [Scopes::catalog(), Scopes::default()].map(|scopes| tokens.slot(&scopes));
        assert!(Arc::ptr_eq(&one, &tokens.slot(&Scopes::catalog())) && !Arc::ptr_eq(&one, &other));
    }
}
