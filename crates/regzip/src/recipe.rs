//! How a gzip stream is written again from its plain bytes.

use std::fmt::{self, Write};
use std::str::FromStr;

use crate::gzip::{self, Header};
use crate::{Encoder, UnknownEncoder};

/// The most members of a stream.
pub const MAX_MEMBERS: usize = 1 << 16;
/// The most bytes of all headers together.
pub const MAX_HEADERS: usize = 1 << 20;
/// The most bytes behind the last member.
pub const MAX_TRAILING: usize = 64 << 10;
/// The longest text of a recipe.
pub const MAX_TEXT: usize = 8 << 20;

/// What begins the line with the bytes behind the last member.
const TRAILING: &str = "trailing";

/// One part of a gzip stream, with a header and a trailer of its own. Most streams have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    header: Vec<u8>,
    encoder: Encoder,
    plain: u64,
}

impl Member {
    /// A member with that header, for `plain` plain bytes.
    ///
    /// # Errors
    ///
    /// If the header is not one whole gzip header.
    pub fn new(header: Vec<u8>, encoder: Encoder, plain: u64) -> Result<Self, RecipeError> {
        match gzip::header(&header) {
            Header::Whole(len) if len == header.len() => Ok(Self { header, encoder, plain }),
            _ => Err(RecipeError::Header),
        }
    }

    /// The header, as it was.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// What encodes the plain bytes.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// How many plain bytes the member has.
    pub fn plain(&self) -> u64 {
        self.plain
    }

    fn is_written_like(&self, other: &Self) -> bool {
        self.header == other.header && self.encoder == other.encoder
    }
}

/// How a gzip stream is written again: together with the plain bytes of all members it is the whole stream.
///
/// It has a text form, made to be stored: a line for each run of members with the same header and encoder (the
/// header in hexadecimal, the encoder, and how many plain bytes each has, with commas), then a line with the bytes behind
/// the last member, if there are any.
///
/// ```
/// let recipe: regzip::Recipe = "1f8b08000000000000ff go-1.19:level=6 1048576\n".parse()?;
/// assert_eq!(recipe.plain(), 1 << 20);
/// # Ok::<(), regzip::RecipeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    members: Vec<Member>,
    trailing: Vec<u8>,
    plain: u64,
}

/// Why something is no recipe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// A header that is not one.
    #[error("a member's header is no gzip header")]
    Header,
    /// There are no members, or too many; or too many bytes that are not their content.
    #[error(
        "the recipe has no member, or more than {MAX_MEMBERS}, or its headers or trailing bytes are too long"
    )]
    Size,
    /// The text is not a recipe's.
    #[error("line {line} of the recipe is not `header encoder lengths`")]
    Text {
        /// The line, counted from 1.
        line: usize,
    },
    /// An encoder that this version does not know.
    #[error("line {line} of the recipe: {source}")]
    Encoder {
        /// The line, counted from 1.
        line: usize,
        /// What was found.
        source: UnknownEncoder,
    },
}

impl Recipe {
    /// A recipe for these members, and bytes behind the last.
    ///
    /// # Errors
    ///
    /// If a bound is broken.
    pub fn new(members: Vec<Member>, trailing: Vec<u8>) -> Result<Self, RecipeError> {
        let headers: usize = members.iter().map(|it| it.header.len()).sum();
        let plain = members.iter().try_fold(0u64, |sum, it| sum.checked_add(it.plain));
        let count = (1..=MAX_MEMBERS).contains(&members.len());
        match plain {
            Some(plain) if count && headers <= MAX_HEADERS && trailing.len() <= MAX_TRAILING => {
                Ok(Self { members, trailing, plain })
            }
            _ => Err(RecipeError::Size),
        }
    }

    /// The members, in order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The bytes behind the last member.
    pub fn trailing(&self) -> &[u8] {
        &self.trailing
    }

    /// How many plain bytes all members have together.
    pub fn plain(&self) -> u64 {
        self.plain
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for run in self.members.chunk_by(Member::is_written_like) {
            write!(f, "{} {} ", Hex(&run[0].header), run[0].encoder)?;
            for (at, member) in run.iter().enumerate() {
                write!(f, "{}{}", if at == 0 { "" } else { "," }, member.plain)?;
            }
            f.write_char('\n')?;
        }
        if !self.trailing.is_empty() {
            writeln!(f, "{TRAILING} {}", Hex(&self.trailing))?;
        }
        Ok(())
    }
}

impl FromStr for Recipe {
    type Err = RecipeError;

    fn from_str(text: &str) -> Result<Self, RecipeError> {
        if text.len() > MAX_TEXT {
            return Err(RecipeError::Size);
        }
        let mut members = Vec::new();
        let mut trailing = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let broken = || RecipeError::Text { line: at + 1 };
            if !trailing.is_empty() {
                return Err(broken());
            }
            if let Some(bytes) = line.strip_prefix(TRAILING) {
                trailing =
                    bytes.strip_prefix(' ').and_then(unhex).filter(|it| !it.is_empty()).ok_or_else(broken)?;
            } else {
                read_members(line, at + 1, &mut members)?;
            }
        }
        Self::new(members, trailing)
    }
}

fn read_members(text: &str, line: usize, members: &mut Vec<Member>) -> Result<(), RecipeError> {
    let broken = || RecipeError::Text { line };
    let [header, encoder, lengths] = *text
        .split(' ')
        .collect::<Vec<_>>()
        .first_chunk::<3>()
        .filter(|_| text.matches(' ').count() == 2)
        .ok_or_else(broken)?;
    let header = unhex(header).ok_or_else(broken)?;
    let encoder: Encoder = encoder.parse().map_err(|source| RecipeError::Encoder { line, source })?;
    let lengths: Vec<_> = lengths.split(',').take(MAX_MEMBERS + 1 - members.len()).collect();
    // Checked before a short text can become many long headers.
    if members.len() + lengths.len() > MAX_MEMBERS || lengths.len() * header.len() > MAX_HEADERS {
        return Err(RecipeError::Size);
    }
    for length in lengths {
        let plain = length.parse().map_err(|_| broken())?;
        members.push(Member::new(header.clone(), encoder.clone(), plain)?);
    }
    Ok(())
}

/// Bytes in hexadecimal.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|it| it as u8);
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
