//! Content is cut into segments, each a frame of its own, and the prefix of each is what it has in common with the base,
//! wherever that lies there. Borders are where chunks of the content end, never at equal offsets, which would come apart
//! with the first file that grows. So content of any size takes the memory of a few segments, and while one is encoded and
//! proved, the next one is inflated.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::sync::mpsc::{Receiver, SyncSender};

use sealift_oci::{Algorithm, Digest, Hasher};

use super::DeltaBase;
use super::base::{Plain, Runs, in_full};
use super::chunks::{Chunk, Chunker, LARGEST};
use super::decode::{DeltaError, decode_frame};
use super::encode::encode;
use super::make::Raw;
use super::parameters::{FRAMES_LIMIT, Frame, PREFIX_LIMIT, Run};

/// How many plain bytes are read at a time.
const PIECE: usize = 256 << 10;
/// Runs that are nearer to one another are one; and for so little no base is read again.
const NEAR: u64 = 256 << 10;
/// Where bases, one behind the other, have which chunk.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Offset and size of a chunk; `None` of one that is there more than once, which tells nothing of where one is.
    places: HashMap<u64, Option<(u64, u64)>>,
    pub(super) bases: Vec<DeltaBase>,
    /// Where each base begins.
    pub(super) begins: Vec<u64>,
    /// How many plain bytes are known of all of them.
    plain: u64,
}

impl Index {
    /// Reads all of a base, of which the first `most` bytes are to be known, and hands those to `keep`. The best comes last:
    /// what is near is found best.
    pub(super) fn read(
        &mut self,
        (digest, mut base): (Digest, Plain),
        most: u64,
        mut keep: impl FnMut(&[u8]),
    ) -> sealift_store::Result<()> {
        let (mut chunker, mut piece, mut plain, mut left) = (Chunker::new(), vec![0; PIECE], 0, most);
        self.begins.push(self.plain);
        loop {
            let count = base.read(&mut piece).map_err(in_full)?;
            if count == 0 {
                break;
            }
            plain += count as u64;
            let known = &piece[..count.min(usize::try_from(left).unwrap_or(usize::MAX))];
            left -= known.len() as u64;
            keep(known);
            chunker.all(known, |chunk| self.add(chunk));
        }
        chunker.end().into_iter().for_each(|chunk| self.add(chunk));
        self.bases.push(DeltaBase { digest, plain, is_gzip: base.is_gzip });
        Ok(())
    }

    /// Adds a base that is in memory.
    #[cfg(test)]
    pub(super) fn add_all(&mut self, digest: Digest, is_gzip: bool, plain: &[u8]) {
        self.begins.push(self.plain);
        let mut chunker = Chunker::new();
        chunker.all(plain, |chunk| self.add(chunk));
        chunker.end().into_iter().for_each(|chunk| self.add(chunk));
        self.bases.push(DeltaBase { digest, plain: plain.len() as u64, is_gzip });
    }

    fn add(&mut self, chunk: Chunk) {
        let place = Some((self.plain, chunk.size));
        self.places.entry(chunk.hash).and_modify(|known| *known = None).or_insert(place);
        self.plain += chunk.size;
    }

    fn place(&self, chunk: &Chunk) -> Option<u64> {
        self.places.get(&chunk.hash).copied().flatten().filter(|place| place.1 == chunk.size).map(|it| it.0)
    }

    /// Tells which runs of which bases a range is.
    fn runs(&self, (start, end): (u64, u64)) -> impl Iterator<Item = Run> {
        let ends = self.begins.iter().skip(1).copied().chain([self.plain]);
        self.begins.iter().copied().zip(ends).enumerate().filter_map(move |(base, (first, last))| {
            let (from, to) = (start.max(first), end.min(last));
            (from < to).then(|| Run { base, offset: from - first, size: to - from })
        })
    }
}

/// A part of content, and the chunks of which it is made.
#[derive(Debug)]
pub(super) struct Segment {
    plain: Vec<u8>,
    chunks: Vec<Chunk>,
    /// Whether there is no other.
    is_all: bool,
}

/// Cuts content, which comes piece by piece, into segments.
pub(super) struct Cutter<'a> {
    index: &'a Index,
    /// How large a segment may become.
    most: usize,
    chunker: Chunker,
    segment: Segment,
    to: SyncSender<Segment>,
}

impl<'a> Cutter<'a> {
    pub(super) fn new(index: &'a Index, most: usize, to: SyncSender<Segment>) -> Self {
        let segment = Segment { plain: Vec::new(), chunks: Vec::new(), is_all: true };
        Self { index, most, chunker: Chunker::new(), segment, to }
    }

    /// Takes more plain bytes.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (taken, chunk) = self.chunker.next(bytes);
            // Only what is written is ever touched of it.
            self.segment.plain.reserve_exact(self.most - self.segment.plain.len());
            self.segment.plain.extend_from_slice(&bytes[..taken]);
            self.segment.chunks.extend(chunk);
            bytes = &bytes[taken..];
            if chunk.is_some_and(|chunk| self.is_border(&chunk)) {
                self.segment.is_all = false;
                self.hand_over()?;
            }
        }
        Ok(())
    }

    /// Ends the last segment.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.segment.chunks.extend(self.chunker.end());
        match self.segment.is_all || !self.segment.plain.is_empty() {
            true => self.hand_over(),
            false => Ok(()),
        }
    }

    /// A segment ends where its next chunk might not fit, or, a little earlier, at one that the base has: the prefix
    /// of the next one then begins where that of this one ends.
    fn is_border(&self, chunk: &Chunk) -> bool {
        let size = self.segment.plain.len();
        size + LARGEST > self.most || (size >= self.most / 8 * 7 && self.index.place(chunk).is_some())
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let next = Segment { plain: Vec::new(), chunks: Vec::new(), is_all: false };
        let gone = |_| io::Error::other("the content is carried as it is");
        self.to.send(std::mem::replace(&mut self.segment, next)).map_err(gone)
    }
}

/// Makes frames of segments, each of which is proved at once.
pub(super) struct Framer<'a, R> {
    index: &'a Index,
    base: R,
    level: i32,
    /// How large a prefix may become.
    most: u64,
    /// How many bytes all frames may take.
    room: usize,
    /// Where in the base the last chunk ends that was found there.
    behind: u64,
    /// Up to where the base is read by who undoes it.
    read: u64,
    hasher: Hasher,
    done: Frames,
}

/// What came of the content.
#[derive(Debug)]
pub(super) struct Frames {
    pub(super) frames: Vec<Frame>,
    pub(super) carried: Vec<u8>,
    pub(super) plain: u64,
    pub(super) plain_digest: Digest,
}

impl<'a, R: Runs> Framer<'a, R> {
    pub(super) fn new(index: &'a Index, base: R, level: i32, (most, room): (u64, usize)) -> Self {
        let (hasher, plain_digest) = (Hasher::new(Algorithm::Sha256), Digest::sha256(b""));
        let done = Frames { frames: Vec::new(), carried: Vec::new(), plain: 0, plain_digest };
        Self { index, base, level, most, room, behind: 0, read: 0, hasher, done }
    }

    /// Makes frames of all segments that come.
    pub(super) fn all(mut self, segments: Receiver<Segment>) -> Result<Frames, Raw> {
        for segment in segments {
            self.add(&segment)?;
        }
        self.done.plain_digest = self.hasher.finish();
        Ok(self.done)
    }

    fn add(&mut self, segment: &Segment) -> Result<(), Raw> {
        if self.done.frames.len() == FRAMES_LIMIT {
            return Err(Raw::TooLarge);
        }
        self.hasher.update(&segment.plain);
        let runs = self.runs(segment);
        let number = self.done.frames.len() + 1;
        let unproved = |error: DeltaError| Raw::Unproved(error.to_string());
        let prefix = self.base.read(&runs).map_err(unproved)?;
        let room = self.room.saturating_sub(self.done.carried.len());
        let carried = encode(&prefix, &segment.plain, self.level, room).map_err(Raw::Unproved)?;
        let carried = carried.ok_or(Raw::NotSmaller)?;
        let (plain, size) = (segment.plain.len() as u64, carried.len() as u64);
        let window = Frame::window(plain.max(prefix.len() as u64));
        let frame = Frame { plain, size, window, prefix: runs };
        // As the other side will decode it.
        let mut rest = segment.plain.as_slice();
        let compare = |piece: &[u8]| match rest.strip_prefix(piece) {
            Some(behind) => {
                rest = behind;
                Ok(())
            }
            None => Err(DeltaError::Frame(number, "other plain bytes came".to_owned())),
        };
        decode_frame(&frame, number, &prefix, &carried, compare).map_err(unproved)?;
        self.done.plain += plain;
        self.done.carried.extend_from_slice(&carried);
        self.done.frames.push(frame);
        Ok(())
    }

    /// Finds what the base has of a segment, and what lies there between. Where both are small, that is all.
    fn runs(&mut self, segment: &Segment) -> Vec<Run> {
        let plain = self.index.plain;
        if segment.is_all && plain <= self.most {
            return self.index.runs((0, plain)).collect();
        }
        let (mut wanted, mut unknown) = (Vec::new(), 0);
        for chunk in &segment.chunks {
            let Some(offset) = self.index.place(chunk) else {
                unknown += chunk.size;
                continue;
            };
            if unknown > 0 {
                between(&mut wanted, self.behind, offset, unknown);
                unknown = 0;
            }
            self.behind = offset + chunk.size;
            wanted.push((offset, self.behind));
        }
        if unknown > 0 {
            wanted.push((self.behind, self.behind.saturating_add(unknown)));
        }
        let inside = wanted.into_iter().map(|(start, end)| (start.min(plain), end.min(plain)));
        let runs = fitting(ahead(merged(inside.collect()), self.read), self.most);
        self.read = runs.last().map_or(self.read, |last| last.1);
        runs.into_iter().flat_map(|run| self.index.runs(run)).take(PREFIX_LIMIT).collect()
    }
}

/// Leaves out what lies before what was read already, unless it is much: for that, who undoes it reads a base again from
/// its begin.
fn ahead(runs: Vec<(u64, u64)>, read: u64) -> Vec<(u64, u64)> {
    let all: u64 = runs.iter().map(|(start, end)| end - start).sum();
    let cut: Vec<(u64, u64)> = runs
        .iter()
        .map(|(start, end)| (*start.max(&read), *end))
        .filter(|(start, end)| start < end)
        .collect();
    let left: u64 = cut.iter().map(|(start, end)| end - start).sum();
    if all - left > NEAR { runs } else { cut }
}

/// Adds where in the base the like of bytes may be that are new: between what the base has before them and behind
/// them, where that is about as long; else on both sides.
fn between(wanted: &mut Vec<(u64, u64)>, before: u64, behind: u64, unknown: u64) {
    match behind.checked_sub(before) {
        Some(gap) if gap <= unknown.saturating_mul(2).saturating_add(NEAR) => wanted.push((before, behind)),
        _ => wanted
            .extend([(before, before.saturating_add(unknown)), (behind.saturating_sub(unknown), behind)]),
    }
}

/// Puts runs in order, and those together that are near one another.
fn merged(mut runs: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    runs.retain(|(start, end)| start < end);
    runs.sort_unstable();
    let mut all: Vec<(u64, u64)> = Vec::new();
    for (start, end) in runs {
        match all.last_mut() {
            Some(last) if start <= last.1.saturating_add(NEAR) => last.1 = last.1.max(end),
            _ => all.push((start, end)),
        }
    }
    all
}

/// Leaves the longest runs, so many that they are allowed and fit.
fn fitting(mut runs: Vec<(u64, u64)>, most: u64) -> Vec<(u64, u64)> {
    runs.sort_unstable_by_key(|(start, end)| std::cmp::Reverse(end - start));
    runs.truncate(PREFIX_LIMIT);
    let mut left = most;
    for (start, end) in &mut runs {
        *end = (*end).min(start.saturating_add(left));
        left -= *end - *start;
    }
    runs.retain(|(start, end)| start < end);
    runs.sort_unstable();
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_few_and_fit() {
        let far = NEAR + 1;
        assert_eq!(merged(vec![(5, 9), (0, 3), (9 + far, 10 + far), (7, 7)]), [(0, 9), (9 + far, 10 + far)]);
        assert_eq!(fitting(vec![(0, 5), (100, 120), (200, 210)], 27), [(100, 120), (200, 207)]);
        let many: Vec<(u64, u64)> = (0..1000).map(|it| (it * 10, it * 10 + 5)).collect();
        assert_eq!(fitting(many, 1 << 30).len(), PREFIX_LIMIT);
    }

    #[test]
    fn what_was_read_is_read_again_only_for_much() {
        assert_eq!(ahead(vec![(0, 5), (95, 200)], 100), [(100, 200)]);
        assert_eq!(ahead(vec![(0, NEAR), (NEAR, 3 * NEAR)], 2 * NEAR), [(0, NEAR), (NEAR, 3 * NEAR)]);
    }

    #[test]
    fn a_range_is_runs_of_bases() {
        let index = Index { begins: vec![0, 10, 10], plain: 25, ..Index::default() };
        let run = |base, offset, size| Run { base, offset, size };
        assert_eq!(index.runs((3, 25)).collect::<Vec<_>>(), [run(0, 3, 7), run(2, 0, 15)]);
        assert_eq!(index.runs((12, 20)).collect::<Vec<_>>(), [run(2, 2, 8)]);
        assert_eq!(index.runs((5, 5)).count(), 0);
    }

    #[test]
    fn what_is_new_is_looked_for_around_it() {
        let found = |before, behind| {
            let mut wanted = Vec::new();
            between(&mut wanted, before, behind, 100);
            wanted
        };
        assert_eq!(found(1000, 1150), [(1000, 1150)]);
        assert_eq!(found(1000, 900), [(1000, 1100), (800, 900)]);
        assert_eq!(found(0, NEAR * 4), [(0, 100), (NEAR * 4 - 100, NEAR * 4)]);
    }
}
