//! Layers that travel as deltas, in numbers: a bundle carries less of them than arrives, and packing them reads more.

use std::fmt;

use sealift_bundle::Bundle;
use sealift_mirror::Plan;

use super::proof;
use crate::output::units::{bytes, count};

/// What bundles carry of layers as deltas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeltasCarried {
    /// How many layers.
    pub(crate) layers: usize,
    /// How many bytes they have.
    pub(crate) whole: u64,
    /// How many bytes lie in the bundles of them.
    pub(crate) carried: u64,
}

/// What deltas may come to when a bundle is packed; how large they are is only known when they are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeltasPlanned {
    /// How many layers may become deltas.
    pub(crate) layers: usize,
    /// How many bytes they have.
    pub(crate) whole: u64,
    /// How many bytes of earlier layers are read at the source for that.
    pub(crate) earlier: u64,
}

impl DeltasCarried {
    /// Counts the deltas among what a plan brings; `None` where there are none.
    pub(super) fn of(bundles: &[Bundle], plan: &Plan) -> Option<Self> {
        let digests = plan.blobs.iter().map(|blob| &blob.descriptor.digest);
        let deltas = digests.filter_map(|digest| proof::delta_of(bundles, digest));
        let sum = deltas.fold(Self::default(), |sum, delta| Self {
            layers: sum.layers + 1,
            whole: sum.whole.saturating_add(delta.size),
            carried: delta.at.iter().map(|at| at.size).fold(sum.carried, u64::saturating_add),
        });
        (sum.layers > 0).then_some(sum)
    }
}

impl fmt::Display for DeltasCarried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layers, whole, carried } = *self;
        write!(
            f,
            "{} as deltas: {} carried in place of {}",
            count(layers, "layer"),
            bytes(carried),
            bytes(whole)
        )
    }
}

impl fmt::Display for DeltasPlanned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layers, whole, earlier } = *self;
        write!(
            f,
            "That is the most: {} of {} may become deltas, for which {} of earlier layers are read as well",
            count(layers, "layer"),
            bytes(whole),
            bytes(earlier)
        )
    }
}
