//! What new content may build on, and how much of that is read for it. Reading costs where the place is far, which the source
//! is: there it is never more than the content is worth.

use sealift_oci::Digest;

/// How many times its own size may be read, of what content may build on, where reading costs.
const READS: u64 = 4;
/// Among how many the one is looked for that content has most in common with; each is read for that.
const MOST: usize = 4;

/// Content of the other side that new content is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedBase {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Whether reading it costs nothing.
    pub is_at_hand: bool,
}

/// What new content may build on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidates {
    pub(super) first: Option<PlannedBase>,
    pub(super) others: Vec<PlannedBase>,
    reads: u64,
}

/// Why content is carried as it is, without that anything was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unplanned {
    /// There is nothing to build on.
    #[error("the other side has nothing that it could build on")]
    Nothing,
    /// What there is to build on would cost too much.
    #[error("more of what it could build on would be read than it is worth")]
    TooFar,
    /// Its encoder is none that writes the same bytes for ever.
    #[error("it is compressed with zstd, which need not write the same bytes again")]
    Zstd,
}

impl Candidates {
    /// Chooses what content of `size` bytes may build on. `first` is where it was before, and is tried alone; `others` are
    /// guesses, the best first, which are compared with the content. From afar these are read only where there is no `first`.
    ///
    /// # Errors
    /// Where nothing is left.
    pub fn choose(
        size: u64,
        first: Option<PlannedBase>,
        others: impl IntoIterator<Item = PlannedBase>,
    ) -> Result<Self, Unplanned> {
        let most = READS.saturating_mul(size);
        let is_near = |base: &PlannedBase| base.cost() <= most;
        let (mut others, mut is_any) = (others.into_iter().peekable(), first.is_some());
        is_any |= others.peek().is_some();
        let first = first.filter(is_near);
        let wanted = others.filter(|base| {
            let is_first = first.is_some_and(|first| first.digest == base.digest);
            !is_first && (first.is_none() || base.is_at_hand)
        });
        let mut chosen: Vec<PlannedBase> = Vec::new();
        for base in wanted {
            chosen.push(base);
            if least(&chosen) > most {
                chosen.pop();
            }
            if chosen.len() == MOST {
                break;
            }
        }
        match (first.is_none() && chosen.is_empty(), is_any) {
            (true, false) => Err(Unplanned::Nothing),
            (true, true) => Err(Unplanned::TooFar),
            (false, _) => {
                let reads = first.map_or(0, |it| it.cost()).saturating_add(at_most(&chosen)).min(most);
                Ok(Self { first, others: chosen, reads })
            }
        }
    }

    /// How many bytes are read at most, where reading costs.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// Tells whether it is known what the content builds on, and need not be looked for.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.first.is_some()
    }

    /// How large the smallest of them is.
    pub(super) fn smallest(&self) -> u64 {
        self.first.iter().chain(&self.others).map(|base| base.size).min().unwrap_or_default()
    }

    pub(super) fn allowance(&self) -> Allowance {
        Allowance { left: self.reads }
    }
}

impl PlannedBase {
    fn cost(&self) -> u64 {
        if self.is_at_hand { 0 } else { self.size }
    }
}

/// What comparing costs at least: each is read, and the best once more. One alone is not compared.
fn least(bases: &[PlannedBase]) -> u64 {
    let best = bases.iter().map(PlannedBase::cost).max().filter(|_| bases.len() > 1);
    sum(bases).saturating_add(best.unwrap_or_default())
}

/// What it costs where two are built on.
fn at_most(bases: &[PlannedBase]) -> u64 {
    let mut costs: Vec<u64> = bases.iter().map(PlannedBase::cost).collect();
    costs.sort_unstable();
    let again = costs.iter().rev().take(2).filter(|_| bases.len() > 1);
    again.fold(sum(bases), |sum, cost| sum.saturating_add(*cost))
}

fn sum(bases: &[PlannedBase]) -> u64 {
    bases.iter().map(PlannedBase::cost).fold(0, u64::saturating_add)
}

/// What may still be read for some content.
#[derive(Debug)]
pub(super) struct Allowance {
    left: u64,
}

impl Allowance {
    /// Tells whether that is enough.
    pub(super) fn covers(&self, bases: &[PlannedBase]) -> bool {
        sum(bases) <= self.left
    }

    /// Takes what reading takes.
    pub(super) fn spend(&mut self, bases: &[PlannedBase]) -> Result<(), Unplanned> {
        self.left = self.left.checked_sub(sum(bases)).ok_or(Unplanned::TooFar)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn far(size: u64) -> PlannedBase {
        PlannedBase { digest: Digest::sha256(&size.to_be_bytes()), size, is_at_hand: false }
    }

    fn near(size: u64) -> PlannedBase {
        PlannedBase { is_at_hand: true, ..far(size) }
    }

    #[test]
    fn what_is_read_is_bounded_by_what_it_is_worth() {
        use Unplanned::{Nothing, TooFar};
        // First, others; how many others are left, and what is read at most for 100 bytes.
        type Case<'a> = (Option<PlannedBase>, &'a [PlannedBase], Result<(usize, u64), Unplanned>);
        let cases: [Case<'_>; 11] = [
            (None, &[], Err(Nothing)),
            (Some(far(120)), &[], Ok((0, 120))),
            (Some(far(120)), &[far(100), far(90)], Ok((0, 120))),
            (Some(far(120)), &[near(100), far(90), near(120)], Ok((1, 120))),
            (Some(far(401)), &[], Err(TooFar)),
            (Some(far(401)), &[far(350)], Ok((1, 350))),
            (None, &[far(401), far(402)], Err(TooFar)),
            (None, &[far(110), far(90)], Ok((2, 400))),
            (None, &[far(110), far(90), far(120), far(80), far(1)], Ok((4, 400))),
            (None, &[far(30), near(200), near(3000), near(5), near(6)], Ok((4, 60))),
            (Some(near(9000)), &[near(9001), far(1)], Ok((1, 0))),
        ];
        for (first, others, expected) in cases {
            let chosen = Candidates::choose(100, first, others.iter().copied());
            let told = chosen.as_ref().map(|it| (it.others.len(), it.reads())).map_err(|why| *why);
            assert_eq!(told, expected, "{first:?} {others:?}");
            let Ok(chosen) = chosen else { continue };
            assert!(chosen.reads() <= READS * 100 && chosen.others.len() <= MOST);
            assert!(chosen.allowance().covers(&chosen.others), "all of them can be compared");
        }
    }

    #[test]
    fn what_is_spent_is_gone() {
        let mut allowance = Candidates::choose(100, Some(far(150)), []).unwrap().allowance();
        assert!(allowance.covers(&[far(150)]) && !allowance.covers(&[far(150), far(1)]));
        allowance.spend(&[far(100), near(9000)]).unwrap();
        assert_eq!(allowance.spend(&[far(51)]), Err(Unplanned::TooFar));
        allowance.spend(&[far(50)]).unwrap();
    }
}
