//! From a passphrase to the bytes that hide a secret key: scrypt, with its costs written as libsodium does.

use scrypt::Params;
use zeroize::Zeroizing;

use crate::passphrase::Passphrase;

/// How many bytes of a secret key file are hidden.
pub(super) const HIDDEN: usize = 104;
/// What a new file costs: 32 MiB of memory, and less than a second.
pub(super) const COSTS: (u64, u64) = (1 << 20, 1 << 25);
/// The most that a file may cost: what minisign itself writes, with 1 GiB of memory and some seconds.
const MOST: (u64, u64) = (1 << 25, 1 << 30);
/// scrypt's block size.
const BLOCKS: u32 = 8;

/// What is to be computed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kdf {
    /// libsodium's `opslimit` and `memlimit`.
    pub(super) costs: (u64, u64),
    /// What makes equal passphrases differ.
    pub(super) salt: [u8; 32],
}

impl Kdf {
    /// Hides what is plain, and shows what is hidden; `None` where the costs are beyond any sense.
    pub(super) fn apply(&self, passphrase: &Passphrase, secret: &mut [u8; HIDDEN]) -> Option<()> {
        let (log_n, p) = parameters(self.costs)?;
        let params = Params::new(log_n, BLOCKS, p, Params::RECOMMENDED_LEN).ok()?;
        let mut stream = Zeroizing::new([0; HIDDEN]);
        scrypt::scrypt(passphrase.expose().as_bytes(), &self.salt, &params, &mut *stream).ok()?;
        secret.iter_mut().zip(stream.iter()).for_each(|(byte, mask)| *byte ^= mask);
        Some(())
    }
}

/// Reads costs as `pickparams` of libsodium's `crypto_pwhash_scryptsalsa208sha256` does.
fn parameters((operations, memory): (u64, u64)) -> Option<(u8, u32)> {
    if operations > MOST.0 || memory > MOST.1 {
        return None;
    }
    let operations = operations.max(32_768);
    let blocks = u64::from(BLOCKS);
    if operations < memory / 32 {
        return Some((log_n(operations / (blocks * 4)), 1));
    }
    let log_n = log_n(memory / (blocks * 128));
    let p = (operations / 4 / (1 << log_n) / blocks).min(0x3fff_ffff);
    Some((log_n, u32::try_from(p).ok()?))
}

/// The exponent of the largest power of two up to `most`, but at least 1.
fn log_n(most: u64) -> u8 {
    // At most 63.
    most.checked_ilog2().unwrap_or_default().max(1) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_read_as_libsodium_reads_them() {
        for (costs, expected) in [
            (COSTS, Some((15, 1))),
            // `crypto_pwhash_scryptsalsa208sha256_{OPS,MEM}LIMIT_SENSITIVE`
            (MOST, Some((20, 1))),
            ((524_288, 16_777_216), Some((14, 1))),
            ((0, 0), Some((1, 512))),
            ((1 << 20, 1 << 20), Some((10, 32))),
            ((MOST.0 + 1, MOST.1), None),
            ((MOST.0, MOST.1 + 1), None),
        ] {
            assert_eq!(parameters(costs), expected, "{costs:?}");
        }
    }

    #[test]
    fn applied_twice_it_shows_what_it_hid() {
        let kdf = Kdf { costs: (0, 0), salt: [7; 32] };
        let mut secret = [3; HIDDEN];
        kdf.apply(&Passphrase::new("a"), &mut secret).unwrap();
        assert_ne!(secret, [3; HIDDEN]);
        kdf.apply(&Passphrase::new("a"), &mut secret).unwrap();
        assert_eq!(secret, [3; HIDDEN]);
    }
}
