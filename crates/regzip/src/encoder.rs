//! The encoders that are known, each with an id for ever.

use crate::go;
use crate::raw::RawEncoder;

/// An encoder and its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoder {
    /// Go's `compress/gzip`.
    Go {
        /// The level.
        level: i8,
    },
}

impl Encoder {
    /// Begins a raw DEFLATE stream (RFC 1951).
    pub fn deflate(&self) -> Option<Deflate> {
        match self {
            Self::Go { level } => go::encoder(*level).map(Deflate),
        }
    }
}

/// A raw DEFLATE stream that is being written.
pub struct Deflate(Box<dyn RawEncoder>);

impl Deflate {
    /// Takes more plain bytes, and appends what can be told of the stream to `out`.
    pub fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.0.write(plain, out);
    }

    /// Ends the stream, and appends its rest to `out`.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.0.finish(out);
    }
}
