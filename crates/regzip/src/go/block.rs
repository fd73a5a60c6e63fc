//! Blocks: stored, with the fixed codes, or with codes of their own, whichever Go takes.

use std::sync::LazyLock;

use super::bits::BitWriter;
use super::huffman::{Code, Huffman};
use super::table::CodeLengths;
use super::token::{
    ALL_DISTANCE_CODES, DISTANCE_CODES, LENGTH_BASE, LENGTH_CODE, LENGTH_CODES, LENGTH_EXTRA, LENGTH_SYMBOLS,
    SYMBOLS, Token, distance_code, distance_extra,
};

/// The most plain bytes of a stored block.
pub(crate) const MAX_STORED: usize = 65535;
/// Ends a block.
const END: usize = 256;
/// Literals, the end of a block, and lengths.
pub(crate) const LITERAL_CODES: usize = 257 + LENGTH_CODES;

/// The codes of literals and lengths, and those of distances.
pub(crate) struct Codes {
    pub(crate) literals: Huffman<LITERAL_CODES>,
    pub(crate) distances: Huffman<DISTANCE_CODES>,
}

/// The codes that need not be written (RFC 1951, 3.2.6).
pub(crate) static FIXED: LazyLock<Codes> = LazyLock::new(|| {
    // Two symbols that never occur take part in the numbering.
    let all = Huffman::<{ LITERAL_CODES + 2 }>::of_lengths(|symbol| match symbol {
        0..144 => 8,
        144..256 => 9,
        256..280 => 7,
        _ => 8,
    });
    let mut literals = Huffman::new();
    literals.codes.copy_from_slice(&all.codes[..LITERAL_CODES]);
    Codes { literals, distances: Huffman::of_lengths(|_| 5) }
});

/// How often each symbol occurs in a block.
struct Counts {
    literals: [u32; LITERAL_CODES],
    distances: [u32; DISTANCE_CODES],
}

impl Counts {
    fn of(tokens: &[Token]) -> Self {
        let mut counts = Self { literals: [0; LITERAL_CODES], distances: [0; DISTANCE_CODES] };
        let mut symbols = [0u32; SYMBOLS];
        let mut distances = [0u32; ALL_DISTANCE_CODES];
        for token in tokens {
            symbols[token.symbol()] += 1;
            distances[distance_code(token.extra_distance())] += 1;
        }
        let (bytes, lengths) = symbols.split_at(LENGTH_SYMBOLS);
        counts.literals[..LENGTH_SYMBOLS].copy_from_slice(bytes);
        counts.distances.copy_from_slice(&distances[..DISTANCE_CODES]);
        for (count, code) in lengths.iter().zip(LENGTH_CODE) {
            counts.literals[END + 1 + usize::from(code)] += count;
        }
        counts.literals[END] = 1;
        if counts.distances.iter().all(|it| *it == 0) {
            // A code without any symbol cannot be written.
            counts.distances[0] = 1;
        }
        counts
    }

    /// What the block takes with these codes, without the codes and without the bits that follow some of them.
    fn cost(&self, codes: &Codes) -> usize {
        codes.literals.cost(&self.literals) + codes.distances.cost(&self.distances)
    }

    /// How many bits follow codes.
    fn extra(&self) -> usize {
        let lengths = self.literals[END + 1..]
            .iter()
            .zip(LENGTH_EXTRA)
            .map(|(&n, extra)| n as usize * usize::from(extra));
        let distances =
            self.distances.iter().enumerate().map(|(code, &n)| n as usize * distance_extra(code) as usize);
        lengths.sum::<usize>() + distances.sum::<usize>()
    }
}

/// Writes the blocks of a stream.
pub(super) struct BlockWriter {
    bits: BitWriter,
    own: Codes,
}

impl BlockWriter {
    pub(super) fn new() -> Self {
        Self {
            bits: BitWriter::default(),
            own: Codes { literals: Huffman::new(), distances: Huffman::new() },
        }
    }

    /// A stored block, of at most [`MAX_STORED`] bytes.
    pub(super) fn stored(&mut self, plain: &[u8], last: bool, out: &mut Vec<u8>) {
        self.bits.put(u64::from(last), 3, out);
        self.bits.align(out);
        let len = plain.len() as u16;
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(plain);
    }

    /// The empty block at the end of every stream.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.stored(&[], true, out);
    }

    /// A block of whichever kind is the shortest. It can be a stored one where `plain` is still there.
    pub(super) fn shortest(&mut self, tokens: &[Token], plain: Option<&[u8]>, out: &mut Vec<u8>) {
        let counts = Counts::of(tokens);
        let table = self.fit(&counts);
        let plain = plain.filter(|it| it.len() <= MAX_STORED);
        let extra = if plain.is_some() { counts.extra() } else { 0 };
        let fixed = 3 + counts.cost(&FIXED) + extra;
        let own = table.cost() + counts.cost(&self.own) + extra;
        if let Some(plain) = plain.filter(|it| (it.len() + 5) * 8 < fixed.min(own)) {
            self.stored(plain, false, out);
        } else if own < fixed {
            table.write(&mut self.bits, out);
            write_tokens(&mut self.bits, tokens, &self.own, true, out);
        } else {
            self.bits.put(0b010, 3, out);
            write_tokens(&mut self.bits, tokens, &FIXED, true, out);
        }
    }

    /// A block with codes of its own, or a stored one if those gain little.
    pub(super) fn own(&mut self, tokens: &[Token], plain: &[u8], out: &mut Vec<u8>) {
        let counts = Counts::of(tokens);
        let table = self.fit(&counts);
        if gains_little(plain, table.cost() + counts.cost(&self.own)) {
            return self.stored(plain, false, out);
        }
        table.write(&mut self.bits, out);
        write_tokens(&mut self.bits, tokens, &self.own, true, out);
    }

    /// A block of literals with a code of its own, or a stored one if that gains little.
    pub(super) fn literals(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        let mut counts = Counts::of(&[]);
        plain.iter().for_each(|byte| counts.literals[usize::from(*byte)] += 1);
        let table = self.fit(&counts);
        if gains_little(plain, table.cost() + counts.cost(&self.own)) {
            return self.stored(plain, false, out);
        }
        table.write(&mut self.bits, out);
        let codes = &self.own.literals.codes;
        self.bits.many(out, |pen| {
            for byte in plain {
                let code = codes[usize::from(*byte)];
                pen.put(u64::from(code.bits), u32::from(code.len));
            }
            pen.put(u64::from(codes[END].bits), u32::from(codes[END].len));
        });
    }

    /// Makes the block's own codes, and the table that tells of them.
    fn fit(&mut self, counts: &Counts) -> CodeLengths {
        self.own.literals.fit(&counts.literals, 15);
        self.own.distances.fit(&counts.distances, 15);
        CodeLengths::new(used(&self.own.literals), used(&self.own.distances))
    }
}

/// The lengths of a code up to the last symbol that occurs.
fn used<const N: usize>(huffman: &Huffman<N>) -> impl ExactSizeIterator<Item = u8> {
    let end = huffman.codes.iter().rposition(|it| it.len > 0).map_or(0, |it| it + 1);
    huffman.codes[..end].iter().map(|it| it.len)
}

/// Whether a block of so many bits is not worth it against the plain bytes.
fn gains_little(plain: &[u8], bits: usize) -> bool {
    plain.len() <= MAX_STORED && (plain.len() + 5) * 8 < bits + (bits >> 4)
}

/// Bits that are written together.
#[derive(Clone, Copy, Default)]
struct Piece {
    bits: u32,
    count: u32,
}

impl Piece {
    fn new(code: Code, extra: u32, extra_count: u32) -> Self {
        Self { bits: u32::from(code.bits) | extra << code.len, count: u32::from(code.len) + extra_count }
    }
}

/// Writes tokens, and the end of the block if that is to `end` here.
pub(crate) fn write_tokens(
    bits: &mut BitWriter,
    tokens: &[Token],
    codes: &Codes,
    end: bool,
    out: &mut Vec<u8>,
) {
    let literals = &codes.literals.codes;
    let mut symbols = [Piece::default(); SYMBOLS];
    let (bytes, lengths) = symbols.split_at_mut(LENGTH_SYMBOLS);
    for (piece, code) in bytes.iter_mut().zip(literals) {
        *piece = Piece::new(*code, 0, 0);
    }
    for (length, piece) in lengths.iter_mut().enumerate() {
        let kind = usize::from(LENGTH_CODE[length]);
        let extra = length as u32 - u32::from(LENGTH_BASE[kind]);
        *piece = Piece::new(literals[END + 1 + kind], extra, u32::from(LENGTH_EXTRA[kind]));
    }
    let mut distances = [(Piece::default(), 0); ALL_DISTANCE_CODES];
    for (kind, (piece, low)) in distances.iter_mut().take(DISTANCE_CODES).enumerate() {
        let extra = distance_extra(kind);
        *piece = Piece::new(codes.distances.codes[kind], 0, extra);
        *low = (1u32 << extra) - 1;
    }
    // Whether a token is a literal or a copy cannot be foreseen, and a wrong guess takes longer than to do for a literal what
    // only a copy needs: so there is no branch.
    bits.many(out, |pen| {
        for token in tokens {
            let symbol = symbols[token.symbol()];
            let (distance, low) = distances[distance_code(token.extra_distance())];
            // 20 bits for a length, 15 and 13 for a distance at most.
            let extra = u64::from(u32::from(token.extra_distance()) & low);
            let code_len = distance.count - low.count_ones();
            let second = u64::from(distance.bits) | extra << code_len;
            pen.put(u64::from(symbol.bits) | second << symbol.count, symbol.count + distance.count);
        }
        if end {
            pen.put(u64::from(literals[END].bits), u32::from(literals[END].len));
        }
    });
}
