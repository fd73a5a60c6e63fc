//! The network place, both ends.
//!
//! [`wire`] is what the two ends share, written once; [`server`] puts a registry in front of any store;
//! [`client`] makes a store of any registry.

pub mod client;
pub mod server;
pub mod wire;
