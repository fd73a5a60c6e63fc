//! Exact gzip: finds the encoder that made a gzip stream, and writes the identical stream again.
//!
//! DEFLATE leaves its encoder free, so the same plain bytes have many compressed forms; but encoders are
//! deterministic, and few are in use. This crate has each of them as it was published, byte for byte, so a
//! stream that one of them wrote can be kept as its plain bytes and a few parameters.
//!
//! Nothing here knows of containers, files or networks.

mod encoder;
mod gnu;
mod go;
mod klauspost;
mod raw;
mod words;
mod zlib;

pub use encoder::{Deflate, Encoder};

