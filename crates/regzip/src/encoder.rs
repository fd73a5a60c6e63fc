//! The encoders that are known, and what they are called for ever.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::klauspost::{self, Revision};
use crate::raw::RawEncoder;
use crate::zlib::Blocks as Chain;
use crate::{gnu, go, zlib};

/// The longest text of an encoder that is read.
const MAX_TEXT: usize = 128;
/// Pieces and blocks of parallel encoders are no longer than this: whoever re-encodes several at once holds them all.
const MAX_BLOCK: u32 = 16 << 20;

/// An encoder with its parameters, which together say how plain bytes become one raw DEFLATE stream.
///
/// The text form, such as `go-1.19:level=6`, is made to be stored: an id keeps its meaning for ever. An id names the
/// first version that wrote so, as far as was looked.
///
/// ```
/// let encoder: regzip::Encoder = "go-1.19:level=6".parse()?;
/// assert_eq!(encoder.id(), "go-1.19");
/// assert_eq!(encoder.to_string(), "go-1.19:level=6");
/// # Ok::<(), regzip::UnknownEncoder>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoder(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Go's `compress/gzip`, 1.19 to 1.26.
    Go { level: i8 },
    /// `klauspost/compress/gzip`.
    Klauspost { revision: Revision, level: i8 },
    /// `klauspost/pgzip`, in pieces of so many bytes.
    Pgzip { revision: Revision, level: i8, block: u32 },
    /// zlib with a memory level.
    Zlib { level: u8, memory: u8 },
    /// `pigz`, in blocks of so many bytes.
    Pigz { level: u8, block: u32, chain: Chain },
    /// GNU gzip.
    Gnu { level: u8 },
}

/// The names of what pigz's blocks know of one another.
const CHAINS: [(&str, Chain); 3] =
    [("chained", Chain::Chained), ("independent", Chain::Independent), ("continued", Chain::Continued)];

/// The versions of klauspost/compress that ids name.
const REVISIONS: [(&str, &str, Revision); 5] = [
    ("klauspost-1.15.12", "pgzip-1.15.12", Revision::V1_15_12),
    ("klauspost-1.15.15", "pgzip-1.15.15", Revision::V1_15_15),
    ("klauspost-1.18.0", "pgzip-1.18.0", Revision::V1_18_0),
    ("klauspost-1.18.2", "pgzip-1.18.2", Revision::V1_18_2),
    ("klauspost-1.20.3", "pgzip-1.20.3", Revision::V1_20),
];

/// An encoder that this version does not know, or parameters that the encoder does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no encoder is known as `{0}`; a later version may know it")]
pub struct UnknownEncoder(String);

/// Levels and memory levels as zlib counts them.
const LEVELS: RangeInclusive<u8> = 1..=9;
const PGZIP_BLOCKS: RangeInclusive<u32> = klauspost::DICTIONARY as u32 + 1..=MAX_BLOCK;
const PIGZ_BLOCKS: RangeInclusive<u32> = zlib::MIN_BLOCK as u32..=MAX_BLOCK;

/// Levels as Go counts them. `DefaultCompression`, -1, is one of the others.
fn is_go_level(level: i8) -> bool {
    (go::HUFFMAN_ONLY..=9).contains(&level) && level != -1
}

impl Encoder {
    /// The encoder of some parameters; none if it does not have them.
    pub(crate) fn new(kind: Kind) -> Option<Self> {
        let known = match kind {
            Kind::Go { level } | Kind::Klauspost { level, .. } => is_go_level(level),
            Kind::Pgzip { level, block, .. } => is_go_level(level) && PGZIP_BLOCKS.contains(&block),
            Kind::Zlib { level, memory } => LEVELS.contains(&level) && LEVELS.contains(&memory),
            Kind::Pigz { level, block, .. } => LEVELS.contains(&level) && PIGZ_BLOCKS.contains(&block),
            Kind::Gnu { level } => LEVELS.contains(&level),
        };
        known.then_some(Self(kind))
    }

    pub(crate) fn kind(&self) -> Kind {
        self.0
    }

    /// What names the encoder, without its parameters.
    pub fn id(&self) -> &'static str {
        match self.0 {
            Kind::Go { .. } => "go-1.19",
            Kind::Klauspost { revision, .. } => revision_ids(revision).0,
            Kind::Pgzip { revision, .. } => revision_ids(revision).1,
            Kind::Zlib { .. } => "zlib-1.2",
            Kind::Pigz { .. } => "pigz-2",
            Kind::Gnu { .. } => "gnu-gzip-1",
        }
    }

    /// The level, as the encoder counts them.
    pub fn level(&self) -> i8 {
        match self.0 {
            Kind::Go { level } | Kind::Klauspost { level, .. } | Kind::Pgzip { level, .. } => level,
            // Levels end at 11 at the most.
            Kind::Zlib { level, .. } | Kind::Pigz { level, .. } | Kind::Gnu { level } => level as i8,
        }
    }

    /// Begins a raw DEFLATE stream (RFC 1951).
    pub fn deflate(&self) -> Deflate {
        #[allow(clippy::expect_used, reason = "no encoder is made that cannot begin")]
        Deflate(begin(self.0).expect("an encoder with these parameters"))
    }

    /// How the stream is made of blocks that can be encoded apart; nothing if it is not.
    pub(crate) fn blocks(&self) -> Option<Blocks> {
        match self.0 {
            Kind::Pgzip { revision, level, block } => Some(Blocks {
                size: block as usize,
                ends_short: true,
                kind: BlockKind::Pgzip(revision, level),
            }),
            Kind::Pigz { level, block, chain: chain @ (Chain::Chained | Chain::Independent) } => {
                Some(Blocks { size: block as usize, ends_short: false, kind: BlockKind::Pigz(level, chain) })
            }
            _ => None,
        }
    }
}

fn revision_ids(revision: Revision) -> (&'static str, &'static str) {
    // Every revision is in the table; the first stands in for what the compiler cannot know.
    let entry = REVISIONS.iter().find(|it| it.2 == revision).unwrap_or(&REVISIONS[0]);
    (entry.0, entry.1)
}

fn begin(kind: Kind) -> Option<Box<dyn RawEncoder>> {
    match kind {
        Kind::Go { level } => go::encoder(level),
        Kind::Klauspost { revision, level } => Some(Box::new(klauspost::Stream::new(revision, level)?)),
        Kind::Pgzip { revision, level, block } => {
            Some(Box::new(klauspost::Pgzip::new(revision, level, block as usize)?))
        }
        Kind::Zlib { level, memory } => zlib::encoder(level, memory),
        Kind::Pigz { level, block, chain } => zlib::pigz(level, chain, u64::from(block)),
        Kind::Gnu { level } => gnu::encoder(level),
    }
}

impl fmt::Display for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:level={}", self.id(), self.level())?;
        match self.0 {
            Kind::Pgzip { block, .. } => write!(f, ",block={block}"),
            Kind::Zlib { memory, .. } => write!(f, ",memory={memory}"),
            Kind::Pigz { block, chain, .. } => {
                let name = CHAINS.iter().find(|it| it.1 == chain).map_or("chained", |it| it.0);
                write!(f, ",block={block},blocks={name}")
            }
            Kind::Go { .. } | Kind::Klauspost { .. } | Kind::Gnu { .. } => Ok(()),
        }
    }
}

impl FromStr for Encoder {
    type Err = UnknownEncoder;

    fn from_str(text: &str) -> Result<Self, UnknownEncoder> {
        let known = if text.len() <= MAX_TEXT { parse(text) } else { None };
        // One encoder has one text, so that texts can be compared.
        let known = known.and_then(Self::new).filter(|it| it.to_string() == text);
        known.ok_or_else(|| UnknownEncoder(text.chars().take(MAX_TEXT).collect()))
    }
}

fn parse(text: &str) -> Option<Kind> {
    let (id, parameters) = text.split_once(':')?;
    let value = |key: &str| parameters.split(',').find_map(|it| it.strip_prefix(key)?.strip_prefix('='));
    let (level, block) = (value("level")?, value("block"));
    let signed = level.parse::<i8>().ok()?;
    let unsigned = || u8::try_from(signed).ok();
    if let Some((_, pgzip, revision)) = REVISIONS.iter().find(|it| it.0 == id || it.1 == id) {
        return Some(match *pgzip == id {
            true => Kind::Pgzip { revision: *revision, level: signed, block: block?.parse().ok()? },
            false => Kind::Klauspost { revision: *revision, level: signed },
        });
    }
    match id {
        "go-1.19" => Some(Kind::Go { level: signed }),
        "zlib-1.2" => Some(Kind::Zlib { level: unsigned()?, memory: value("memory")?.parse().ok()? }),
        "pigz-2" => {
            let chain = CHAINS.iter().find(|it| Some(it.0) == value("blocks"))?.1;
            Some(Kind::Pigz { level: unsigned()?, block: block?.parse().ok()?, chain })
        }
        "gnu-gzip-1" => Some(Kind::Gnu { level: unsigned()? }),
        _ => None,
    }
}

/// A raw DEFLATE stream that is being written.
pub struct Deflate(Box<dyn RawEncoder>);

impl Deflate {
    /// Takes more plain bytes, and appends what can be told of the stream to `out`.
    pub fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.0.write(plain, out);
    }

    /// Ends the stream, and appends its rest to `out`.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.0.finish(out);
    }
}

impl fmt::Debug for Deflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deflate")
    }
}

/// How a stream is made of blocks that can be encoded apart.
#[derive(Clone, Copy)]
pub(crate) struct Blocks {
    /// How many plain bytes a block has.
    pub(crate) size: usize,
    /// Whether the last block is always shorter than that, and so may be empty.
    pub(crate) ends_short: bool,
    kind: BlockKind,
}

#[derive(Clone, Copy)]
enum BlockKind {
    Pgzip(Revision, i8),
    Pigz(u8, Chain),
}

/// Encodes blocks in any order.
pub(crate) enum BlockWriter {
    Pgzip(Box<klauspost::BlockEncoder>),
    Pigz(Box<zlib::PigzBlocks>),
}

impl Blocks {
    /// How many bytes before a block its encoding depends on, at most.
    pub(crate) const REACH: usize = 32 << 10;

    /// An encoder for one thread.
    pub(crate) fn writer(self) -> Option<BlockWriter> {
        match self.kind {
            BlockKind::Pgzip(revision, level) => {
                klauspost::BlockEncoder::new(revision, level).map(Box::new).map(BlockWriter::Pgzip)
            }
            BlockKind::Pigz(level, chain) => {
                zlib::PigzBlocks::new(level, chain).map(Box::new).map(BlockWriter::Pigz)
            }
        }
    }
}

impl BlockWriter {
    /// Appends one block. `before` are the plain bytes before it, of which the last [`Blocks::REACH`] count.
    pub(crate) fn encode(&mut self, before: &[u8], plain: &[u8], last: bool, out: &mut Vec<u8>) {
        match self {
            Self::Pgzip(it) => {
                let from = before.len().saturating_sub(klauspost::DICTIONARY);
                it.encode(&before[from..], plain, last, out);
            }
            Self::Pigz(it) => it.encode(before, plain, last, out),
        }
    }
}
