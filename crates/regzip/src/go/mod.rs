//! Go's `compress/flate`, as it was from Go 1.19 to 1.26.
