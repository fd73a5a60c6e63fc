//! Content digests and the one hasher that makes them.
//!
//! Grammar and registered algorithms: OCI image specification 1.1, `descriptor.md`, "Digests".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest as _, Sha256, Sha512};

/// A digest algorithm that sealift can compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, which every registry speaks.
    Sha256,
    /// SHA-512, registered and optional.
    Sha512,
}

impl Algorithm {
    /// Every algorithm, in the order of preference.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// Returns the name in front of the colon.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Returns the length of a hash in bytes.
    #[must_use]
    pub fn hash_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl FromStr for Algorithm {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or(DigestError::UnknownAlgorithm)
    }
}

const LONGEST_HASH: usize = 64;

/// The digest of some content: an algorithm and a hash, written `sha256:<hex>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    /// The hash, followed by zeros up to the longest hash there is; so that a digest is `Copy`.
    hash: [u8; LONGEST_HASH],
}

/// Why a text is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no colon between algorithm and hash.
    #[error("a digest reads sha256:<64 hexadecimal digits>")]
    NoAlgorithm,
    /// The algorithm is none that sealift can compute.
    #[error("the digest algorithm is unknown (sha256 and sha512 are known)")]
    UnknownAlgorithm,
    /// The hash has the wrong length, or a character that is not lower-case hexadecimal.
    #[error("the hash in the digest is malformed")]
    Malformed,
}

impl Digest {
    /// Computes the digest of `bytes`.
    #[must_use]
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Computes the SHA-256 digest of `bytes`.
    #[must_use]
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::of(Algorithm::Sha256, bytes)
    }

    /// Returns the algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the hash itself.
    #[must_use]
    pub fn hash(&self) -> &[u8] {
        &self.hash[..self.algorithm.hash_len()]
    }

    /// Returns the hash in lower-case hexadecimal.
    #[must_use]
    pub fn hex(&self) -> String {
        use fmt::Write as _;
        let mut hex = String::with_capacity(2 * LONGEST_HASH);
        for byte in self.hash() {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }

    /// Returns the first twelve hexadecimal digits, for people to look at.
    #[must_use]
    pub fn short(&self) -> String {
        self.hex()[..12].to_owned()
    }

    fn from_hash(algorithm: Algorithm, source: &[u8]) -> Self {
        let mut hash = [0; LONGEST_HASH];
        hash[..source.len()].copy_from_slice(source);
        Self { algorithm, hash }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) = text.split_once(':').ok_or(DigestError::NoAlgorithm)?;
        let algorithm: Algorithm = algorithm.parse()?;
        if hex.len() != 2 * algorithm.hash_len() {
            return Err(DigestError::Malformed);
        }
        let mut hash = [0; LONGEST_HASH];
        for (byte, pair) in hash.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self { algorithm, hash })
    }
}

/// Upper case is refused: the registered algorithms demand `[a-f0-9]`.
fn nibble(character: u8) -> Result<u8, DigestError> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        _ => Err(DigestError::Malformed),
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Hashes content piece by piece; its state can be saved and restored, which resuming needs.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

/// A saved hasher state that was not made by this version's hasher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the saved hash state is malformed")]
pub struct HashStateError;

impl Hasher {
    /// Starts a hash.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(hash) => hash.update(bytes),
            State::Sha512(hash) => hash.update(bytes),
        }
    }

    /// Returns the digest of everything added.
    #[must_use]
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Sha256(hash) => Digest::from_hash(Algorithm::Sha256, &hash.finalize()),
            State::Sha512(hash) => Digest::from_hash(Algorithm::Sha512, &hash.finalize()),
        }
    }

    /// Returns the state as bytes that [`Hasher::restore`] takes.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        match &self.0 {
            State::Sha256(hash) => hash.serialize().to_vec(),
            State::Sha512(hash) => hash.serialize().to_vec(),
        }
    }

    /// Continues from a saved state.
    ///
    /// # Errors
    /// When the bytes are no state of that algorithm.
    pub fn restore(algorithm: Algorithm, state: &[u8]) -> Result<Self, HashStateError> {
        Ok(Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(deserialize(state)?),
            Algorithm::Sha512 => State::Sha512(deserialize(state)?),
        }))
    }
}

fn deserialize<H: SerializableState>(state: &[u8]) -> Result<H, HashStateError> {
    let state = state.try_into().map_err(|_| HashStateError)?;
    H::deserialize(&state).map_err(|_| HashStateError)
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EMPTY_256: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn known_answers() {
        assert_eq!(Digest::sha256(b"").to_string(), EMPTY_256);
        let abc = Digest::of(Algorithm::Sha512, b"abc").to_string();
        assert!(abc.starts_with("sha512:ddaf35a193617abacc417349ae204131"), "{abc}");
        assert_eq!(abc.parse::<Digest>().unwrap(), Digest::of(Algorithm::Sha512, b"abc"));
    }

    #[test]
    fn malformed_digests_are_refused() {
        let cases = [
            ("", DigestError::NoAlgorithm),
            ("sha256", DigestError::NoAlgorithm),
            ("md5:d41d8cd98f00b204e9800998ecf8427e", DigestError::UnknownAlgorithm),
            ("sha256:abc", DigestError::Malformed),
            (&EMPTY_256.to_uppercase().replace("SHA", "sha"), DigestError::Malformed),
            (&EMPTY_256.replace('e', "g"), DigestError::Malformed),
            (&format!("{EMPTY_256}00"), DigestError::Malformed),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<Digest>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_state_of_the_wrong_length_is_refused() {
        assert_eq!(Hasher::restore(Algorithm::Sha256, &[0; 7]).unwrap_err(), HashStateError);
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_prints_back(text in ".{0,80}") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }

        #[test]
        fn a_saved_state_continues(head in proptest::collection::vec(any::<u8>(), 0..300),
                                   tail in proptest::collection::vec(any::<u8>(), 0..300)) {
            for algorithm in Algorithm::ALL {
                let mut hasher = Hasher::new(algorithm);
                hasher.update(&head);
                let mut restored = Hasher::restore(algorithm, &hasher.save()).unwrap();
                restored.update(&tail);
                let whole: Vec<u8> = head.iter().chain(&tail).copied().collect();
                prop_assert_eq!(restored.finish(), Digest::of(algorithm, &whole));
            }
        }
    }
}
