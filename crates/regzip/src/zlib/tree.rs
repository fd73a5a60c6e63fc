//! Prefix codes from frequencies, with zlib's way to break ties and to shorten codes that are too long.

use super::tables::{LITERAL_CODES, reversed};

/// No code is longer.
const MAX_BITS: usize = 15;
/// Leaves and inner nodes of the largest tree, and one more as the heap counts from one.
const NODES: usize = 2 * LITERAL_CODES + 1;

/// What is fixed about one of the three alphabets.
#[derive(Debug)]
pub(super) struct Alphabet {
    /// How long the fixed codes are; empty where there are none.
    pub(super) fixed: &'static [u8],
    /// How many bits follow a code, from `extra_base` on.
    pub(super) extra: &'static [u8],
    pub(super) extra_base: usize,
    pub(super) max_bits: usize,
}

impl Alphabet {
    fn extra(&self, symbol: usize) -> i64 {
        symbol.checked_sub(self.extra_base).map_or(0, |index| i64::from(self.extra[index]))
    }

    fn fixed(&self, symbol: usize) -> i64 {
        self.fixed.get(symbol).map_or(0, |&bits| i64::from(bits))
    }
}

/// Frequencies, and the codes that come of them.
#[derive(Debug)]
pub(super) struct Codes<const N: usize> {
    pub(super) frequency: [u16; N],
    pub(super) code: [u16; N],
    pub(super) bits: [u8; N],
    /// The last symbol that has a code.
    pub(super) last: usize,
}

impl<const N: usize> Codes<N> {
    pub(super) fn new() -> Self {
        Self { frequency: [0; N], code: [0; N], bits: [0; N], last: 0 }
    }

    /// Makes the codes, and adds to `cost` what the symbols take with them and with the fixed ones.
    pub(super) fn build(&mut self, alphabet: &Alphabet, scratch: &mut Scratch, cost: &mut Cost) {
        self.last = scratch.plant(&mut self.frequency, alphabet, cost);
        scratch.join(N);
        let mut count = scratch.measure(self.last, alphabet, cost);
        scratch.shorten(self.last, alphabet.max_bits, &mut count, cost);
        self.bits.copy_from_slice(&scratch.bits[..N]);
        self.number(&count);
    }

    /// Numbers the codes of each length in the symbols' order, as RFC 1951, 3.2.2, says.
    fn number(&mut self, count: &[u16; MAX_BITS + 1]) {
        let mut next = [0_u16; MAX_BITS + 1];
        for bits in 1..=MAX_BITS {
            next[bits] = (next[bits - 1] + count[bits - 1]) << 1;
        }
        for (code, &bits) in self.code.iter_mut().zip(&self.bits).take(self.last + 1) {
            if bits != 0 {
                let next = &mut next[usize::from(bits)];
                *code = reversed(*next, u32::from(bits));
                *next += 1;
            }
        }
    }
}

/// What the symbols of a block take, in bits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub(super) own: i64,
    pub(super) fixed: i64,
}

/// The heap and the tree while they grow; kept to be used again.
#[derive(Debug)]
pub(super) struct Scratch {
    frequency: [u16; NODES],
    parent: [u16; NODES],
    bits: [u8; NODES],
    depth: [u8; NODES],
    /// A heap from 1 to `len` while the tree grows; behind it, from `top`, the nodes from the root on.
    heap: [u16; NODES],
    len: usize,
    top: usize,
}

impl Scratch {
    pub(super) fn new() -> Self {
        let nodes = [0; NODES];
        Self {
            frequency: nodes,
            parent: nodes,
            bits: [0; NODES],
            depth: [0; NODES],
            heap: nodes,
            len: 0,
            top: NODES,
        }
    }

    /// Starts with a leaf for each symbol that occurs, at least two; says which is the last.
    fn plant(&mut self, frequency: &mut [u16], alphabet: &Alphabet, cost: &mut Cost) -> usize {
        (self.len, self.top) = (0, NODES);
        self.bits[..frequency.len()].fill(0);
        let mut last = None;
        for (symbol, &times) in frequency.iter().enumerate() {
            if times != 0 {
                self.push(symbol);
                last = Some(symbol);
            }
        }
        while self.len < 2 {
            // Inflaters of old want two codes of distances, even where there is none.
            let symbol = match last {
                None => 0,
                Some(symbol @ 0..2) => symbol + 1,
                Some(_) => 0,
            };
            last = last.max(Some(symbol));
            frequency[symbol] = 1;
            self.push(symbol);
            cost.own -= 1;
            cost.fixed -= alphabet.fixed(symbol);
        }
        self.frequency[..frequency.len()].copy_from_slice(frequency);
        last.unwrap_or(0)
    }

    fn push(&mut self, symbol: usize) {
        self.len += 1;
        self.heap[self.len] = symbol as u16;
        self.depth[symbol] = 0;
    }

    /// Joins the two rarest nodes until one is left.
    fn join(&mut self, leaves: usize) {
        for start in (1..=self.len / 2).rev() {
            self.sift(start);
        }
        let mut node = leaves;
        while self.len >= 2 {
            let first = usize::from(self.heap[1]);
            self.heap[1] = self.heap[self.len];
            self.len -= 1;
            self.sift(1);
            let second = usize::from(self.heap[1]);
            self.set_aside(first);
            self.set_aside(second);
            self.frequency[node] = self.frequency[first] + self.frequency[second];
            self.depth[node] = self.depth[first].max(self.depth[second]) + 1;
            self.parent[first] = node as u16;
            self.parent[second] = node as u16;
            self.heap[1] = node as u16;
            node += 1;
            self.sift(1);
        }
        self.set_aside(usize::from(self.heap[1]));
    }

    fn set_aside(&mut self, node: usize) {
        self.top -= 1;
        self.heap[self.top] = node as u16;
    }

    /// Moves a node down to where its sons are not smaller.
    fn sift(&mut self, mut hole: usize) {
        let node = self.heap[hole];
        loop {
            let mut son = 2 * hole;
            if son < self.len && self.smaller(self.heap[son + 1], self.heap[son]) {
                son += 1;
            }
            if son > self.len || self.smaller(node, self.heap[son]) {
                break;
            }
            self.heap[hole] = self.heap[son];
            hole = son;
        }
        self.heap[hole] = node;
    }

    fn smaller(&self, one: u16, other: u16) -> bool {
        let weight = |node: u16| (self.frequency[usize::from(node)], self.depth[usize::from(node)]);
        weight(one) <= weight(other)
    }

    /// Tells each node's distance from the root, at most what the alphabet allows, and counts the leaves by it.
    /// What is too long is counted at index 0.
    fn measure(&mut self, last: usize, alphabet: &Alphabet, cost: &mut Cost) -> [u16; MAX_BITS + 1] {
        let mut count = [0; MAX_BITS + 1];
        self.bits[usize::from(self.heap[self.top])] = 0;
        for index in self.top + 1..NODES {
            let node = usize::from(self.heap[index]);
            let mut bits = usize::from(self.bits[usize::from(self.parent[node])]) + 1;
            if bits > alphabet.max_bits {
                bits = alphabet.max_bits;
                count[0] += 1;
            }
            self.bits[node] = bits as u8;
            if node <= last {
                count[bits] += 1;
                let (times, extra) = (i64::from(self.frequency[node]), alphabet.extra(node));
                cost.own += times * (bits as i64 + extra);
                cost.fixed += times * (alphabet.fixed(node) + extra);
            }
        }
        count
    }

    /// Makes room for what is too long by moving leaves down, and deals the lengths out again, the longest to the rarest.
    fn shorten(&mut self, last: usize, max_bits: usize, count: &mut [u16; MAX_BITS + 1], cost: &mut Cost) {
        let mut excess = i32::from(std::mem::take(&mut count[0]));
        if excess == 0 {
            return;
        }
        while excess > 0 {
            // A tree that is too deep has leaves above its deepest level.
            let above = (1..max_bits).rev().find(|&bits| count[bits] != 0).unwrap_or(1);
            count[above] -= 1;
            count[above + 1] += 2;
            count[max_bits] -= 1;
            excess -= 2;
        }
        let mut leaves =
            self.heap[self.top..].iter().rev().map(|&node| usize::from(node)).filter(|&n| n <= last);
        for bits in (1..=max_bits).rev() {
            for node in leaves.by_ref().take(usize::from(count[bits])) {
                cost.own += (bits as i64 - i64::from(self.bits[node])) * i64::from(self.frequency[node]);
                self.bits[node] = bits as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frequencies like these need a code longer than is allowed.
    fn fibonacci<const N: usize>() -> [u16; N] {
        let (mut a, mut b) = (1, 1);
        [0; N].map(|_: u16| {
            (a, b) = (b, a + b);
            a
        })
    }

    #[test]
    fn zlib_codes_that_are_too_long_are_shortened_and_still_complete() {
        let alphabet = Alphabet { fixed: &[], extra: &[], extra_base: usize::MAX, max_bits: 7 };
        let mut codes = Codes::<19>::new();
        codes.frequency = fibonacci();
        let mut cost = Cost::default();
        codes.build(&alphabet, &mut Scratch::new(), &mut cost);
        assert_eq!(codes.bits.iter().max(), Some(&7));
        let room: u32 = codes.bits.iter().map(|bits| 1 << (7 - bits)).sum();
        assert_eq!(room, 1 << 7);
        let paid: i64 = codes
            .bits
            .iter()
            .zip(codes.frequency)
            .map(|(&bits, times)| i64::from(bits) * i64::from(times))
            .sum();
        assert_eq!(cost.own, paid);
    }

    #[test]
    fn zlib_has_two_codes_where_one_or_none_is_needed() {
        let alphabet = Alphabet { fixed: &[5; 30], extra: &[0; 30], extra_base: 0, max_bits: 15 };
        for (symbol, bits, last) in
            [(None, [1, 1, 0, 0], 1), (Some(0), [1, 1, 0, 0], 1), (Some(3), [1, 0, 0, 1], 3)]
        {
            let mut codes = Codes::<30>::new();
            symbol.into_iter().for_each(|symbol: usize| codes.frequency[symbol] = 9);
            codes.build(&alphabet, &mut Scratch::new(), &mut Cost::default());
            assert_eq!((&codes.bits[..4], codes.last), (&bits[..], last), "{symbol:?}");
        }
    }
}
