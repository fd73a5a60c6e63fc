//! What a bundle carries of layers, and how. Reports and the contents of a bundle share it.

use schemars::JsonSchema;
use sealift_bundle::ListedDelta;
use serde::Serialize;

use crate::output::layers;

/// A blob of a bundle that was made with deltas.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct Delta {
    /// Its digest.
    digest: String,
    /// Its bytes.
    bytes: u64,
    /// How many the bundle carries of it.
    bytes_carried: u64,
    /// The second as a part of the first, with four digits.
    ratio: f64,
    /// What its plain bytes are compressed with; null where it is carried as it is, or not compressed.
    encoder: Option<String>,
    /// The digests of what it builds on; empty where it is carried as it is.
    bases: Vec<String>,
    /// Why it is carried as it is, where it might have been a delta.
    reason: Option<String>,
}

/// How many layers of a bundle are deltas.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::output) struct Coverage {
    /// How many layers might have been deltas. Configurations, and what is smaller than 16 KiB, do not count.
    layers: usize,
    /// How many are.
    deltas: usize,
    /// The bytes of those that are.
    bytes: u64,
    /// How many the bundle carries of them.
    bytes_carried: u64,
    /// The same as a sentence, and why others are none.
    pub(in crate::output) message: String,
}

impl Delta {
    pub(super) fn of(listed: &ListedDelta) -> Self {
        Self {
            digest: listed.digest.to_string(),
            bytes: listed.size,
            bytes_carried: listed.carried,
            ratio: ratio(listed),
            encoder: listed.encoder.clone(),
            bases: listed.bases.iter().map(ToString::to_string).collect(),
            reason: listed.why_whole.clone(),
        }
    }
}

/// How much is carried of a layer, with four digits.
pub(crate) fn ratio(listed: &ListedDelta) -> f64 {
    const ONE: u64 = 10_000;
    let parts = listed.carried.saturating_mul(ONE) / listed.size.max(1);
    f64::from(u32::try_from(parts).unwrap_or(u32::MAX)) / 10_000.0
}

impl Coverage {
    pub(super) fn of(listed: &[ListedDelta]) -> Option<Self> {
        let layers::Coverage { layers, deltas, whole, carried } = layers::Coverage::of(listed)?;
        let message = layers::sentence(listed)?;
        Some(Self { layers, deltas, bytes: whole, bytes_carried: carried, message })
    }
}
