//! Several bytes at once.

/// Four bytes as a number, the first the lowest; 0 where they are not all there.
#[inline(always)]
pub(crate) fn load_u32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|it| it.first_chunk()).map_or(0, |it| u32::from_le_bytes(*it))
}

/// Eight bytes as a number, the first the lowest; 0 where they are not all there.
#[inline(always)]
pub(crate) fn load_u64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|it| it.first_chunk()).map_or(0, |it| u64::from_le_bytes(*it))
}

/// How many bytes from `a` and `b` on are equal, up to `max`. Both have to be followed by `max` bytes.
#[inline]
pub(crate) fn equal_bytes(bytes: &[u8], a: usize, b: usize, max: usize) -> usize {
    let (Some(left), Some(right)) = (bytes.get(a..a + max), bytes.get(b..b + max)) else { return 0 };
    let (left_words, left_rest) = left.as_chunks::<8>();
    let (right_words, right_rest) = right.as_chunks::<8>();
    for (at, (left, right)) in left_words.iter().zip(right_words).enumerate() {
        let differ = u64::from_le_bytes(*left) ^ u64::from_le_bytes(*right);
        if differ != 0 {
            return at * 8 + (differ.trailing_zeros() / 8) as usize;
        }
    }
    left_words.len() * 8 + left_rest.iter().zip(right_rest).take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_counted_up_to_the_bound() {
        for differ in 0..40 {
            let mut bytes = [7; 80];
            bytes[40 + differ] = 8;
            for max in 0..=40 {
                assert_eq!(equal_bytes(&bytes, 0, 40, max), max.min(differ), "{differ} {max}");
            }
        }
        assert_eq!(equal_bytes(&[7; 80], 0, 41, 40), 0, "too few bytes");
    }

    #[test]
    fn words_that_are_not_whole_are_zero() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!((load_u32(&bytes, 5), load_u32(&bytes, 6)), (0x0908_0706, 0));
        assert_eq!((load_u64(&bytes, 1), load_u64(&bytes, 2)), (0x0908_0706_0504_0302, 0));
    }
}
