//! Hashes of the next bytes, and how far two pieces are the same.

const PRIME_4: u32 = 2_654_435_761;
const PRIME_5: u64 = 889_523_592_379;
const PRIME_7: u64 = 58_295_818_150_454_627;

/// A hash of four bytes, of `BITS` bits.
#[inline(always)]
pub(super) fn hash4<const BITS: u32>(bytes: u64) -> usize {
    ((bytes as u32).wrapping_mul(PRIME_4) >> (32 - BITS)) as usize
}

/// A hash of five bytes, of `BITS` bits.
#[inline(always)]
pub(super) fn hash5<const BITS: u32>(bytes: u64) -> usize {
    ((bytes << 24).wrapping_mul(PRIME_5) >> (64 - BITS)) as usize
}

/// A hash of seven bytes, of `BITS` bits.
#[inline(always)]
pub(super) fn hash7<const BITS: u32>(bytes: u64) -> usize {
    ((bytes << 8).wrapping_mul(PRIME_7) >> (64 - BITS)) as usize
}

/// How many bytes at the beginning of `a` are also at that of `b`, which is not the shorter one.
#[inline(always)]
pub(super) fn common(a: &[u8], b: &[u8]) -> usize {
    let (eights, rest) = a.as_chunks::<8>();
    let (others, _) = b.as_chunks::<8>();
    let mut same = 0;
    for (x, y) in eights.iter().zip(others) {
        let differ = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differ != 0 {
            return same + (differ.trailing_zeros() >> 3) as usize;
        }
        same += 8;
    }
    let others = b.get(same..).unwrap_or_default();
    same + rest.iter().zip(others).take_while(|(x, y)| x == y).count()
}
