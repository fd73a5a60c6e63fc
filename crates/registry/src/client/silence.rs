//! When a registry answers nothing at all any more: what would wait in vain is not asked for a while.
//!
//! Each request is patient for itself, and a run has many. So silence is counted for all of a kind
//! together: attempts that got no answer, one after the other, with no answer to any other in between.
//! Attempts at the same time count once, so that it does not matter how many there are. A refusal is an
//! answer: that place works, and is asked again. That it is out of order (a 5xx without a word of when to come
//! back) is none: there is nobody behind who could say more.
//!
//! Heads and bodies are counted apart: some that break give a head and nothing behind it.
//!
//! It can also be one object that is broken, at a place that is in good health. So silence speaks first for the
//! objects that were asked for, and for all others only when there are several; and a body that keeps coming
//! is life all the time.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use sealift_store::{ErrorKind, Operation};
use tokio::time::Instant;
use url::Url;

use super::fault::{Fault, Purpose};

/// So many attempts in a row without an answer are enough: one less than a single request is given.
const ROUNDS: u32 = 4;

/// The silence of so many objects is that of the place: as many as a run begins with.
const OBJECTS: usize = 4;

/// So many bytes of a body are life, also where it breaks off behind them; less can come out of the buffer of
/// something on the way. The end of a body is life, however short it was.
const LIFE: u64 = 256 * 1024;

/// What requests have in common that fail together: the host that is asked, and what for. Storage may be dead
/// behind a registry that still leads to it, and one that takes nothing may still open uploads. A body has no
/// method.
type Sort = (String, Operation, Option<Method>);

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
    /// What the last of them ended with.
    reason: String,
    /// What was asked for, up to as many as speak for all.
    objects: BTreeSet<String>,
}

/// An attempt on its way.
#[derive(Debug)]
pub(super) struct Listening {
    sort: Sort,
    object: String,
    began: Instant,
    rounds: u32,
    /// How much of a body came.
    heard: u64,
}

impl Silence {
    pub(super) fn new(limit: Duration) -> Self {
        Self { spells: Mutex::default(), limit }
    }

    /// Begins an attempt, unless it would wait in vain.
    pub(super) fn listen(&self, method: &Method, url: &Url, purpose: &Purpose) -> Result<Listening, Fault> {
        self.listen_to(sort(Some(method), url, purpose), purpose)
    }

    /// Begins to read the body of an answer, unless that would be waiting in vain.
    pub(super) fn listen_on(&self, url: &Url, purpose: &Purpose) -> Result<Listening, Fault> {
        self.listen_to(sort(None, url, purpose), purpose)
    }

    fn listen_to(&self, sort: Sort, purpose: &Purpose) -> Result<Listening, Fault> {
        let (spells, began) = (self.spells(), Instant::now());
        let (spell, object) = (spells.get(&sort), purpose.object.clone().unwrap_or_default());
        let is_final = |spell: &&Spell| spell.speaks_for(&object) && spell.is_final(began, self.limit);
        if let Some(spell) = spell.filter(is_final) {
            return Err(given_up(&spell.reason, purpose));
        }
        let rounds = spell.map_or(0, |spell| spell.rounds);
        Ok(Listening { sort, object, began, rounds, heard: 0 })
    }

    /// Notes the head of an answer: life, or the word of something in front that there is none behind it.
    pub(super) fn headed(&self, listening: Listening, status: StatusCode, headers: &HeaderMap) {
        match is_out_of_order(status, headers) {
            true => self.unanswered(listening, &format!("it answers {}", status.as_str())),
            false => self.answered(&listening),
        }
    }

    /// Notes that so many bytes of a body came.
    pub(super) fn heard(&self, listening: &mut Listening, bytes: usize) {
        listening.heard = listening.heard.saturating_add(bytes as u64);
        if listening.heard >= LIFE {
            // Who sends one thing would send another, if it could.
            let (host, operation, _) = &listening.sort;
            self.spells().retain(|sort, _| (&sort.0, &sort.1) != (host, operation));
        }
    }

    /// Notes that a body broke off, which says nothing behind a part of it that was life.
    pub(super) fn fell_silent(&self, listening: Listening, reason: &str) {
        if listening.heard < LIFE {
            self.unanswered(listening, reason);
        }
    }

    /// Notes that an answer came, or that a body came to its end.
    pub(super) fn answered(&self, listening: &Listening) {
        self.spells().remove(&listening.sort);
    }

    /// Notes that what was asked for was done, though nobody said so.
    pub(super) fn heeded(&self, method: &Method, url: &Url, purpose: &Purpose) {
        self.spells().remove(&sort(Some(method), url, purpose));
    }

    /// Notes that none came. Who began in an earlier round was counted with that.
    pub(super) fn unanswered(&self, listening: Listening, reason: &str) {
        let Listening { sort, object, began, rounds, .. } = listening;
        let mut spells = self.spells();
        let new = || Spell {
            first: began,
            last: began,
            rounds: 0,
            reason: String::new(),
            objects: BTreeSet::new(),
        };
        let spell = spells.entry(sort).or_insert_with(new);
        if spell.objects.len() < OBJECTS {
            spell.objects.insert(object);
        }
        if spell.rounds == rounds {
            spell.rounds += 1;
            spell.last = Instant::now();
            reason.clone_into(&mut spell.reason);
        }
    }

    fn spells(&self) -> std::sync::MutexGuard<'_, HashMap<Sort, Spell>> {
        self.spells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sort(method: Option<&Method>, url: &Url, purpose: &Purpose) -> Sort {
    (url.authority().to_owned(), purpose.operation, method.cloned())
}

/// Who says when to come back is at work.
fn is_out_of_order(status: StatusCode, headers: &HeaderMap) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504) && !headers.contains_key(header::RETRY_AFTER)
}

impl Spell {
    fn speaks_for(&self, object: &str) -> bool {
        self.objects.len() >= OBJECTS || self.objects.contains(object)
    }

    /// A place that is only being started again refuses quickly, which is why the time counts, too.
    fn is_final(&self, now: Instant, limit: Duration) -> bool {
        self.rounds >= ROUNDS && self.last - self.first >= limit && now - self.last < limit
    }
}

/// It says of itself that waiting is of no use, as a place does that asks to come back much later.
fn given_up(reason: &str, purpose: &Purpose) -> Fault {
    let fault = purpose.fault(ErrorKind::Unavailable).because(format_args!("{reason}, again and again"));
    fault.wait(Some(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);
    const NOTHING: &str = "nothing came for 60 seconds";

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
            listening.into_iter().for_each(|it| silence.unanswered(it, NOTHING));
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

    /// status, whether it says when to come back → whether somebody is alive there.
    #[tokio::test(start_paused = true)]
    async fn who_is_out_of_order_is_not_there_and_who_refuses_is() {
        for (status, says_when, is_life) in [
            (500, false, false),
            (502, false, false),
            (503, false, false),
            (504, false, false),
            (503, true, true),
            (429, false, true),
            (404, false, true),
            (401, false, true),
            (501, false, true),
            (200, false, true),
        ] {
            let silence = Silence::new(LIMIT);
            let mut headers = HeaderMap::new();
            if says_when {
                headers.insert(header::RETRY_AFTER, http::HeaderValue::from_static("1"));
            }
            for _ in 0..4 {
                let listening = listen(&silence).unwrap();
                tokio::time::advance(LIMIT / 2).await;
                silence.headed(listening, StatusCode::from_u16(status).unwrap(), &headers);
            }
            let listening = silence.listen(&Method::GET, &url("r"), &purpose());
            assert_eq!(listening.is_ok(), is_life, "{status} {says_when}");
            let Err(fault) = listening else { continue };
            let text = format!("r: cannot fetch blob a/b: it answers {status}, again and again");
            assert_eq!(fault.at("r").to_string(), text);
        }
    }

    /// The pieces of each of four bodies that then break off, and whether it ended → whether the next is read.
    #[tokio::test(start_paused = true)]
    async fn a_head_with_nothing_behind_it_is_no_life() {
        let much = usize::try_from(LIFE).unwrap();
        let cases: [(&[usize], bool, bool); 7] = [
            (&[], false, false),
            (&[1], false, false),
            (&[much - 1], false, false),
            (&[much], false, true),
            (&[much - 1, 1], false, true),
            (&[1], true, true),
            (&[], true, true),
        ];
        for (pieces, ends, is_read) in cases {
            let silence = Silence::new(LIMIT);
            for _ in 0..4 {
                // The head comes.
                let head = silence.listen(&Method::GET, &url("r"), &purpose()).unwrap();
                silence.headed(head, StatusCode::OK, &HeaderMap::new());
                let mut body = silence.listen_on(&url("r"), &purpose()).unwrap();
                pieces.iter().for_each(|&piece| silence.heard(&mut body, piece));
                tokio::time::advance(LIMIT).await;
                if ends { silence.answered(&body) } else { silence.fell_silent(body, NOTHING) }
            }
            assert_eq!(silence.listen_on(&url("r"), &purpose()).is_ok(), is_read, "{pieces:?} {ends}");
            // Who is asked for something else, and others, are not concerned.
            assert!(silence.listen(&Method::GET, &url("r"), &purpose()).is_ok());
            assert!(silence.listen_on(&url("s"), &purpose()).is_ok());
            assert!(silence.listen_on(&url("r"), &Purpose::of(Operation::FetchManifest)).is_ok());
        }
    }

    /// How many objects are silent → whether another one is asked for.
    #[tokio::test(start_paused = true)]
    async fn one_object_that_is_broken_does_not_speak_for_others() {
        for (silent, is_asked) in [(1, true), (3, true), (4, false), (9, false)] {
            let silence = Silence::new(LIMIT);
            let of = |number: usize| Purpose::new(Operation::FetchBlob, number);
            for _ in 0..4 {
                let listening: Vec<_> = (0..silent)
                    .map(|number| silence.listen(&Method::GET, &url("r"), &of(number)).unwrap())
                    .collect();
                tokio::time::advance(LIMIT).await;
                listening.into_iter().for_each(|it| silence.unanswered(it, NOTHING));
            }
            assert!(silence.listen(&Method::GET, &url("r"), &of(0)).is_err(), "{silent}");
            assert_eq!(silence.listen(&Method::GET, &url("r"), &of(99)).is_ok(), is_asked, "{silent}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_keeps_coming_is_life() {
        let silence = Silence::new(LIMIT);
        let much = usize::try_from(LIFE).unwrap();
        let mut large = silence.listen_on(&url("r"), &Purpose::new(Operation::FetchBlob, "large")).unwrap();
        for _ in 0..10 {
            silent(&silence, 3, 1, LIMIT).await;
            silence.heard(&mut large, much);
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
