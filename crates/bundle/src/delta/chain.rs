//! How much memory content takes that is made from deltas which build on one another.

use super::Delta;
use super::parameters::Run;

/// What all deltas of a chain have in memory together, the last one and what it builds on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Need {
    /// Until the first byte of the content comes.
    before: u64,
    /// From then on.
    behind: u64,
}

impl Need {
    /// The most at any time.
    pub(crate) fn most(self) -> u64 {
        self.before.max(self.behind)
    }
}

impl Delta {
    /// Tells what the content takes where each base takes that much; what is read as it lies takes nothing.
    pub(crate) fn need(&self, bases: &[Need]) -> Need {
        let needs = |run: &Run| bases.get(run.base).copied().unwrap_or_default();
        let Some(runs) = self.whole_bases() else {
            // Any of its bases is open while the frames are decoded.
            let open = bases.iter().map(|base| base.most()).max().unwrap_or_default();
            let all = self.memory().saturating_add(open);
            return Need { before: all, behind: all };
        };
        let (mut prefix, mut before) = (self.carried(), 0);
        for run in runs {
            let base = needs(run);
            let filled = prefix.saturating_add(run.size);
            before = before.max(prefix.saturating_add(base.before)).max(filled.saturating_add(base.behind));
            prefix = filled;
        }
        Need { before, behind: self.memory() }
    }

    /// Returns what its one frame builds on, where that is all of each base: those are closed before the first byte is
    /// decoded, one before the next is opened.
    fn whole_bases(&self) -> Option<&[Run]> {
        let [frame] = self.frames.as_slice() else { return None };
        let is_whole = |run: &Run| {
            let base = self.bases.get(run.base);
            run.offset == 0 && base.is_some_and(|base| base.plain == run.size)
        };
        frame.prefix.iter().all(is_whole).then_some(&frame.prefix)
    }
}

#[cfg(test)]
mod tests {
    use sealift_oci::Digest;

    use super::super::DeltaBase;
    use super::super::parameters::Frame;
    use super::*;

    /// A delta of bases with so many plain bytes, whose frames have 10 plain bytes and 1 that is carried each.
    fn delta(bases: &[u64], frames: &[&[Run]]) -> Delta {
        let digest = Digest::sha256(b"");
        Delta {
            plain: 10 * frames.len() as u64,
            plain_digest: digest,
            carried_digest: digest,
            gzip: None,
            bases: bases.iter().map(|&plain| DeltaBase { digest, plain, is_gzip: false }).collect(),
            frames: frames
                .iter()
                .map(|prefix| Frame { plain: 10, size: 1, window: 10, prefix: prefix.to_vec() })
                .collect(),
        }
    }

    fn run(base: usize, offset: u64, size: u64) -> Run {
        Run { base, offset, size }
    }

    #[test]
    fn what_is_closed_before_the_first_byte_does_not_add_up() {
        let whole = delta(&[100], &[&[run(0, 0, 100)]]);
        let first = whole.need(&[Need::default()]);
        assert_eq!(first, Need { before: 101, behind: 111 });
        let second = whole.need(&[first]);
        assert_eq!(second, Need { before: 1 + 100 + 111, behind: 111 });
        // However many there are, two are open at a time.
        let third = whole.need(&[second]);
        assert_eq!(third, Need { before: 1 + 212, behind: 111 });
        let two = delta(&[100, 50], &[&[run(0, 0, 100), run(1, 0, 50)]]);
        assert_eq!(two.need(&[first, Need::default()]).before, 1 + 100 + 111);
        assert_eq!(two.need(&[Need::default(), first]).before, 1 + 150 + 111);
    }

    #[test]
    fn what_is_read_in_parts_stays_open() {
        let base = Need { before: 7, behind: 1000 };
        for frames in [&[&[run(0, 0, 100)][..], &[run(0, 0, 100)]][..], &[&[run(0, 1, 99)]]] {
            let cut = delta(&[100], frames);
            assert_eq!(cut.need(&[base]).most(), cut.memory() + 1000, "{frames:?}");
        }
    }
}
