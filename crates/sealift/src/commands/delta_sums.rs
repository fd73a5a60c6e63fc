//! Layers that travel as deltas, in numbers: a bundle carries less of them than arrives, and packing them reads more.

use std::collections::HashSet;
use std::fmt;

use sealift_bundle::{Bundle, BundleStore, ListedDelta};
use sealift_mirror::Plan;
use sealift_oci::Digest;

use super::Result;
use super::mirror::write;
use crate::output::layers;
use crate::output::units::{bytes, count};
use crate::ui::Ui;

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

/// Lists what is read of each bundle of what is wanted, and how it lies there; nothing of a bundle without deltas.
pub(super) fn listed(bundles: &[Bundle], is_wanted: impl Fn(&Digest) -> bool) -> Vec<Vec<ListedDelta>> {
    let store = BundleStore::new(bundles.to_vec());
    let of_one = |bundle: &Bundle| {
        let holder = |digest: &Digest| store.holder(digest).map(|it| it.catalogue().id.as_str());
        let is_read =
            |it: &ListedDelta| is_wanted(&it.digest) && holder(&it.digest) == Some(&bundle.catalogue().id);
        bundle.catalogue().deltas().into_iter().filter(is_read).collect()
    };
    bundles.iter().map(of_one).collect()
}

/// Lists what a plan brings.
pub(super) fn planned(bundles: &[Bundle], plan: &Plan) -> Vec<ListedDelta> {
    let wanted: HashSet<Digest> = plan.blobs.iter().map(|blob| blob.descriptor.digest).collect();
    listed(bundles, |digest| wanted.contains(digest)).concat()
}

/// Tells which layers are deltas, where a bundle was made with some: each in the report that people read, else all in a line.
pub(super) fn tell(ui: &Ui, blobs: &[ListedDelta], is_shown: bool) -> Result<()> {
    if is_shown {
        return write(ui, &layers::text(blobs));
    }
    layers::sentence(blobs).into_iter().for_each(|sentence| ui.status(sentence));
    Ok(())
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
