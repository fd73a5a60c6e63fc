//! Huffman codes of limited length, with the lengths that Go gives them where several are best.

/// The most symbols of any alphabet here: literals, the end of a block, and lengths.
pub(crate) const MAX_SYMBOLS: usize = 286;
/// The longest code of any alphabet.
const MAX_BITS: usize = 15;

/// The bits of one symbol, in the order in which they are written.
#[derive(Clone, Copy, Default)]
pub(crate) struct Code {
    pub(crate) bits: u16,
    pub(crate) len: u8,
}

impl Code {
    fn new(bits: u16, len: u8) -> Self {
        Self { bits: if len == 0 { 0 } else { bits.reverse_bits() >> (16 - len) }, len }
    }
}

/// A code for an alphabet of `N` symbols.
pub(crate) struct Huffman<const N: usize> {
    pub(crate) codes: [Code; N],
}

impl<const N: usize> Huffman<N> {
    /// A code without symbols.
    pub(crate) fn new() -> Self {
        Self { codes: [Code::default(); N] }
    }

    /// The code in which symbol `s` has `len(s)` bits.
    pub(crate) fn of_lengths(len: impl Fn(usize) -> u8) -> Self {
        let mut huffman = Self::new();
        for (symbol, code) in huffman.codes.iter_mut().enumerate() {
            code.len = len(symbol);
        }
        huffman.number();
        huffman
    }

    /// Makes this the best code for symbols that occur so often, of at most `max_bits` bits each (15 or fewer).
    pub(crate) fn fit(&mut self, freq: &[u32; N], max_bits: usize) {
        // A frequency is at most 65536, a symbol less than 512, so both fit and sort as one number.
        let mut list = [0u32; MAX_SYMBOLS];
        let mut count = 0;
        for (symbol, (&freq, code)) in freq.iter().zip(&mut self.codes).enumerate() {
            code.len = 0;
            if freq > 0 {
                list[count] = freq << 9 | symbol as u32;
                count += 1;
            }
        }
        let list = &mut list[..count];
        if count > 2 {
            list.sort_unstable();
            self.lengthen(list, &lengths(list, max_bits.min(count - 1)));
        } else {
            list.iter().for_each(|it| self.codes[symbol(*it)].len = 1);
        }
        self.number();
    }

    /// How many bits so many symbols take.
    pub(crate) fn cost(&self, freq: &[u32; N]) -> usize {
        freq.iter().zip(&self.codes).map(|(&freq, code)| freq as usize * usize::from(code.len)).sum()
    }

    /// Gives the symbols their lengths: the rarest the longest.
    fn lengthen(&mut self, list: &[u32], counts: &[usize; MAX_BITS + 1]) {
        let mut often = list.iter().rev();
        for (len, &count) in counts.iter().enumerate() {
            often.by_ref().take(count).for_each(|it| self.codes[symbol(*it)].len = len as u8);
        }
    }

    /// Numbers the codes from their lengths, as RFC 1951, 3.2.2 tells.
    fn number(&mut self) {
        let mut counts = [0u16; MAX_BITS + 1];
        self.codes.iter().for_each(|it| counts[usize::from(it.len)] += 1);
        counts[0] = 0;
        let mut next = [0u16; MAX_BITS + 1];
        for len in 1..=MAX_BITS {
            next[len] = (next[len - 1] + counts[len - 1]) << 1;
        }
        for code in &mut self.codes {
            let number = &mut next[usize::from(code.len)];
            *code = Code::new(*number, code.len);
            *number += 1;
        }
    }
}

fn symbol(entry: u32) -> usize {
    (entry & 511) as usize
}

/// A row of the table that [`lengths`] fills: codes that may still get one bit more.
#[derive(Clone, Copy, Default)]
struct Row {
    /// The weight of what was taken last.
    last: u32,
    /// The weight of the next symbol, and of the next pair from the row below.
    next_symbol: u32,
    next_pair: u32,
    /// How many are still to be taken before the row above may go on.
    needed: usize,
    /// How many symbols lie left of the last one taken, for this row and those below.
    leaves: [usize; MAX_BITS + 2],
}

/// Counts the symbols of each length, for a list that is sorted by frequency and has at least three.
///
/// This is the package-merge algorithm run from the top, as Go has it (Katajainen, Moffat and Turpin, "A Fast and
/// Space-Economical Algorithm for Length-Limited Coding"): only the last two items of each row are kept.
fn lengths(list: &[u32], max_bits: usize) -> [usize; MAX_BITS + 1] {
    let freq = |at: usize| list.get(at).map_or(u32::MAX, |it| it >> 9);
    let mut rows = [Row::default(); MAX_BITS + 2];
    for (level, row) in rows.iter_mut().enumerate().take(max_bits + 1).skip(1) {
        // The first two items of every row are the first two symbols.
        *row = Row { last: freq(1), next_symbol: freq(2), next_pair: freq(0) + freq(1), ..Row::default() };
        row.leaves[level] = 2;
    }
    rows[1].next_pair = u32::MAX;
    rows[max_bits].needed = 2 * list.len() - 4;
    let mut level = max_bits;
    while level <= max_bits {
        level = step(&mut rows, level, freq);
    }
    let leaves = &rows[max_bits].leaves;
    let mut counts = [0; MAX_BITS + 1];
    for (count, level) in counts[1..].iter_mut().zip((1..=max_bits).rev()) {
        *count = leaves[level] - leaves[level - 1];
    }
    counts
}

/// Takes one item for the row `level`, and tells which row goes on.
fn step(rows: &mut [Row; MAX_BITS + 2], level: usize, freq: impl Fn(usize) -> u32) -> usize {
    if rows[level].next_pair == u32::MAX && rows[level].next_symbol == u32::MAX {
        // Nothing is left, neither here nor below.
        rows[level].needed = 0;
        rows[level + 1].next_pair = u32::MAX;
        return level + 1;
    }
    let before = rows[level].last;
    if rows[level].next_symbol < rows[level].next_pair {
        let row = &mut rows[level];
        row.last = row.next_symbol;
        row.leaves[level] += 1;
        row.next_symbol = freq(row.leaves[level]);
    } else {
        // A pair was made of two items of the row below, which has to make two new ones.
        let below = rows[level - 1].leaves;
        let row = &mut rows[level];
        row.last = row.next_pair;
        row.leaves[..level].copy_from_slice(&below[..level]);
        rows[level - 1].needed = 2;
    }
    rows[level].needed -= 1;
    if rows[level].needed == 0 {
        rows[level + 1].next_pair = before + rows[level].last;
        return level + 1;
    }
    let mut level = level;
    while rows[level - 1].needed > 0 {
        level -= 1;
    }
    level
}
