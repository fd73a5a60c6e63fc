//! From plain bytes back to the gzip stream.

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;

use crate::gzip::Tally;
use crate::parallel::Parallel;
use crate::{Deflate, Member, Recipe};

/// How many bytes are read at a time.
const PIECE: usize = 256 << 10;

/// Writes the gzip stream of a recipe from its plain bytes, which come in any pieces.
///
/// It needs about 1 MiB. With several threads, encoders that work block by block (pgzip, pigz) need
/// about 10 MiB for each, and come with that much at a time.
#[derive(Debug)]
pub struct Rebuilder<'a> {
    recipe: &'a Recipe,
    threads: NonZeroUsize,
    /// Members that were begun.
    begun: usize,
    current: Option<Current>,
}

/// The member that is being written.
#[derive(Debug)]
struct Current {
    work: Work,
    tally: Tally,
    remaining: u64,
}

#[derive(Debug)]
enum Work {
    Serial(Deflate),
    Parallel(Parallel),
}

/// The plain bytes were not those of the recipe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// More came than the recipe tells of.
    #[error("there are more plain bytes than the {expected} of the recipe")]
    TooMany {
        /// How many the recipe tells of.
        expected: u64,
    },
    /// They ended early.
    #[error("the plain bytes end before the {expected} of the recipe are there")]
    TooFew {
        /// How many the recipe tells of.
        expected: u64,
    },
    /// They could not be read, or the stream not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl<'a> Rebuilder<'a> {
    /// Begins the stream, on as many threads where the encoder allows.
    pub fn new(recipe: &'a Recipe, threads: NonZeroUsize) -> Self {
        Self { recipe, threads, begun: 0, current: None }
    }

    /// Takes more plain bytes, and appends what can be told of the stream to `out`.
    ///
    /// # Errors
    ///
    /// If there are more than the recipe tells of.
    pub fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) -> Result<(), RebuildError> {
        while !plain.is_empty() {
            let Some(current) = self.ready(out) else {
                return Err(RebuildError::TooMany { expected: self.recipe.plain() });
            };
            let len = usize::try_from(current.remaining).unwrap_or(usize::MAX).min(plain.len());
            let (now, later) = plain.split_at(len);
            current.write(now, out);
            plain = later;
        }
        Ok(())
    }

    /// Ends the stream, and appends its rest to `out`.
    ///
    /// # Errors
    ///
    /// If there are fewer plain bytes than the recipe tells of.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), RebuildError> {
        if self.ready(out).is_some() {
            return Err(RebuildError::TooFew { expected: self.recipe.plain() });
        }
        out.extend_from_slice(self.recipe.trailing());
        Ok(())
    }

    /// The member that waits for plain bytes. Those before it are ended, those without any are written.
    fn ready(&mut self, out: &mut Vec<u8>) -> Option<&mut Current> {
        while self.current.as_ref().is_none_or(|it| it.remaining == 0) {
            if let Some(done) = self.current.take() {
                done.finish(out);
            }
            let member = self.recipe.members().get(self.begun)?;
            self.begun += 1;
            out.extend_from_slice(member.header());
            self.current = Some(Current::new(member, self.threads));
        }
        self.current.as_mut()
    }
}

impl Current {
    fn new(member: &Member, threads: NonZeroUsize) -> Self {
        let parallel = Parallel::new(member.encoder(), member.plain(), threads);
        let work = parallel.map_or_else(|| Work::Serial(member.encoder().deflate()), Work::Parallel);
        Self { work, tally: Tally::default(), remaining: member.plain() }
    }

    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.tally.add(plain);
        self.remaining -= plain.len() as u64;
        match &mut self.work {
            Work::Serial(it) => it.write(plain, out),
            Work::Parallel(it) => it.write(plain, out),
        }
    }

    fn finish(self, out: &mut Vec<u8>) {
        match self.work {
            Work::Serial(it) => it.finish(out),
            Work::Parallel(it) => it.finish(out),
        }
        out.extend_from_slice(&self.tally.trailer());
    }
}

/// Writes the gzip stream of a recipe from a reader of its plain bytes, on as many threads where the encoder allows.
/// Returns its length.
///
/// # Errors
///
/// If reading or writing fails, or the plain bytes are too few or too many.
pub fn rebuild(
    recipe: &Recipe,
    mut plain: impl Read,
    mut stream: impl Write,
    threads: NonZeroUsize,
) -> Result<u64, RebuildError> {
    let mut rebuilder = Rebuilder::new(recipe, threads);
    let mut piece = vec![0; PIECE];
    let mut out = Vec::new();
    let mut written = 0;
    loop {
        let len = match plain.read(&mut piece) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        rebuilder.write(&piece[..len], &mut out)?;
        written += out.len() as u64;
        stream.write_all(&out)?;
        out.clear();
    }
    rebuilder.finish(&mut out)?;
    stream.write_all(&out)?;
    Ok(written + out.len() as u64)
}
