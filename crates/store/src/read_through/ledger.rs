//! When an upstream last said what a tag points at.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use sealift_oci::{RepositoryName, Tag};
use tokio::time::Instant;

use crate::sync::lock;

/// How many tags are remembered; one that is forgotten is only asked again.
const TAGS: usize = 20_000;

/// What is known of a tag's last question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// When it was answered; `None` where that was before this process began.
    pub(super) answered: Option<Instant>,
    /// Nobody answered since, although somebody was asked.
    pub(super) is_stale: bool,
}

/// The tags and their last questions.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<HashMap<(RepositoryName, Tag), Asked>>);

impl Ledger {
    pub(super) fn get(&self, repository: &RepositoryName, tag: &Tag) -> Option<Asked> {
        lock(&self.0).get(&(repository.clone(), tag.clone())).copied()
    }

    /// Tells whether the answer counts still.
    pub(super) fn is_fresh(&self, repository: &RepositoryName, tag: &Tag, ttl: Duration) -> bool {
        let answered = self.get(repository, tag).and_then(|asked| asked.answered);
        answered.is_some_and(|answered| answered.elapsed() < ttl)
    }

    /// Notes that it was answered just now.
    pub(super) fn answered(&self, repository: &RepositoryName, tag: &Tag) {
        self.put(repository, tag, Asked { answered: Some(Instant::now()), is_stale: false });
    }

    /// Notes that nobody answered.
    pub(super) fn unanswered(&self, repository: &RepositoryName, tag: &Tag) {
        let answered = self.get(repository, tag).and_then(|asked| asked.answered);
        self.put(repository, tag, Asked { answered, is_stale: true });
    }

    fn put(&self, repository: &RepositoryName, tag: &Tag, asked: Asked) {
        let mut all = lock(&self.0);
        if all.len() >= TAGS {
            // Those of the older half go; nothing is lost but a question.
            let mut times: Vec<_> = all.values().map(|asked| asked.answered).collect();
            times.sort_unstable();
            let middle = times[times.len() / 2];
            all.retain(|_, asked| asked.answered > middle);
        }
        all.insert((repository.clone(), tag.clone()), asked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::fixture::tag;

    #[tokio::test(start_paused = true)]
    async fn answers_count_for_a_while() {
        let (ledger, name, ttl) = (Ledger::default(), "a".parse().unwrap(), Duration::from_secs(60));
        ledger.unanswered(&name, &tag("t"));
        assert_eq!(ledger.get(&name, &tag("t")), Some(Asked { answered: None, is_stale: true }));
        assert!(!ledger.is_fresh(&name, &tag("t"), ttl));
        ledger.answered(&name, &tag("t"));
        assert!(ledger.is_fresh(&name, &tag("t"), ttl) && !ledger.is_fresh(&name, &tag("u"), ttl));
        let answered = ledger.get(&name, &tag("t")).unwrap().answered;
        tokio::time::advance(ttl).await;
        ledger.unanswered(&name, &tag("t"));
        assert_eq!(ledger.get(&name, &tag("t")), Some(Asked { answered, is_stale: true }));
        assert!(!ledger.is_fresh(&name, &tag("t"), ttl));
    }

    #[tokio::test(start_paused = true)]
    async fn it_does_not_grow_for_ever() {
        let (ledger, name) = (Ledger::default(), "a".parse().unwrap());
        for number in 0..2 * TAGS {
            if number % 100 == 0 {
                tokio::time::advance(Duration::from_secs(1)).await;
            }
            ledger.answered(&name, &tag(&number.to_string()));
        }
        assert!(lock(&ledger.0).len() <= TAGS);
        assert!(ledger.get(&name, &tag(&(2 * TAGS - 1).to_string())).is_some());
        assert!(ledger.get(&name, &tag("0")).is_none());
    }
}
