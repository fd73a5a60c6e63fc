//! The head of a block with codes of its own: the lengths of its codes, themselves packed (RFC 1951, 3.2.7).

use super::bits::BitWriter;
use super::huffman::Huffman;

/// Lengths of codes, and three ways to repeat one.
const SYMBOLS: usize = 19;
/// Repeats the length before it.
const REPEAT: u8 = 16;
/// Repeats no length at all, some or many times.
const FEW_ZEROS: u8 = 17;
const MANY_ZEROS: u8 = 18;

/// The order in which the lengths of the lengths' codes are written.
const ORDER: [usize; SYMBOLS] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The packed lengths of the two codes of a block.
pub(crate) struct CodeLengths {
    /// Symbols, each with what follows it.
    packed: Vec<(u8, u8)>,
    freq: [u32; SYMBOLS],
    code: Huffman<SYMBOLS>,
    /// How many lengths each code has.
    literals: usize,
    distances: usize,
}

impl CodeLengths {
    pub(crate) fn new(
        literals: impl ExactSizeIterator<Item = u8>,
        distances: impl ExactSizeIterator<Item = u8>,
    ) -> Self {
        let mut table = Self {
            packed: Vec::with_capacity(literals.len() + distances.len()),
            freq: [0; SYMBOLS],
            code: Huffman::new(),
            literals: literals.len(),
            distances: distances.len(),
        };
        let mut all = literals.chain(distances).peekable();
        while let Some(len) = all.next() {
            let mut count = 1;
            while all.next_if_eq(&len).is_some() {
                count += 1;
            }
            table.run(len, count);
        }
        table.code.fit(&table.freq, 7);
        table
    }

    /// Packs a length that stands `count` times.
    fn run(&mut self, len: u8, mut count: usize) {
        if len == 0 {
            while count >= 11 {
                let n = count.min(138);
                self.push(MANY_ZEROS, n - 11);
                count -= n;
            }
            if count >= 3 {
                self.push(FEW_ZEROS, count - 3);
                count = 0;
            }
        } else {
            self.push(len, 0);
            count -= 1;
            while count >= 3 {
                let n = count.min(6);
                self.push(REPEAT, n - 3);
                count -= n;
            }
        }
        (0..count).for_each(|_| self.push(len, 0));
    }

    fn push(&mut self, symbol: u8, more: usize) {
        self.freq[usize::from(symbol)] += 1;
        self.packed.push((symbol, more as u8));
    }

    /// How many lengths of the lengths' code are written: those at the end that are not used are left out.
    fn orders(&self) -> usize {
        ORDER.iter().rposition(|it| self.freq[*it] > 0).map_or(4, |it| (it + 1).max(4))
    }

    /// The bits that the head of the block takes.
    pub(crate) fn cost(&self) -> usize {
        let follow: u32 = (REPEAT..=MANY_ZEROS).map(|it| self.freq[usize::from(it)] * extra(it)).sum();
        3 + 5 + 5 + 4 + 3 * self.orders() + self.code.cost(&self.freq) + follow as usize
    }

    /// Writes the head of the block, which is not the last one.
    pub(crate) fn write(&self, bits: &mut BitWriter, out: &mut Vec<u8>) {
        let orders = self.orders();
        bits.many(out, |pen| {
            pen.put(0b100, 3);
            pen.put(self.literals.saturating_sub(257) as u64, 5);
            pen.put(self.distances.saturating_sub(1) as u64, 5);
            pen.put(orders.saturating_sub(4) as u64, 4);
            for at in &ORDER[..orders] {
                pen.put(u64::from(self.code.codes[*at].len), 3);
            }
            for (symbol, more) in &self.packed {
                let code = self.code.codes[usize::from(*symbol)];
                pen.put(u64::from(code.bits), u32::from(code.len));
                pen.put(u64::from(*more), extra(*symbol));
            }
        });
    }
}

/// How many bits follow a symbol.
fn extra(symbol: u8) -> u32 {
    match symbol {
        REPEAT => 2,
        FEW_ZEROS => 3,
        MANY_ZEROS => 7,
        _ => 0,
    }
}
