//! Deltas: content that is carried as what differs from content that the other side holds, and that comes out there as
//! the very bytes it had.
//!
//! The plain bytes of the new content (a tar) are a zstd frame whose prefix is the plain bytes of the old; a recipe of
//! [`regzip`] makes the gzip stream of them again. Whether that gives the same digest is proved before anything is
//! written, so a reader never meets a delta that cannot be undone.

mod base;
mod chain;
mod chunks;
mod cut;
mod decode;
mod encode;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod lookup;
mod make;
mod memory;
mod open;
mod parameters;
mod plan;
mod sketch;
#[cfg(test)]
mod tests;

pub use lookup::{Bases, BlobLookup};
pub use make::Level;
pub use memory::Memory;
pub use parameters::{Delta, DeltaBase};
pub use plan::{Candidates, DeltaPlan, PlannedBase, Unplanned};

pub(crate) use base::OpenBase;
pub(crate) use chain::Need;
pub(crate) use make::Made;
pub(crate) use memory::Undoing;
pub(crate) use open::open;
pub(crate) use parameters::ID;
pub(crate) use plan::Reserved;
#[cfg(test)]
pub(crate) use tests::{made_backwards, made_of};
