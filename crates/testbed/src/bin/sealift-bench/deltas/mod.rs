//! Measures the monthly update: two months of a product are packed, the second as deltas of the first, and loaded.
//!
//! What it is held against is run beside it: `zstd --patch-from` of the same tars, and the inflating and encoding that the
//! proof of exactness needs. Sizes do not depend on how busy the machine is, times do.

mod months;
mod table;
mod yard;

use std::io;

use sealift_testbed::images::cache_directory;

use crate::measure::Cost;
use months::Layer;
use yard::{Update, Yard};

/// The ways to pack that are measured, and the level of zstd of each.
const LEVELS: [(&str, &str); 2] = [("fast", "-3"), ("better", "-10")];
/// Where the layers are kept; another number where `scripts/build-months` changes what they are.
const MONTHS: &str = "months-1";

/// What was measured.
pub(crate) struct Measured {
    layers: Vec<Layer>,
    updates: Vec<Update>,
    /// What `zstd --patch-from` makes of each layer, at each level.
    patches: Vec<Vec<u64>>,
    recognised: Vec<f64>,
    steps: Vec<(String, Cost)>,
    floor: Cost,
}

/// Runs everything once and returns the tables; of what comes after the first month only what is wanted.
pub(crate) async fn bench(wanted: &[String]) -> io::Result<String> {
    let is_wanted = |step: &str| wanted.is_empty() || wanted.iter().any(|it| step.contains(it.as_str()));
    let cache = cache_directory();
    std::fs::create_dir_all(&cache)?;
    let layers = months::layers(&cache.join(MONTHS)).await?;
    let yard = Yard::new(&layers, &cache).await?;
    let mut steps = vec![("pack month 1".to_owned(), yard.pack("v1", "first", &[]).await?)];
    steps.push(("load month 1".to_owned(), yard.load("first").await?));
    let floor = yard.floor(&layers).await?;
    let (mut updates, mut patches) = (Vec::new(), vec![Vec::new(); layers.len()]);
    for (how, level) in LEVELS {
        if !is_wanted(&table::pack(how)) {
            continue;
        }
        updates.push(yard.update(how).await?);
        for (layer, patches) in layers.iter().zip(&mut patches) {
            let patch = if is_wanted("patch") { yard.patch(layer, level).await? } else { 0 };
            patches.push(patch);
        }
    }
    for update in updates.iter().take(1) {
        let step = format!("load month 2 ({})", update.how);
        if is_wanted(&step) {
            steps.push((step, yard.load(update.how).await?));
        }
    }
    let recognised = yard::recognise(&layers).await?;
    table::render(&Measured { layers, updates, patches, recognised, steps, floor })
}
