//! What both ends of the wire share, written once: the routes, the names of headers, the error codes and
//! their body, ranges and links; and how certificates and their keys are read.
//!
//! Everything here is pure: no I/O and no state, a parser takes a text or bytes and never panics, and what
//! is built parses back. The sections named are those of the OCI distribution specification 1.1.

mod error;
pub mod header;
mod link;
pub mod pem;
mod percent;
mod query;
mod range;
mod route;

pub use error::{ERROR_BODY_LIMIT, ErrorBody, ErrorCode, ErrorEntry};
pub use link::{next_link, parse_next_link};
pub use query::{PageQuery, UploadStart};
pub use range::{ByteRange, ChunkRange, ContentRange, Received};
pub use route::{Route, RouteError};
