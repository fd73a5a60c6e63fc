//! How many uploads are open, in all and of one caller. Each is a directory and some bytes of a disk that stay until
//! somebody ends them, so who begins them without an end is stopped.
//!
//! The list is in memory: what was begun before this process counts from its next request on.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use http::header::RETRY_AFTER;
use sealift_store::{UploadId, lock};
use tokio::time::Instant;

use super::error::WireError;
use crate::wire::ErrorCode;

/// Which part of all uploads one caller may have open.
const SHARE: usize = 4;
/// When a client may ask again, in seconds: somebody has to end an upload before.
const RETRY: u64 = 60;

/// Who begins uploads: a user, or an address where nobody signs in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    User(String),
    Address(IpAddr),
}

/// The uploads that are open.
#[derive(Debug)]
pub(super) struct Ledger {
    limit: usize,
    /// After which time a place forgets an upload that rests.
    lifetime: Duration,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    uploads: HashMap<String, Entry>,
    counts: HashMap<Owner, usize>,
}

#[derive(Debug)]
struct Entry {
    owner: Owner,
    last: Instant,
}

impl Held {
    fn add(&mut self, id: &UploadId, owner: &Owner) {
        *self.counts.entry(owner.clone()).or_default() += 1;
        let entry = Entry { owner: owner.clone(), last: Instant::now() };
        if let Some(before) = self.uploads.insert(id.as_str().to_owned(), entry) {
            self.uncount(&before.owner);
        }
    }

    fn uncount(&mut self, owner: &Owner) {
        if let Some(count) = self.counts.get_mut(owner) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(owner);
            }
        }
    }

    fn forget_older(&mut self, lifetime: Duration) {
        let rest: Vec<Owner> = self
            .uploads
            .extract_if(|_, entry| entry.last.elapsed() > lifetime)
            .map(|(_, it)| it.owner)
            .collect();
        rest.iter().for_each(|owner| self.uncount(owner));
    }
}

impl Ledger {
    pub(super) fn new(limit: usize, lifetime: Duration) -> Self {
        Self { limit, lifetime, held: Mutex::default() }
    }

    /// Refuses who has begun too many, before one more is begun. As many as are asked for at the same moment may come
    /// above the bound.
    pub(super) fn check(&self, owner: &Owner) -> Result<(), WireError> {
        let mut held = lock(&self.held);
        let share = self.limit.div_ceil(SHARE);
        let is_full = |held: &Held| {
            held.uploads.len() >= self.limit || held.counts.get(owner).is_some_and(|count| *count >= share)
        };
        if is_full(&held) {
            held.forget_older(self.lifetime);
        }
        if !is_full(&held) {
            return Ok(());
        }
        let reason = if held.uploads.len() >= self.limit {
            format!("{} uploads are open here, as many as there may be", self.limit)
        } else {
            format!("this caller has {share} uploads open, as many as one may have")
        };
        Err(WireError::new(ErrorCode::TooManyRequests).because(reason).header(RETRY_AFTER, RETRY.into()))
    }

    /// An upload was begun, or is gone on with.
    pub(super) fn note(&self, id: &UploadId, owner: &Owner) {
        lock(&self.held).add(id, owner);
    }

    /// An upload has ended, well or not.
    pub(super) fn forget(&self, id: &UploadId) {
        let mut held = lock(&self.held);
        if let Some(entry) = held.uploads.remove(id.as_str()) {
            held.uncount(&entry.owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> UploadId {
        text.parse().unwrap()
    }

    fn user(name: &str) -> Owner {
        Owner::User(name.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_has_more_than_a_share_and_all_together_no_more_than_all() {
        let ledger = Ledger::new(8, Duration::from_secs(100));
        let (one, two) = (user("one"), user("two"));
        for number in 0..2 {
            assert!(ledger.check(&one).is_ok());
            ledger.note(&id(&format!("one{number}")), &one);
            // To go on with it is not one more.
            ledger.note(&id(&format!("one{number}")), &one);
        }
        assert!(ledger.check(&one).is_err() && ledger.check(&two).is_ok());
        ledger.forget(&id("one0"));
        ledger.forget(&id("one0"));
        assert!(ledger.check(&one).is_ok());
        for number in 0..7u8 {
            ledger.note(&id(&format!("other{number}")), &Owner::Address([10, 0, 0, number].into()));
        }
        assert!(ledger.check(&two).is_err(), "the sum counts");
        // What rests for longer than places keep it is none any more.
        tokio::time::advance(Duration::from_secs(60)).await;
        ledger.note(&id("other6"), &two);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(ledger.check(&two).is_ok());
        let held = lock(&ledger.held);
        assert_eq!((held.uploads.len(), held.counts.len()), (1, 1));
    }
}
