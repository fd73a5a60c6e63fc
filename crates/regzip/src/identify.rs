//! From a gzip stream to the recipe that writes it again.
//!
//! One pass: the stream is inflated, and what comes out is encoded again by every encoder that may have made it, and
//! compared at once. Those that differ fall away, nearly always within the first blocks, so that one is left for the rest.
//! Where a recipe comes out, each byte of the stream was compared: it is proved.

use std::io::{self, Read};
use std::iter::once_with;

use crate::candidates::candidates;
use crate::gzip::{self, Header, Hints, TRAILER, Tally};
use crate::recipe::{MAX_HEADERS, MAX_MEMBERS, MAX_TRAILING};
use crate::source::{Inflater, Source};
use crate::{Deflate, Encoder, Member, Recipe};

/// How many plain bytes are kept, so that all candidates can be tried on them one after the other.
const SAMPLE: usize = 1 << 20;
/// How many plain bytes a candidate gets at a time before it is compared.
const STEP: usize = 64 << 10;

/// Why there is no recipe for a stream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentifyError {
    /// The stream does not begin as gzip does.
    #[error("this is no gzip stream")]
    NotGzip,
    /// The stream breaks the format, or is cut.
    #[error("the gzip stream is damaged: {0}")]
    Damaged(&'static str),
    /// None of the known encoders writes this stream.
    #[error("no known encoder writes this stream")]
    NoEncoder,
    /// The plain bytes are more than the caller allows.
    #[error("the stream has more than {limit} plain bytes")]
    TooLarge {
        /// What the caller allows.
        limit: u64,
    },
    /// There are more members, headers or trailing bytes than a recipe may have.
    #[error("the stream has too many members, or too long headers, or too many bytes behind them")]
    TooManyParts,
    /// The stream could not be read, or the plain bytes not be taken.
    #[error(transparent)]
    Io(#[from] io::Error),
}

type Result<T> = std::result::Result<T, IdentifyError>;

/// Finds the recipe that writes a gzip stream again, byte for byte, which may have at most `limit` plain bytes.
///
/// The plain bytes are handed to `plain` on the way, also of streams for which there turns out to be no recipe.
/// It needs a few MiB, and up to 32 MiB more for streams of unusual encoders.
///
/// # Errors
///
/// If there is no recipe, or `plain` fails.
pub fn identify(stream: impl Read, limit: u64, plain: impl FnMut(&[u8]) -> io::Result<()>) -> Result<Recipe> {
    let mut identifier =
        Identifier { source: Source::new(stream), inflater: Inflater::new(), plain, left: limit, limit };
    let mut members: Vec<Member> = Vec::new();
    let mut headers = 0;
    while let Some(header) = identifier.header()? {
        headers += header.len();
        if members.len() == MAX_MEMBERS || headers > MAX_HEADERS {
            return Err(IdentifyError::TooManyParts);
        }
        let before = members.last().map(|it| it.encoder().clone());
        members.push(identifier.member(header, before)?);
    }
    if members.is_empty() {
        return Err(IdentifyError::NotGzip);
    }
    let trailing = identifier.trailing()?;
    Recipe::new(members, trailing).map_err(|_| IdentifyError::TooManyParts)
}

struct Identifier<R, F> {
    source: Source<R>,
    inflater: Inflater,
    plain: F,
    /// How many more plain bytes are allowed, of how many.
    left: u64,
    limit: u64,
}

impl<R: Read, F: FnMut(&[u8]) -> io::Result<()>> Identifier<R, F> {
    /// Takes the next header, if there is one.
    fn header(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            match gzip::header(self.source.rest()) {
                Header::Whole(len) => {
                    let header = self.source.rest()[..len].to_vec();
                    self.source.skip(len);
                    return Ok(Some(header));
                }
                Header::None => return Ok(None),
                Header::Cut if self.source.fill()? => {}
                Header::Cut => return Ok(None),
            }
        }
    }

    /// Takes what is left of a member, and finds its encoder.
    fn member(&mut self, header: Vec<u8>, before: Option<Encoder>) -> Result<Member> {
        self.inflater.begin();
        let mut tally = Tally::default();
        let begin = self.source.at();
        let mut sample = Vec::new();
        while sample.len() < SAMPLE && !self.inflater.is_done() {
            self.inflate(&mut tally, &mut sample)?;
        }
        let hints = Hints::of(&header);
        let groups = before.map(|it| vec![it]).into_iter().chain(once_with(|| candidates(hints)).flatten());
        let found = match self.try_all(groups, &sample, begin) {
            Trial::Found(encoder) => encoder,
            Trial::Live(live) => self.narrow(live, &mut tally)?,
        };
        self.trailer(&tally)?;
        self.source.release(None);
        Member::new(header, found, self.inflater.plain()).map_err(|_| IdentifyError::NotGzip)
    }

    /// Goes on to the end of a member with those encoders that agree so far.
    fn narrow(&mut self, mut live: Vec<Live>, tally: &mut Tally) -> Result<Encoder> {
        let mut piece = Vec::new();
        while !self.inflater.is_done() && !live.is_empty() {
            piece.clear();
            self.inflate(tally, &mut piece)?;
            live.retain_mut(|it| it.write(&piece, &self.source));
            self.source.release(live.iter().map(|it| it.agreed).min());
        }
        live.into_iter().find_map(|it| it.finish(&self.source)).ok_or(IdentifyError::NoEncoder)
    }

    /// Inflates one piece, hands it on and appends it to `plain`.
    fn inflate(&mut self, tally: &mut Tally, plain: &mut Vec<u8>) -> Result<()> {
        let piece = self.inflater.next(&mut self.source)?;
        let left = self.left.checked_sub(piece.len() as u64);
        self.left = left.ok_or(IdentifyError::TooLarge { limit: self.limit })?;
        tally.add(piece);
        (self.plain)(piece)?;
        plain.extend_from_slice(piece);
        Ok(())
    }

    /// Those encoders of the first group with any that agree with the sample; of a whole member, one that writes it.
    fn try_all(&self, groups: impl Iterator<Item = Vec<Encoder>>, sample: &[u8], begin: u64) -> Trial {
        for group in groups {
            let mut live = Vec::new();
            for encoder in group {
                let Some(candidate) = Live::new(encoder, begin).agreeing(sample, &self.source) else {
                    continue;
                };
                if !self.inflater.is_done() {
                    live.push(candidate);
                } else if let Some(encoder) = candidate.finish(&self.source) {
                    return Trial::Found(encoder);
                }
            }
            if !live.is_empty() {
                return Trial::Live(live);
            }
        }
        Trial::Live(Vec::new())
    }

    fn trailer(&mut self, tally: &Tally) -> Result<()> {
        while self.source.rest().len() < TRAILER {
            if !self.source.fill()? {
                return Err(IdentifyError::Damaged("it ends within a trailer"));
            }
        }
        if self.source.rest()[..TRAILER] != tally.trailer() {
            return Err(IdentifyError::Damaged("its checksum or its length is another one"));
        }
        self.source.skip(TRAILER);
        Ok(())
    }

    /// Takes all that is left.
    fn trailing(&mut self) -> Result<Vec<u8>> {
        while self.source.rest().len() <= MAX_TRAILING {
            if !self.source.fill()? {
                return Ok(self.source.rest().to_vec());
            }
        }
        Err(IdentifyError::TooManyParts)
    }
}

/// What trying encoders on a sample led to.
enum Trial {
    /// This one wrote the member, which is no longer than the sample.
    Found(Encoder),
    /// These may have written it.
    Live(Vec<Live>),
}

/// An encoder that agrees with the stream so far.
struct Live {
    encoder: Encoder,
    deflate: Deflate,
    /// Where in the stream the next byte belongs that it wrote.
    agreed: u64,
    /// What it wrote that is not compared yet, because the stream was not read so far.
    ahead: Vec<u8>,
}

impl Live {
    fn new(encoder: Encoder, begin: u64) -> Self {
        Self { deflate: encoder.deflate(), encoder, agreed: begin, ahead: Vec::new() }
    }

    /// This encoder, if it agrees on some plain bytes.
    fn agreeing<R>(mut self, plain: &[u8], source: &Source<R>) -> Option<Self> {
        plain.chunks(STEP).all(|it| self.write(it, source)).then_some(self)
    }

    /// Encodes more plain bytes, and returns whether it still agrees.
    fn write<R>(&mut self, plain: &[u8], source: &Source<R>) -> bool {
        self.deflate.write(plain, &mut self.ahead);
        self.compare(source.from(self.agreed))
    }

    fn compare(&mut self, stream: &[u8]) -> bool {
        let len = self.ahead.len().min(stream.len());
        let agrees = self.ahead[..len] == stream[..len];
        self.ahead.drain(..len);
        self.agreed += len as u64;
        agrees
    }

    /// The encoder, if it agrees to the end, which is where the stream was inflated to.
    fn finish<R>(mut self, source: &Source<R>) -> Option<Encoder> {
        self.deflate.finish(&mut self.ahead);
        let rest = source.from(self.agreed);
        let end = usize::try_from(source.at() - self.agreed.min(source.at())).ok()?;
        (rest.get(..end) == Some(&self.ahead[..]) && self.agreed <= source.at()).then_some(self.encoder)
    }
}
