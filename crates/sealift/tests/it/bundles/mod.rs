//! Bundles: what `pack`, `load`, `inspect` and `keygen` do together, from registry to registry.

mod bases;
mod damage;
mod deltas;
mod documents;
mod flips;
mod interrupted;
mod keys;
mod killed;
mod plain;
mod receipts;
mod rehearsal;
mod room;
mod round_trip;
mod scene;
mod served;
mod several;
mod trust;
mod usage;
mod verified;
