//! Blocks: stored, with the fixed codes, with codes of their own, or with those of the block before.

use crate::go::bits::BitWriter;
use crate::go::block::{Codes, FIXED, LITERAL_CODES, MAX_STORED, write_tokens};
use crate::go::huffman::Huffman;
use crate::go::table::CodeLengths;
use crate::go::token::DISTANCE_CODES;

use super::Revision;
use super::tokens::{Counts, END, Tokens};

/// From so many tokens on, the fixed codes are not tried.
const MANY_TOKENS: usize = 250;
/// What the head of a block of literals is taken to cost.
const GUESSED_HEAD: usize = 70 * 8;
/// Up to so many bytes, it is not looked for noise.
const FEW_BYTES: usize = 1024;

/// How a block is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Stored,
    Fixed,
    Own,
}

/// Writes the blocks of a stream, and leaves one open if the next may go on with its codes.
pub(super) struct BlockWriter {
    bits: BitWriter,
    own: Codes,
    spare: Huffman<LITERAL_CODES>,
    /// The bits that the head of the open block took; 0 if none is open.
    open: usize,
    /// Whether the codes are of literals only.
    literals_only: bool,
    /// How much better new codes have to be, as a shift of their cost.
    penalty: u32,
    revision: Revision,
}

/// A block to be written.
struct Block<'a> {
    tokens: &'a Tokens,
    counts: Counts,
    /// The bits that follow codes.
    extra: usize,
    /// What a stored block takes, if it can be one.
    stored: usize,
    /// How many lengths the head tells of literals and of distances.
    told: (usize, usize),
}

impl Block<'_> {
    fn cost(&self, codes: &Codes) -> usize {
        codes.literals.cost(&self.counts.literals) + codes.distances.cost(&self.counts.distances)
    }

    fn fixed_cost(&self) -> usize {
        3 + self.cost(&FIXED) + self.extra
    }

    fn is_small(&self) -> bool {
        self.tokens.len() < MANY_TOKENS
    }
}

impl BlockWriter {
    pub(super) fn new(penalty: u32, revision: Revision) -> Self {
        let own = Codes { literals: Huffman::new(), distances: Huffman::new() };
        let bits = BitWriter::default();
        Self { bits, own, spare: Huffman::new(), open: 0, literals_only: false, penalty, revision }
    }

    /// Begins a new stream.
    pub(super) fn reset(&mut self) {
        self.bits = BitWriter::default();
        self.open = 0;
        self.literals_only = false;
    }

    /// A stored block, of at most [`MAX_STORED`] bytes.
    pub(super) fn stored(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.close(out);
        self.bits.put(0, 3, out);
        self.bits.align(out);
        let len = plain.len() as u16;
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(plain);
    }

    /// The empty block at the end of a stream: one with the fixed codes.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        self.bits.put(0b011, 3 + 7, out);
        self.bits.align(out);
    }

    /// A block of tokens; `plain` is what they stand for, if that is still there. After `sync` nothing stays open.
    pub(super) fn tokens(
        &mut self,
        tokens: &mut Tokens,
        plain: Option<&[u8]>,
        sync: bool,
        out: &mut Vec<u8>,
    ) {
        if sync {
            tokens.end();
        }
        if self.literals_only && self.open > 0 {
            self.close(out);
            self.literals_only = false;
        }
        if !self.covers(tokens.counts()) {
            self.close(out);
        }
        let plain = plain.filter(|it| it.len() <= MAX_STORED);
        let mut block = self.block(tokens, plain, sync);
        let mut way = Way::Own;
        if self.open > 0 {
            way = self.weigh_open(&block, out);
        }
        let mut head = None;
        if way == Way::Own && self.open == 0 {
            let table = self.fit(&mut block);
            way = weigh_new(&block, table.cost() + block.cost(&self.own) + block.extra);
            head = Some(table);
        }
        match way {
            Way::Stored => self.stored(plain.unwrap_or_default(), out),
            Way::Fixed => {
                self.close(out);
                self.bits.put(0b010, 3, out);
                write_tokens(&mut self.bits, tokens.list(), &FIXED, true, out);
            }
            Way::Own => self.write_own(tokens, head, sync, out),
        }
    }

    fn write_own(&mut self, tokens: &Tokens, head: Option<CodeLengths>, sync: bool, out: &mut Vec<u8>) {
        if let Some(head) = head {
            head.write(&mut self.bits, out);
            self.open = head.cost();
            self.literals_only = false;
        }
        if sync {
            self.open = 0;
        }
        write_tokens(&mut self.bits, tokens.list(), &self.own, sync, out);
    }

    /// Whether the codes of the open block have all these symbols.
    fn covers(&self, counts: &Counts) -> bool {
        let literals =
            counts.literals.iter().zip(&self.own.literals.codes).all(|(&n, code)| n == 0 || code.len > 0);
        literals
            && counts.distances.iter().zip(&self.own.distances.codes).all(|(&n, code)| n == 0 || code.len > 0)
    }

    fn block<'a>(&self, tokens: &'a Tokens, plain: Option<&[u8]>, sync: bool) -> Block<'a> {
        let mut counts = tokens.counts().clone();
        let mut told = (LITERAL_CODES, DISTANCE_CODES);
        if sync || self.revision.ends_every_count() {
            counts.literals[END] = 1;
            told.0 = used(&counts.literals);
            if used(&counts.distances) == 0 {
                // A code without any symbol cannot be told shortly.
                counts.distances[0] = 1;
            }
            told.1 = used(&counts.distances);
        }
        let extra = if plain.is_some() || self.open > 0 { counts.extra() } else { 0 };
        Block { tokens, counts, extra, stored: plain.map_or(usize::MAX, stored_cost), told }
    }

    /// How to write a block where another is open. Closes that if its codes are not good enough.
    fn weigh_open(&mut self, block: &Block<'_>, out: &mut Vec<u8>) -> Way {
        let fresh = self.open + block.tokens.estimate();
        let fresh = fresh + usize::from(self.own.literals.codes[END].len) + (fresh >> self.penalty);
        let mut size = block.cost(&self.own) + block.extra;
        if fresh < size {
            self.close(out);
            size = fresh;
        }
        if block.stored <= size {
            Way::Stored
        } else if block.is_small() && block.fixed_cost() + 7 < size {
            Way::Fixed
        } else {
            Way::Own
        }
    }

    /// Makes the block's own codes, and the table that tells of them.
    fn fit(&mut self, block: &mut Block<'_>) -> CodeLengths {
        block.counts.literals[END] = 1;
        self.own.literals.fit(&block.counts.literals, 15);
        self.own.distances.fit(&block.counts.distances, 15);
        let literals = self.own.literals.codes[..block.told.0].iter().map(|it| it.len);
        CodeLengths::new(literals, self.own.distances.codes[..block.told.1].iter().map(|it| it.len))
    }

    /// A block of literals, or a stored one if a code gains nothing. After `sync` nothing stays open.
    pub(super) fn literals(&mut self, plain: &[u8], sync: bool, out: &mut Vec<u8>) {
        let mut counts = [0u32; LITERAL_CODES];
        plain.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
        if is_noise(&counts[..END], plain.len()) {
            return self.stored(plain, out);
        }
        let reuse = self.literals_cost(&counts[..END]);
        counts[END] = 1;
        self.spare.fit(&counts, 15);
        let fresh = self.spare.cost(&counts) + if self.open == 0 { GUESSED_HEAD } else { self.open };
        let fresh = fresh + (fresh >> self.penalty);
        if stored_cost(plain) <= fresh {
            return self.stored(plain, out);
        }
        if fresh < reuse {
            self.close(out);
        }
        if self.open == 0 {
            self.open_literals(out);
        }
        self.write_literals(plain, out);
        if sync {
            self.close(out);
            self.literals_only = false;
        }
    }

    /// What literals take in the open block, more than anything if it has not all of them.
    fn literals_cost(&self, counts: &[u32]) -> usize {
        let codes = &self.own.literals.codes;
        counts
            .iter()
            .zip(codes)
            .filter(|(n, _)| **n > 0)
            .try_fold(0, |bits, (&n, code)| {
                (code.len > 0).then_some(bits + n as usize * usize::from(code.len))
            })
            .unwrap_or(usize::MAX)
    }

    /// Opens a block with the spare code.
    fn open_literals(&mut self, out: &mut Vec<u8>) {
        std::mem::swap(&mut self.own.literals, &mut self.spare);
        let table =
            CodeLengths::new(self.own.literals.codes[..=END].iter().map(|it| it.len), std::iter::once(1));
        table.write(&mut self.bits, out);
        self.literals_only = true;
        self.open = table.cost();
    }

    fn write_literals(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        let codes = &self.own.literals.codes;
        self.bits.many(out, |pen| {
            for byte in plain {
                let code = codes[usize::from(*byte)];
                pen.put(u64::from(code.bits), u32::from(code.len));
            }
        });
    }

    /// Ends the open block.
    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open > 0 {
            let end = self.own.literals.codes[END];
            self.bits.put(u64::from(end.bits), u32::from(end.len), out);
            self.open = 0;
        }
    }
}

/// How to write a block that takes `size` bits with codes of its own.
fn weigh_new(block: &Block<'_>, size: usize) -> Way {
    let fixed = if block.is_small() { block.fixed_cost() } else { usize::MAX };
    if block.stored <= size.min(fixed) {
        Way::Stored
    } else if fixed <= size {
        Way::Fixed
    } else {
        Way::Own
    }
}

/// What a stored block takes.
fn stored_cost(plain: &[u8]) -> usize {
    (plain.len() + 5) * 8
}

/// How many symbols there are up to the last that occurs.
fn used(counts: &[u32]) -> usize {
    counts.iter().rposition(|it| *it > 0).map_or(0, |it| it + 1)
}

/// Whether so many bytes are spread so evenly over all values that no code can be worth it.
fn is_noise(counts: &[u32], len: usize) -> bool {
    // The squares of the differences to the mean, which is len / 256, so all is taken 256 times.
    let squares = counts.iter().map(|n| (u64::from(*n) * 256).abs_diff(len as u64).pow(2)).sum::<u64>();
    len > FEW_BYTES && squares < len as u64 * 2 * 256 * 256
}
