//! The place that travels: a bundle is a set of volumes with a catalogue of what lies where in them.
//!
//! What is on the medium, byte by byte: `docs/BUNDLE-FORMAT.md`. A bundle is a [`sealift_store::Store`] to
//! read and a [`sealift_store::Target`] to write; the engine knows it by nothing else.

mod catalogue;
mod entry;
mod error;
mod layout;
mod names;
mod writer;

pub use catalogue::{Catalogue, Content, Encoding, Extent, HeldManifest, Image, Repository, Volume};
pub use error::{BundleError, Result};
pub use layout::{LayoutImage, LayoutNames, LayoutStore, LayoutWriter};
pub use writer::{BundleWriter, Contents, Destination, Finished, Sign, WriterOptions};
