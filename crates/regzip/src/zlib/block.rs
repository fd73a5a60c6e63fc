//! The symbols of one block, and the form in which the block is written.

use super::{
    bits::BitWriter,
    header::Header,
    tables::{
        DISTANCE_BASE, DISTANCE_CODES, DISTANCE_EXTRA, END_OF_BLOCK, FIXED_CODES, FIXED_DISTANCE_CODES,
        FIXED_DISTANCE_LENGTHS, FIXED_LENGTHS, LENGTH_BASE, LENGTH_CODE, LENGTH_EXTRA, LITERAL_CODES,
        LITERALS, distance_code,
    },
    tree::{Alphabet, Codes, Cost, Scratch},
};

/// The types of blocks, as RFC 1951 numbers them.
const STORED: u32 = 0;
const FIXED: u32 = 1;
const OWN_CODES: u32 = 2;
/// What a stored block takes besides its bytes, as zlib reckons.
const STORED_OVERHEAD: i64 = 4;

static LITERAL_ALPHABET: Alphabet =
    Alphabet { fixed: &FIXED_LENGTHS, extra: &LENGTH_EXTRA, extra_base: LITERALS + 1, max_bits: 15 };
static DISTANCE_ALPHABET: Alphabet =
    Alphabet { fixed: &FIXED_DISTANCE_LENGTHS, extra: &DISTANCE_EXTRA, extra_base: 0, max_bits: 15 };

/// When a block ends before its buffer is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EarlyEnd {
    /// Never.
    Never,
    /// Where it has few matches and is estimated to become half as long as its plain bytes; asked each time as many
    /// symbols more are there, a power of two.
    Every(usize),
}

/// The symbols since the last block.
#[derive(Debug)]
pub(super) struct Block {
    /// Distance, above eight bits of a length less three or a literal; a literal's distance is zero.
    symbols: Vec<u32>,
    limit: usize,
    early_end: EarlyEnd,
    matches: usize,
    literals: Codes<LITERAL_CODES>,
    distances: Codes<DISTANCE_CODES>,
    header: Header,
    scratch: Scratch,
}

impl Block {
    /// For blocks of at most `limit` symbols.
    pub(super) fn new(limit: usize, early_end: EarlyEnd) -> Self {
        let mut block = Self {
            symbols: Vec::with_capacity(limit),
            limit,
            early_end,
            matches: 0,
            literals: Codes::new(),
            distances: Codes::new(),
            header: Header::new(),
            scratch: Scratch::new(),
        };
        block.clear();
        block
    }

    pub(super) fn clear(&mut self) {
        self.symbols.clear();
        self.matches = 0;
        self.literals.frequency.fill(0);
        self.distances.frequency.fill(0);
        self.literals.frequency[END_OF_BLOCK] = 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// Takes a literal; true if the block is full.
    #[inline]
    pub(super) fn literal(&mut self, byte: u8) -> bool {
        self.symbols.push(u32::from(byte));
        self.literals.frequency[usize::from(byte)] += 1;
        self.symbols.len() == self.limit
    }

    /// Takes a match of `distance`, at most 32768, and of `length` less three; true if the block is full.
    #[inline]
    pub(super) fn reference(&mut self, distance: usize, length: u8) -> bool {
        self.symbols.push((distance as u32) << 8 | u32::from(length));
        self.literals.frequency[usize::from(LENGTH_CODE[usize::from(length)]) + LITERALS + 1] += 1;
        self.distances.frequency[distance_code((distance - 1) as u16)] += 1;
        self.matches += 1;
        self.symbols.len() == self.limit
    }

    /// Whether the block should end here, where it has `plain` bytes.
    #[inline]
    pub(super) fn ends_early(&self, plain: usize) -> bool {
        match self.early_end {
            EarlyEnd::Every(symbols) if self.symbols.len() & (symbols - 1) == 0 => self.is_rich(plain),
            _ => false,
        }
    }

    fn is_rich(&self, plain: usize) -> bool {
        let distances = self.distances.frequency.iter().zip(DISTANCE_EXTRA);
        let bits: usize =
            distances.map(|(&times, extra)| usize::from(times) * (5 + usize::from(extra))).sum();
        let bytes = (self.symbols.len() * 8 + bits) >> 3;
        self.matches < self.symbols.len() / 2 && bytes < plain / 2
    }

    /// Writes the block in its shortest form, and begins the next. `plain` is what it stands for, if the window still has
    /// it, and `length` how much that is.
    pub(super) fn write(
        &mut self,
        plain: Option<&[u8]>,
        length: usize,
        last: bool,
        bits: &mut BitWriter,
        out: &mut Vec<u8>,
    ) {
        let mut cost = Cost::default();
        self.literals.build(&LITERAL_ALPHABET, &mut self.scratch, &mut cost);
        self.distances.build(&DISTANCE_ALPHABET, &mut self.scratch, &mut cost);
        self.header.build(&self.literals, &self.distances, &mut self.scratch, &mut cost);
        // In whole bytes, with the three bits that begin a block: fixed codes win where both need as many.
        let (own, fixed) = ((cost.own + 3 + 7) >> 3, (cost.fixed + 3 + 7) >> 3);
        match plain {
            Some(plain) if length as i64 + STORED_OVERHEAD <= own.min(fixed) => {
                write_stored(plain, last, bits, out);
            }
            _ if fixed <= own => {
                bits.put(FIXED << 1 | u32::from(last), 3, out);
                let literals = (&FIXED_CODES[..], &FIXED_LENGTHS[..]);
                self.write_symbols(literals, (&FIXED_DISTANCE_CODES, &FIXED_DISTANCE_LENGTHS), bits, out);
            }
            _ => {
                bits.put(OWN_CODES << 1 | u32::from(last), 3, out);
                self.header.write(self.literals.last, self.distances.last, bits, out);
                let literals = (&self.literals.code[..], &self.literals.bits[..]);
                self.write_symbols(literals, (&self.distances.code, &self.distances.bits), bits, out);
            }
        }
        self.clear();
        if last {
            bits.align(out);
        }
    }

    fn write_symbols(
        &self,
        literals: (&[u16], &[u8]),
        distances: (&[u16], &[u8]),
        bits: &mut BitWriter,
        out: &mut Vec<u8>,
    ) {
        let symbol = |(codes, lengths): (&[u16], &[u8]), code: usize| {
            (u32::from(codes[code]), u32::from(lengths[code]))
        };
        for &packed in &self.symbols {
            let (distance, byte) = (packed >> 8, packed as u8);
            if distance == 0 {
                let (code, length) = symbol(literals, usize::from(byte));
                bits.put(code, length, out);
                continue;
            }
            let class = usize::from(LENGTH_CODE[usize::from(byte)]);
            let (code, length) = symbol(literals, class + LITERALS + 1);
            // Fifteen bits of code and five more, then fifteen and thirteen, stay below 32.
            let extra = u32::from(byte - LENGTH_BASE[class]);
            bits.put(code | extra << length, length + u32::from(LENGTH_EXTRA[class]), out);
            let less_one = (distance - 1) as u16;
            let class = distance_code(less_one);
            let (code, length) = symbol(distances, class);
            let extra = u32::from(less_one - DISTANCE_BASE[class]);
            bits.put(code | extra << length, length + u32::from(DISTANCE_EXTRA[class]), out);
        }
        let (code, length) = symbol(literals, END_OF_BLOCK);
        bits.put(code, length, out);
    }
}

/// Writes bytes as they are; a window holds fewer than 65536 of them behind its place.
pub(super) fn write_stored(plain: &[u8], last: bool, bits: &mut BitWriter, out: &mut Vec<u8>) {
    bits.put(STORED << 1 | u32::from(last), 3, out);
    bits.align(out);
    let length = plain.len() as u16;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(plain);
}

/// Writes a block of fixed codes without a symbol: ten bits.
pub(super) fn write_empty_fixed(bits: &mut BitWriter, out: &mut Vec<u8>) {
    bits.put(FIXED << 1, 10, out);
}
