//! Encryption in the [age](https://age-encryption.org/v1) format, so that a sealed bundle opens with `age` itself.
//!
//! A bundle has a key of its own ([`BundleKey`]). Each entry is sealed to it by a [`Sealer`], and opened from any
//! byte on by an [`Opener`]; the key itself is sealed to people's recipients or under a passphrase ([`Lock`],
//! [`SealedKey`]). The `age` crate does the headers, and with them every key; the content of entries is sealed and opened with
//! aws-lc-rs ([`payload`] says why). age draws its random numbers from the system.

#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod identities;
mod key;
mod lanes;
mod layout;
mod opener;
mod payload;
mod recipient;
mod sealed_key;
mod sealer;
#[cfg(test)]
mod tests;

pub use identities::Identities;
pub use key::BundleKey;
pub use opener::Opener;
pub use recipient::Recipient;
pub use sealed_key::{Lock, SEALED_KEY_LIMIT, SealedKey};
pub use sealer::Sealer;
