//! How many volumes blobs take, counted before anything is written.

use crate::entry::{BLOCK, length};
use crate::names::VOLUME_LIMIT;

/// Counts the volumes that blobs of these sizes take, in this order, with one writer: several writers may leave more of
/// them partly filled.
#[must_use]
pub fn count_volumes(sizes: &[u64], limit: Option<u64>) -> usize {
    let Some(limit) = limit.map(|limit| limit / BLOCK * BLOCK).filter(|limit| *limit > 0) else { return 1 };
    let mut volumes: Vec<u64> = Vec::new();
    for &size in sizes {
        let length = length(size);
        let fits = volumes.iter_mut().filter(|filled| **filled + length <= limit).max();
        match fits {
            Some(filled) => *filled += length,
            None => {
                let whole = usize::try_from(length / limit).unwrap_or(VOLUME_LIMIT).min(VOLUME_LIMIT);
                volumes.extend(std::iter::repeat_n(limit, whole));
                volumes.extend(Some(length % limit).filter(|rest| *rest > 0));
            }
        }
    }
    volumes.len().max(1)
}

/// Tells whether entries of these sizes may fit: full volumes are the fewest there can be.
pub(super) fn fits(sizes: impl IntoIterator<Item = u64>, limit: Option<u64>) -> bool {
    let Some(limit) = limit.map(|limit| limit / BLOCK * BLOCK).filter(|limit| *limit > 0) else {
        return true;
    };
    let total = sizes.into_iter().map(length).fold(0, u64::saturating_add);
    total.div_ceil(limit) <= VOLUME_LIMIT as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_volumes_than_there_can_be_are_known_before() {
        let (most, limit) = (VOLUME_LIMIT as u64, 1024);
        for (sizes, limit, expected) in [
            (vec![512; VOLUME_LIMIT], Some(limit), true),
            (vec![512; VOLUME_LIMIT + 1], Some(limit), false),
            (vec![most * limit - 512], Some(limit), true),
            (vec![most * limit], Some(limit + 511), false),
            (vec![u64::MAX, 1], Some(limit), false),
            (vec![u64::MAX], None, true),
            (Vec::new(), Some(limit), true),
        ] {
            assert_eq!(fits(sizes.iter().copied(), limit), expected, "{:?}", sizes.len());
        }
    }

    #[test]
    fn volumes_are_counted_before_they_are_written() {
        let cases: &[(&[u64], Option<u64>, usize)] = &[
            (&[], Some(2048), 1),
            (&[100, 100], None, 1),
            (&[512, 512], Some(2048), 1),
            (&[512, 512, 1], Some(2048), 2),
            (&[5000], Some(2048), 3),
            (&[5000, 500], Some(2048), 4),
        ];
        for (sizes, limit, expected) in cases {
            assert_eq!(count_volumes(sizes, *limit), *expected, "{sizes:?}");
        }
    }
}
