//! Deltas of content that does not fit into memory: it is cut into segments, each a frame of its own, and the prefix of
//! each is what it has in common with the base, wherever that lies there. Borders are where chunks of the content end,
//! never at equal offsets, which would come apart with the first file that grows.

use std::collections::HashMap;
use std::io::Read as _;

use sealift_oci::{Algorithm, Digest, Hasher};

use super::base::{Plain, Runs, in_full};
use super::chunks::{Chunk, Chunker};
use super::encode::encode;
use super::make::Raw;
use super::parameters::{FRAMES_LIMIT, Frame, PREFIX_LIMIT, Run};

/// How many plain bytes are read at a time.
const PIECE: usize = 256 << 10;
/// Runs that are nearer to one another are one.
const NEAR: u64 = 256 << 10;

/// Where a base has which chunk.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Offset and size of a chunk; `None` of one that is there more than once, which tells nothing of where one is.
    places: HashMap<u64, Option<(u64, u64)>>,
    /// How many plain bytes the base has.
    pub(super) plain: u64,
}

impl Index {
    /// Reads all of a base.
    pub(super) fn read(mut plain: Plain) -> sealift_store::Result<Self> {
        let (mut index, mut chunker, mut piece) = (Self::default(), Chunker::new(), vec![0; PIECE]);
        loop {
            let count = plain.read(&mut piece).map_err(in_full)?;
            if count == 0 {
                break;
            }
            chunker.all(&piece[..count], |chunk| index.add(chunk));
        }
        chunker.end().into_iter().for_each(|chunk| index.add(chunk));
        Ok(index)
    }

    fn add(&mut self, chunk: Chunk) {
        let place = Some((self.plain, chunk.size));
        self.places.entry(chunk.hash).and_modify(|known| *known = None).or_insert(place);
        self.plain += chunk.size;
    }

    fn place(&self, chunk: &Chunk) -> Option<u64> {
        self.places.get(&chunk.hash).copied().flatten().filter(|place| place.1 == chunk.size).map(|it| it.0)
    }
}

/// Takes content piece by piece and makes frames of it.
pub(super) struct Cutter<'a, R> {
    index: &'a Index,
    base: R,
    level: i32,
    /// How large a segment may become, and its prefix.
    most: usize,
    /// How many bytes all frames may take.
    room: usize,
    chunker: Chunker,
    segment: Vec<u8>,
    chunks: Vec<Chunk>,
    /// Where in the base the last chunk ends that was found there.
    behind: u64,
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

impl<'a, R: Runs> Cutter<'a, R> {
    pub(super) fn new(index: &'a Index, base: R, level: i32, most: usize, room: usize) -> Self {
        let plain_digest = Digest::sha256(b"");
        Self {
            index,
            base,
            level,
            most,
            room,
            chunker: Chunker::new(),
            segment: Vec::new(),
            chunks: Vec::new(),
            behind: 0,
            hasher: Hasher::new(Algorithm::Sha256),
            done: Frames { frames: Vec::new(), carried: Vec::new(), plain: 0, plain_digest },
        }
    }

    /// Takes more plain bytes.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<(), Raw> {
        self.hasher.update(bytes);
        while !bytes.is_empty() {
            let (taken, chunk) = self.chunker.next(bytes);
            self.segment.extend_from_slice(&bytes[..taken]);
            self.chunks.extend(chunk);
            bytes = &bytes[taken..];
            if chunk.is_some() && self.segment.len() >= self.most {
                self.cut()?;
            }
        }
        Ok(())
    }

    /// Ends the last segment.
    pub(super) fn end(mut self) -> Result<(Frames, R), Raw> {
        self.chunks.extend(self.chunker.end());
        if !self.segment.is_empty() || self.done.frames.is_empty() {
            self.cut()?;
        }
        self.done.plain_digest = self.hasher.finish();
        Ok((self.done, self.base))
    }

    /// Makes a frame of the segment.
    fn cut(&mut self) -> Result<(), Raw> {
        if self.done.frames.len() == FRAMES_LIMIT {
            return Err(Raw::TooLarge);
        }
        let runs = self.runs();
        let prefix = self.base.read(&runs).map_err(|error| Raw::Unproved(error.to_string()))?;
        let (size, plain) = (prefix.len().max(self.segment.len()) as u64, self.segment.len() as u64);
        let room = self.room.saturating_sub(self.done.carried.len());
        let frame = encode(&prefix, &self.segment, self.level, room).map_err(Raw::Unproved)?;
        drop(prefix);
        let frame = frame.ok_or(Raw::NotSmaller)?;
        self.done.plain += plain;
        self.done.carried.extend_from_slice(&frame);
        let size_of_it = frame.len() as u64;
        self.done.frames.push(Frame { plain, size: size_of_it, window: Frame::window(size), prefix: runs });
        self.segment.clear();
        self.chunks.clear();
        Ok(())
    }

    /// Finds what the base has of the segment, and what lies there between.
    fn runs(&mut self) -> Vec<Run> {
        let (mut wanted, mut unknown) = (Vec::new(), 0);
        for chunk in &self.chunks {
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
        let plain = self.index.plain;
        let inside = wanted.into_iter().map(|(start, end)| (start.min(plain), end.min(plain)));
        fitting(merged(inside.collect()), self.most as u64)
    }
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
fn fitting(mut runs: Vec<(u64, u64)>, most: u64) -> Vec<Run> {
    runs.sort_unstable_by_key(|(start, end)| std::cmp::Reverse(end - start));
    runs.truncate(PREFIX_LIMIT);
    let mut left = most;
    for (start, end) in &mut runs {
        *end = (*end).min(start.saturating_add(left));
        left -= *end - *start;
    }
    runs.retain(|(start, end)| start < end);
    runs.sort_unstable();
    runs.into_iter().map(|(start, end)| Run { base: 0, offset: start, size: end - start }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_few_and_fit() {
        let far = NEAR + 1;
        assert_eq!(merged(vec![(5, 9), (0, 3), (9 + far, 10 + far), (7, 7)]), [(0, 9), (9 + far, 10 + far)]);
        let run = |offset, size| Run { base: 0, offset, size };
        assert_eq!(fitting(vec![(0, 5), (100, 120), (200, 210)], 27), [run(100, 20), run(200, 7)]);
        let many: Vec<(u64, u64)> = (0..1000).map(|it| (it * 10, it * 10 + 5)).collect();
        assert_eq!(fitting(many, 1 << 30).len(), PREFIX_LIMIT);
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
