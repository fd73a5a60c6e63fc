//! The files that make a cluster pull from the registry that was mirrored to.
//!
//! Values in, named files out: nothing is read, asked or written here. What is written for whom is a fact about
//! other programs, and each of their files has a module of its own: [`arc`] for Azure Arc-enabled data services,
//! [`kubernetes`] for clusters of any kind. YAML, JSON and TOML are written by libraries, so that a value which
//! means something there gets its quotes.
//!
//! ```
//! use sealift_kit::Place;
//! use sealift_kit::arc::{self, ArcKit};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let place = Place { registry: "registry.ship.lan".parse()?, is_plain_http: false, ca: None };
//! let kit = ArcKit {
//!     place: &place,
//!     repository: &"arcdata".parse()?,
//!     tag: &"v1.42.0_2025-10-14".parse()?,
//!     namespace: "arc",
//!     controller: "arc",
//!     username: None,
//!     password: None,
//! };
//! let files = arc::files(&kit)?;
//! assert!(files.iter().any(|file| file.path == "arc-private-registry.yaml"));
//! # Ok(())
//! # }
//! ```

pub mod arc;
mod file;
pub mod hosts_toml;
pub mod kubernetes;
mod place;
#[cfg(test)]
mod shapes;
mod shell;
#[cfg(test)]
mod testing;
mod write;

pub use file::{File, Kind};
pub use place::Place;
pub use write::WriteError;
