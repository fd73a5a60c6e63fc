//! Exact gzip: finds the encoder that made a gzip stream, and writes the identical stream again.
//!
//! DEFLATE leaves its encoder free, so the same plain bytes have many compressed forms; but encoders are
//! deterministic, and few are in use. This crate has each of them as it was published, byte for byte, so a
//! stream that one of them wrote can be kept as its plain bytes and a few parameters.
//!
//! [`identify`] reads a stream once and returns its [`Recipe`], which is proved by then: every byte was compared.
//! [`rebuild`], or [`Rebuilder`] piece by piece, writes the stream again from the recipe and the plain bytes.
//!
//! ```
//! use std::num::NonZeroUsize;
//!
//! let stream = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
//! let mut plain = Vec::new();
//! let recipe = regzip::identify(&stream[..], 1 << 30, |piece| {
//!     plain.extend_from_slice(piece);
//!     Ok(())
//! })?;
//! let mut again = Vec::new();
//! regzip::rebuild(&recipe, &plain[..], &mut again, NonZeroUsize::MIN)?;
//! assert_eq!(again, stream);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Streams and recipes may come from anywhere: what is read has bounds, and nothing here panics on it. Nothing here
//! knows of containers, files or networks.

mod candidates;
mod encoder;
mod gnu;
mod go;
mod gzip;
mod identify;
mod klauspost;
mod parallel;
mod raw;
mod rebuild;
mod recipe;
mod source;
mod words;
mod zlib;

pub use encoder::{Deflate, Encoder, UnknownEncoder};
pub use identify::{IdentifyError, identify};
pub use rebuild::{RebuildError, Rebuilder, rebuild};
pub use recipe::{MAX_HEADERS, MAX_MEMBERS, MAX_TEXT, MAX_TRAILING, Member, Recipe, RecipeError};

#[cfg(test)]
#[path = "../tests/it/inputs.rs"]
#[allow(unreachable_pub, missing_docs, missing_debug_implementations)]
mod inputs;
