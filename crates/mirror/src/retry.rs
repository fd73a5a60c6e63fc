//! How often and how long: the budget of a transfer that breaks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_oci::Digest;
use sealift_store::{Backoff, BlobBody, Error, Result, Source};

/// How often a broken transfer is tried again, and how long to wait before.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// How many failures in a row one blob is allowed before it is given up; at least 1.
    pub failures: u32,
    /// How long to wait before the next attempt.
    pub backoff: Backoff,
}

/// So many new bytes give the budget back, however many failures lie between them: a long blob over a bad line
/// breaks often and still comes to its end. With five failures a line does that cuts each answer behind 256 KiB. What
/// brings less is given up, and since a blob has an end, so is everything else.
const PROGRESS: u64 = 1024 * 1024;

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { failures: 5, backoff: Backoff::default() }
    }
}

/// Both ends of a transfer draw on one budget.
pub(crate) type SharedBudget = Arc<Mutex<Budget>>;

/// What is left of one blob's budget.
#[derive(Debug)]
pub(crate) struct Budget {
    policy: RetryPolicy,
    failures: u32,
    /// How much of the blob was ever there, from its beginning on.
    reached: u64,
    /// How much more than before came since the budget was whole.
    progress: u64,
}

impl Budget {
    pub(crate) fn new(policy: &RetryPolicy) -> Self {
        Self { policy: policy.clone(), failures: 0, reached: 0, progress: 0 }
    }

    pub(crate) fn shared(policy: &RetryPolicy) -> SharedBudget {
        Arc::new(Mutex::new(Self::new(policy)))
    }

    /// Returns a budget of the same policy of which nothing is spent.
    pub(crate) fn renewed(&self) -> Self {
        Self::new(&self.policy)
    }

    /// Notes that the blob arrived up to an offset. What came before and comes again is no progress.
    pub(crate) fn arrived(&mut self, offset: u64) {
        self.progress += offset.saturating_sub(self.reached);
        self.reached = self.reached.max(offset);
    }

    /// Notes a failure and tells how long to wait before the next attempt; `None` when there is none.
    pub(crate) fn spend(&mut self, error: &Error) -> Option<Duration> {
        if self.progress >= PROGRESS {
            (self.failures, self.progress) = (0, 0);
        }
        self.failures += 1;
        if self.failures >= self.policy.failures || !error.kind().is_transient() {
            return None;
        }
        self.policy.backoff.wait(self.failures, error.wait())
    }
}

/// Opens a blob that is read once, from its beginning: places do not repeat that themselves.
pub(crate) async fn open(source: &dyn Source, digest: &Digest, policy: &RetryPolicy) -> Result<BlobBody> {
    let mut budget = Budget::new(policy);
    loop {
        match source.open_blob(digest, 0).await {
            Ok(body) => return Ok(body),
            Err(error) => match budget.spend(&error) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_store::{ErrorKind, Operation};

    fn error(kind: ErrorKind, wait: Option<u64>) -> Error {
        Error::new(kind, Operation::FetchBlob).retry_after(wait.map(Duration::from_secs))
    }

    fn budget() -> Budget {
        let backoff = Backoff { jitter: || 1.0, ..Backoff::default() };
        Budget::new(&RetryPolicy { backoff, ..RetryPolicy::default() })
    }

    #[test]
    fn waits_double_and_end() {
        let mut budget = budget();
        let broken = error(ErrorKind::Unavailable, None);
        let waits: Vec<_> = (0..5).map(|_| budget.spend(&broken).map(|wait| wait.as_millis())).collect();
        assert_eq!(waits, [Some(300), Some(600), Some(1200), Some(2400), None]);
    }

    #[test]
    fn what_will_not_change_is_not_tried_again() {
        assert_eq!(budget().spend(&error(ErrorKind::Denied, None)), None);
    }

    #[test]
    fn a_place_may_ask_for_a_wait_up_to_a_bound() {
        let asked = |seconds| budget().spend(&error(ErrorKind::Busy, Some(seconds)));
        assert_eq!(asked(7), Some(Duration::from_secs(7)));
        assert_eq!(asked(121), None);
    }

    /// How often a blob that is read on where it broke off breaks off until it is given up; `None` where it comes to
    /// its end.
    fn breaks(size: u64, parts: impl Iterator<Item = u64>) -> Option<usize> {
        let (mut budget, mut offset) = (budget(), 0);
        let broken = error(ErrorKind::Unavailable, None);
        for (number, part) in parts.enumerate() {
            offset += part;
            budget.arrived(offset);
            if offset >= size {
                return None;
            }
            if budget.spend(&broken).is_none() {
                return Some(number + 1);
            }
        }
        None
    }

    /// What each answer brings before it breaks off → after how many of them there is no further one.
    #[test]
    fn progress_gives_the_budget_back() {
        const KIB: u64 = 1024;
        const SIZE: u64 = 64 * KIB * KIB;
        let same = |part: u64| breaks(SIZE, std::iter::repeat(part));
        for part in [PROGRESS * 4, PROGRESS, 300 * KIB, 256 * KIB] {
            assert_eq!(same(part), None, "{part}");
        }
        assert_eq!(same(200 * KIB), Some(5));
        assert_eq!(same(0), Some(5));
        // Whoever gives ever less is not waited for without end: 32, 16, 8, 4, 2 and 1 MiB, and then too little.
        let less = std::iter::successors(Some(SIZE / 2), |part| Some(part / 2));
        assert_eq!(breaks(SIZE, less), Some(10));
    }

    #[test]
    fn what_comes_again_is_no_progress() {
        let mut budget = budget();
        let broken = error(ErrorKind::Unavailable, None);
        budget.arrived(3 * PROGRESS);
        let tries = (0..100).take_while(|_| {
            let again = budget.spend(&broken).is_some();
            budget.arrived(3 * PROGRESS);
            again
        });
        assert_eq!(tries.count(), 4);
    }
}
