//! Which encoders to try on a stream, the likeliest first.

use std::cmp::Reverse;

use crate::Encoder;
use crate::encoder::Kind;
use crate::gzip::Hints;
use crate::klauspost::{self, Revision};
use crate::zlib::Blocks as Chain;

/// What klauspost's packages write for the time if none was set: Go's year 1, cut to 32 bits.
const YEAR_ONE: u32 = 0x886e_0900;
/// What Go writes for the system: none in particular.
const NO_SYSTEM: u8 = 255;
/// How many bytes `pigz` puts into a block.
const PIGZ_BLOCK: u32 = 128 << 10;
/// zlib's usual memory level, and the one that some programs ask for.
const MEMORY: [u8; 2] = [8, 9];

/// All encoders with the parameters that programs use, in two groups: those that the header speaks for, then the
/// others; in each the likeliest first.
pub(crate) fn candidates(hints: Hints) -> [Vec<Encoder>; 2] {
    let mut all: Vec<_> = all().filter_map(Encoder::new).collect();
    all.sort_by_key(|it| Reverse(usual(it)));
    let (first, others) = all.into_iter().partition(|it| speaks_for(hints, it));
    [first, others]
}

/// The level that programs use if nothing is asked of them.
fn usual(encoder: &Encoder) -> bool {
    let default = match encoder.kind() {
        Kind::Klauspost { .. } | Kind::Pgzip { .. } => klauspost::DEFAULT,
        Kind::Go { .. } | Kind::Zlib { .. } | Kind::Pigz { .. } | Kind::Gnu { .. } => 6,
    };
    encoder.level() == default
}

fn all() -> impl Iterator<Item = Kind> {
    let signed = || (-2..=9i8).filter(|it| *it != -1);
    let go = signed().map(|level| Kind::Go { level });
    let revisions = move || {
        let pairs = signed().flat_map(|level| Revision::ALL.into_iter().rev().map(move |it| (it, level)));
        pairs.filter(|(revision, level)| revision.canonical(*level) == *revision)
    };
    let block = klauspost::BLOCK_SIZE as u32;
    let pgzip = revisions().map(move |(revision, level)| Kind::Pgzip { revision, level, block });
    let klauspost = revisions().map(|(revision, level)| Kind::Klauspost { revision, level });
    let gnu = (1..=9).map(|level| Kind::Gnu { level });
    let zlib = MEMORY.into_iter().flat_map(|memory| (1..=9).map(move |level| Kind::Zlib { level, memory }));
    // Blocks that continue one another are like chained ones from level 4 on.
    let chains = [(Chain::Chained, 9), (Chain::Continued, 3), (Chain::Independent, 9)];
    let pigz = chains.into_iter().flat_map(|(chain, most)| {
        (1..=most).map(move |level| Kind::Pigz { level, block: PIGZ_BLOCK, chain })
    });
    go.chain(pgzip).chain(klauspost).chain(gnu).chain(zlib).chain(pigz)
}

/// Whether a header looks like that of an encoder.
fn speaks_for(hints: Hints, encoder: &Encoder) -> bool {
    let effort = match (hints.effort, encoder.level()) {
        (2, level) => level == 9,
        (4, level) => level == 1,
        (_, level) => level != 9 && level != 1,
    };
    let origin = match encoder.kind() {
        Kind::Go { .. } => hints.system == NO_SYSTEM && hints.time != YEAR_ONE,
        Kind::Klauspost { .. } | Kind::Pgzip { .. } => hints.system == NO_SYSTEM && hints.time == YEAR_ONE,
        Kind::Zlib { .. } | Kind::Pigz { .. } | Kind::Gnu { .. } => hints.system != NO_SYSTEM,
    };
    effort && origin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(time: u32, effort: u8, system: u8) -> String {
        let [first, _] = candidates(Hints { time, effort, system });
        first[0].to_string()
    }

    #[test]
    fn a_header_tells_what_to_try_first() {
        assert_eq!(first(0, 0, 255), "go-1.19:level=6");
        assert_eq!(first(0, 4, 255), "go-1.19:level=1");
        assert_eq!(first(0, 2, 255), "go-1.19:level=9");
        assert_eq!(first(YEAR_ONE, 0, 255), "pgzip-1.18.2:level=5,block=1048576");
        assert_eq!(first(1_700_000_000, 0, 3), "gnu-gzip-1:level=6");
    }

    #[test]
    fn every_candidate_can_be_stored() {
        let [first, others] = candidates(Hints { time: 0, effort: 0, system: 255 });
        for encoder in first.iter().chain(&others) {
            assert_eq!(encoder.to_string().parse().as_ref(), Ok(encoder));
        }
    }
}
