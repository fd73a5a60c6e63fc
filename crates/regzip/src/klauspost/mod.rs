//! The encoder of `github.com/klauspost/compress/flate`, as `pgzip` uses it.
