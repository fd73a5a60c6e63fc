//! The network place, both ends.
//!
//! [`wire`] is what the two ends share, written once.

pub mod wire;
