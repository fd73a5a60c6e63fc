//! Bytes that look like the content of an image: half of them compress well, half do not.

/// How many bytes of one kind follow each other.
const STRETCH: usize = 4096;

/// Makes `length` bytes; the same name gives the same bytes.
pub(super) fn filler(name: &str, length: usize) -> Vec<u8> {
    let mut state = seed(name);
    let mut bytes = Vec::with_capacity(length + STRETCH);
    while bytes.len() < length {
        let line = format!("{name} {:08x} a line such as many files have\n", state >> 32);
        bytes.extend(line.bytes().cycle().take(STRETCH));
        for _ in 0..STRETCH / 8 {
            state = next(state);
            bytes.extend_from_slice(&state.to_le_bytes());
        }
    }
    bytes.truncate(length);
    bytes
}

/// FNV-1a: any function would do that tells names apart and never changes.
fn seed(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// SplitMix64's step, as its own state: random enough that nothing compresses it.
fn next(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
