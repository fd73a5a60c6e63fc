//! GNU gzip.
