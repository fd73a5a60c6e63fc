//! The places that hold images: what a place is, and the places on this machine.
//!
//! A [`Store`] is a named set of repositories. One repository is read through [`Source`] and written
//! through [`Target`]; which of the two a caller holds says what it can do, so a place that can only be
//! read is never written by mistake, and a pipe that can only be written is never read. [`Admin`] lists
//! what a place holds.
//!
//! The traits have no default methods: a wrapper that forgot one would silently bypass what it wraps.
//! Helpers for callers, such as [`put_blob`], are functions on top of them.
//!
//! The places on this machine are [`MemoryStore`] and [`DirectoryStore`]. [`Switchboard`] lets several places
//! be read as one, [`ReadOnly`] keeps a place from being written, [`ReadThrough`] fetches what a directory lacks; [`Faults`] and [`Counting`] wrap any place for tests. [`conformance`] asks of every place
//! and wrapper what the traits promise.

pub mod accept;
pub mod atomic;
mod backoff;
pub mod batch;
mod body;
pub mod conformance;
mod counting;
mod directory;
mod error;
mod faults;
pub mod index_json;
mod memory;
mod method;
pub mod nested;
mod pace;
mod page;
mod pieces;
pub mod platform;
mod random;
mod read_only;
mod read_through;
pub mod sweep;
mod switchboard;
mod sync;
mod traits;
pub mod upload;
mod verify;

pub use backoff::Backoff;
pub use body::{BlobBody, ByteStream};
pub use counting::{Counted, Counting, Tally};
pub use directory::{Check, Depth, DirectoryStore, Finding, Swept, Usage, Wish};
pub use error::{Error, ErrorKind, Operation, Result, Side, in_words};
pub use faults::{Action, Call, Faults};
pub use memory::MemoryStore;
pub use method::Method;
pub use pace::Pace;
pub use page::{PAGE_LIMIT, Page, PageRequest, collect_pages};
pub use pieces::{FILE_CHUNK, PieceMemory, read_pieces};
pub use read_only::{ReadOnly, cannot_delete};
pub use read_through::{ReadThrough, Terms, Upstream};
pub use switchboard::{Connections, Switchboard, alias_of};
pub use sync::lock;
pub use traits::{Admin, Expected, LinkOutcome, Source, Store, Target, Upload, UploadId, UploadIdError};
pub use verify::{Checkpoint, RunningHash, put_blob, verified, verified_from};
