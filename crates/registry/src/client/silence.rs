//! When a registry answers nothing at all any more: what would wait in vain is not asked for a while.
//!
//! Each request is patient for itself, and a run has many. So silence is counted for all of a kind
//! together: attempts that got no answer, one after the other, with no answer to any other in between.
//! Attempts at the same time count once, so that it does not matter how many there are. A refusal, of
//! whatever status, is an answer: that place works, and is asked again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use sealift_store::{ErrorKind, Operation};
use tokio::time::Instant;
use url::Url;

use super::fault::{Fault, Purpose};

/// So many attempts in a row without an answer are enough: one less than a single request is given.
const ROUNDS: u32 = 4;

/// What requests have in common that fail together: the host that is asked, and what for. Storage may be dead
/// behind a registry that still leads to it, and one that takes nothing may still open uploads.
type Sort = (String, Operation, Method);

/// What is known of the silence of one registry.
#[derive(Debug)]
pub(super) struct Silence {
    spells: Mutex<HashMap<Sort, Spell>>,
    /// How long it has to last at least, and how long nothing is asked then.
    limit: Duration,
}

/// Attempts that were not answered.
#[derive(Debug)]
struct Spell {
    /// When the first of them began.
    first: Instant,
    /// When the last of them was given up.
    last: Instant,
    rounds: u32,
}

/// An attempt on its way.
#[derive(Debug)]
pub(super) struct Listening {
    sort: Sort,
    began: Instant,
    rounds: u32,
}

impl Silence {
    pub(super) fn new(limit: Duration) -> Self {
        Self { spells: Mutex::default(), limit }
    }

    /// Begins an attempt, unless it would wait in vain.
    pub(super) fn listen(&self, method: &Method, url: &Url, purpose: &Purpose) -> Result<Listening, Fault> {
        let sort = sort(method, url, purpose);
        let (spells, began) = (self.spells(), Instant::now());
        let spell = spells.get(&sort);
        if spell.is_some_and(|spell| spell.is_final(began, self.limit)) {
            return Err(given_up(self.limit, purpose));
        }
        let rounds = spell.map_or(0, |spell| spell.rounds);
        Ok(Listening { sort, began, rounds })
    }

    /// Notes that an answer came, of whatever kind.
    pub(super) fn answered(&self, listening: &Listening) {
        self.spells().remove(&listening.sort);
    }

    /// Notes that what was asked for was done, though nobody said so.
    pub(super) fn heeded(&self, method: &Method, url: &Url, purpose: &Purpose) {
        self.spells().remove(&sort(method, url, purpose));
    }

    /// Notes that none came. Who began in an earlier round was counted with that.
    pub(super) fn unanswered(&self, listening: Listening) {
        let Listening { sort, began, rounds } = listening;
        let mut spells = self.spells();
        let spell = spells.entry(sort).or_insert(Spell { first: began, last: began, rounds: 0 });
        if spell.rounds == rounds {
            spell.rounds += 1;
            spell.last = Instant::now();
        }
    }

    fn spells(&self) -> std::sync::MutexGuard<'_, HashMap<Sort, Spell>> {
        self.spells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sort(method: &Method, url: &Url, purpose: &Purpose) -> Sort {
    (url.authority().to_owned(), purpose.operation, method.clone())
}

impl Spell {
    /// A place that is only being started again refuses quickly, which is why the time counts, too.
    fn is_final(&self, now: Instant, limit: Duration) -> bool {
        self.rounds >= ROUNDS && self.last - self.first >= limit && now - self.last < limit
    }
}

/// It says of itself that waiting is of no use, as a place does that asks to come back much later.
fn given_up(limit: Duration, purpose: &Purpose) -> Fault {
    let seconds = limit.as_secs_f64().round();
    purpose
        .fault(ErrorKind::Unavailable)
        .because(format_args!("nothing came for {seconds} seconds, again and again"))
        .wait(Some(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn purpose() -> Purpose {
        Purpose::new(Operation::FetchBlob, "a/b")
    }

    fn url(host: &str) -> Url {
        format!("https://{host}/v2/").parse().unwrap()
    }

    fn listen(silence: &Silence) -> Option<Listening> {
        silence.listen(&Method::GET, &url("r"), &purpose()).ok()
    }

    /// Attempts at the same time, so many in a round, each as long as that.
    async fn silent(silence: &Silence, rounds: u32, at_once: usize, each: Duration) {
        for _ in 0..rounds {
            let listening: Vec<_> = (0..at_once).map(|_| listen(silence).unwrap()).collect();
            tokio::time::sleep(each).await;
            listening.into_iter().for_each(|it| silence.unanswered(it));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_believed_after_some_rounds_however_many_listen() {
        for at_once in [1, 16] {
            let silence = Silence::new(LIMIT);
            silent(&silence, 3, at_once, LIMIT).await;
            assert!(listen(&silence).is_some(), "{at_once}");
            silent(&silence, 1, at_once, LIMIT).await;
            let fault = silence.listen(&Method::GET, &url("r"), &purpose()).unwrap_err();
            assert_eq!(fault.wait, Some(Duration::MAX));
            let text = fault.at("r").to_string();
            assert_eq!(text, "r: cannot fetch blob a/b: nothing came for 60 seconds, again and again");
            // Other requests are not concerned.
            assert!(silence.listen(&Method::HEAD, &url("r"), &purpose()).is_ok());
            assert!(silence.listen(&Method::GET, &url("r"), &Purpose::of(Operation::Connect)).is_ok());
            assert!(silence.listen(&Method::GET, &url("s"), &purpose()).is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_while_it_is_listened_again() {
        let silence = Silence::new(LIMIT);
        silent(&silence, 4, 1, LIMIT).await;
        assert!(listen(&silence).is_none());
        tokio::time::advance(LIMIT).await;
        silent(&silence, 1, 1, LIMIT).await;
        assert!(listen(&silence).is_none());
        tokio::time::advance(LIMIT).await;
        let listening = listen(&silence).unwrap();
        silence.answered(&listening);
        silent(&silence, 3, 1, LIMIT).await;
        assert!(listen(&silence).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_in_between_is_life() {
        let silence = Silence::new(LIMIT);
        for _ in 0..20 {
            silent(&silence, 3, 4, LIMIT).await;
            let listening = listen(&silence).unwrap();
            silence.answered(&listening);
            silent(&silence, 3, 4, LIMIT).await;
            silence.heeded(&Method::GET, &url("r"), &purpose());
        }
        assert!(listen(&silence).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn quick_failures_have_to_last_as_long() {
        let silence = Silence::new(LIMIT);
        silent(&silence, 59, 1, Duration::from_secs(1)).await;
        assert!(listen(&silence).is_some());
        silent(&silence, 1, 1, Duration::from_secs(1)).await;
        assert!(listen(&silence).is_none());
    }
}
