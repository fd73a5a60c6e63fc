//! From entry to entry through a run of volumes.
//!
//! Where an entry should begin and none does, the walk goes on at the next content that the catalogue knows of: one
//! damaged header hides nothing behind it.

use std::collections::VecDeque;
use std::ops::Range;

use super::header::{self, Read};
use super::tape::{Broken, Place, Tape};
use super::{Found, Meter, entries};
use crate::catalogue::{Content, Extent};
use crate::entry::{self, BLOCK};
use crate::reader::{Bundle, VolumeFile};

/// A check on its way.
pub(super) struct Walk<'a> {
    bundle: &'a Bundle,
    volumes: Range<usize>,
    /// Where each volume begins on the tape.
    starts: Vec<u64>,
    tape: Tape<'a>,
    /// The content that begins in these volumes, and where on the tape, in that order.
    next: VecDeque<(u64, &'a Content)>,
    has_ended: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(bundle: &'a Bundle, volumes: Range<usize>, meter: &'a Meter<'a>) -> Self {
        let starts = starts(bundle, &volumes);
        let mut next: Vec<(u64, &Content)> = Vec::new();
        for content in &bundle.catalogue().content {
            if let Some(first) = content.at.first().filter(|first| volumes.contains(&first.volume)) {
                next.push((starts[first.volume - volumes.start] + first.offset, content));
            }
        }
        next.sort_by_key(|(at, content)| (*at, content.size > 0));
        let tape = Tape::new(bundle, volumes.clone(), meter);
        Self { bundle, volumes, starts, tape, next: next.into(), has_ended: false }
    }

    /// Returns what was found, and the volume at which the walk had to stop.
    pub(super) fn run(mut self) -> (Vec<Found>, Option<usize>) {
        let outcome = self.walk();
        let stopped = outcome.is_err().then(|| self.tape.stopped());
        (self.tape.found, stopped)
    }

    fn walk(&mut self) -> Result<(), Broken> {
        self.skip_rest()?;
        while let Some(here) = self.tape.here()? {
            match header::read(&mut self.tape)? {
                Read::Entry(name, size) => self.entry(&here, &name, size)?,
                Read::Zeros if self.is_end(&here) => self.end(&here)?,
                Read::Zeros | Read::Damaged => self.go_on(&here)?,
            }
        }
        self.report_rest();
        Ok(())
    }

    /// The volume before may be missing, and its last blob goes on here.
    fn skip_rest(&mut self) -> Result<(), Broken> {
        let first = self.volumes.start;
        let goes_on = |content: &&Content| content.at.iter().skip(1).any(|extent| extent.volume == first);
        let content = self.bundle.catalogue().content.iter().find(goes_on);
        content.map_or(Ok(()), |content| self.pass(content))
    }

    /// Passes over content of which a part lies in a volume that cannot be read, which was told already.
    fn pass(&mut self, content: &Content) -> Result<(), Broken> {
        let here = content.at.iter().filter(|extent| self.volumes.contains(&extent.volume));
        self.tape.each(here.map(|extent| extent.size).sum(), |_| {})?;
        let is_over = content.at.last().is_some_and(|last| self.volumes.contains(&last.volume));
        if is_over { self.padding(stored(content)) } else { Ok(()) }
    }

    fn entry(&mut self, header: &Place, name: &str, size: u64) -> Result<(), Broken> {
        let at = self.tape.taken();
        let end = at.saturating_add(entry::length(size) - BLOCK);
        self.drop_passed(at);
        match self.next.front().copied() {
            Some((begin, content)) if begin == at && stored(content) == size => {
                self.next.pop_front();
                self.listed(header, name, content)
            }
            Some((begin, content)) if begin < end => {
                let what = format!("{name:?} lies where the catalogue has {}", content.digest);
                self.tape.found.push(Found { content: vec![content.digest], ..header.finding(what) });
                self.resume()
            }
            _ => self.unlisted(header, name, size),
        }
    }

    fn listed(&mut self, header: &Place, name: &str, content: &'a Content) -> Result<(), Broken> {
        let expected = match content.encoding {
            Some(_) => entry::delta_name(&content.digest),
            None => entry::name(&content.digest),
        };
        let is_named = self.bundle.key().is_some() || name == expected;
        if !is_named {
            let what = format!("{name:?} lies where the catalogue has {}", content.digest);
            self.tape.found.push(Found { content: vec![content.digest], ..header.finding(what) });
        }
        self.content(content)
    }

    /// Checks content that begins at the next byte.
    fn content(&mut self, content: &'a Content) -> Result<(), Broken> {
        if content.at.iter().any(|extent| !self.volumes.contains(&extent.volume)) {
            return self.pass(content);
        }
        let (begin, at) = (self.place()?, self.tape.taken());
        let verdict = entries::listed(&mut self.tape, self.bundle, content, stored(content))?;
        let verdict = verdict.or_else(|| {
            let is_there = self.extents(at, stored(content)) == content.at;
            (!is_there).then(|| format!("{} lies elsewhere than the catalogue says", content.digest))
        });
        if let Some(what) = verdict {
            self.tape.found.push(Found { content: vec![content.digest], ..begin.finding(what) });
        }
        self.padding(stored(content))
    }

    /// Where content lies that takes the next bytes of the tape.
    fn extents(&self, at: u64, size: u64) -> Vec<Extent> {
        let (mut all, mut left) = (Vec::new(), size);
        for (number, &begin) in self.volumes.clone().zip(&self.starts) {
            let length = self.bundle.volume(number).map_or(0, VolumeFile::size);
            let Some(offset) = at.max(begin).checked_sub(begin).filter(|offset| *offset < length) else {
                continue;
            };
            let size = left.min(length - offset);
            left -= size;
            all.push(Extent { volume: number, offset, size });
            if left == 0 {
                break;
            }
        }
        all
    }

    fn unlisted(&mut self, header: &Place, name: &str, size: u64) -> Result<(), Broken> {
        let place = self.place()?;
        if let Some(what) = entries::unlisted(&mut self.tape, self.bundle, &place, name, size)? {
            self.tape.found.push(header.finding(what));
        }
        self.padding(size)
    }

    /// Nothing but zeros stands between content and the next header.
    fn padding(&mut self, size: u64) -> Result<(), Broken> {
        let Some(here) = self.tape.here()? else { return Ok(()) };
        let expected = entry::padding(size);
        if self.tape.exact(expected.len() as u64)? != expected {
            self.tape.found.push(here.finding("the padding is damaged"));
        }
        Ok(())
    }

    fn is_end(&mut self, here: &Place) -> bool {
        self.drop_passed(self.tape.taken());
        here.volume == self.bundle.volumes().len() && self.next.is_empty()
    }

    /// One block of zeros was read; one more is the end, and nothing follows it.
    fn end(&mut self, here: &Place) -> Result<(), Broken> {
        self.has_ended = true;
        let second = self.tape.exact(BLOCK)?;
        let mut rest = 0;
        self.tape.each(u64::MAX, |piece| rest += piece.len())?;
        if second != [0; BLOCK as usize] || rest > 0 {
            self.tape.found.push(here.finding("the end of the archive is damaged, or something follows it"));
        }
        Ok(())
    }

    /// No entry begins here.
    fn go_on(&mut self, here: &Place) -> Result<(), Broken> {
        // What the catalogue does not list may have gone on into a volume; the checksum covers that.
        let is_summed = self.bundle.volume(here.volume).is_some_and(|it| it.sha256().is_some());
        if here.volume == 1 || here.position > 0 || !is_summed {
            self.tape.found.push(here.finding("the header of an entry is damaged"));
        }
        self.resume()
    }

    /// Goes on at the next content that the catalogue knows of.
    fn resume(&mut self) -> Result<(), Broken> {
        let at = self.tape.taken();
        self.drop_passed(at);
        match self.next.pop_front() {
            Some((begin, content)) => {
                self.tape.each(begin - at, |_| {})?;
                self.content(content)
            }
            None => {
                self.has_ended = true;
                self.tape.each(u64::MAX, |_| {}).map(|_| ())
            }
        }
    }

    /// Content whose beginning was passed is not where the catalogue says.
    fn drop_passed(&mut self, at: u64) {
        while let Some((_, content)) = self.next.pop_front_if(|(begin, _)| *begin < at) {
            self.report_missing(content);
        }
    }

    fn report_rest(&mut self) {
        while let Some((_, content)) = self.next.pop_front() {
            self.report_missing(content);
        }
        let count = self.bundle.volumes().len();
        if let Some(last) = self.bundle.volume(count).filter(|_| self.volumes.end > count && !self.has_ended)
        {
            let (path, position) = (last.path().to_owned(), Some(last.size()));
            let what = "the end of the archive is missing".to_owned();
            self.tape.found.push(Found { path, position, what, content: Vec::new() });
        }
    }

    fn report_missing(&mut self, content: &Content) {
        let Some(first) = content.at.first() else { return };
        let Some(volume) = self.bundle.volume(first.volume) else { return };
        self.tape.found.push(Found {
            path: volume.path().to_owned(),
            position: Some(first.offset),
            what: format!("{} does not lie there, as the catalogue says", content.digest),
            content: vec![content.digest],
        });
    }

    /// Where the next byte lies, or the last one lay.
    fn place(&mut self) -> Result<Place, Broken> {
        let here = self.tape.here()?;
        let last = || {
            let volume = self.volumes.end - 1;
            let file = self.bundle.volume(volume);
            let path = file.map(|it| it.path().to_owned()).unwrap_or_default();
            Place { volume, path, position: file.map_or(0, VolumeFile::size) }
        };
        Ok(here.unwrap_or_else(last))
    }
}

/// How many bytes content takes in the volumes.
fn stored(content: &Content) -> u64 {
    content.at.iter().map(|extent| extent.size).sum()
}

/// Where each volume begins on the tape.
fn starts(bundle: &Bundle, volumes: &Range<usize>) -> Vec<u64> {
    let sizes = volumes.clone().map(|number| bundle.volume(number).map_or(0, VolumeFile::size));
    let begin = |end: &mut u64, size| Some(std::mem::replace(end, end.saturating_add(size)));
    sizes.scan(0, begin).collect()
}
