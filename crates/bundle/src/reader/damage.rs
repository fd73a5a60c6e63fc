//! Which images a missing or damaged volume hits.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;

use sealift_oci::Digest;

use super::{Bundle, blocking};
use crate::error::Result;

/// A volume that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Its file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
    /// The images that have content in it, by their places in [`crate::Catalogue::images`]; not all, where there are
    /// more than people read.
    pub images: Vec<usize>,
}

impl Bundle {
    /// How many images are named at the most with what hits them, all together: a catalogue from outside can let each of
    /// its images lie in each of its volumes.
    pub(crate) const NAMED_LIMIT: usize = 1_000_000;

    /// Lists the volumes that cannot be read, and the images that each hits. An image whose root manifest cannot
    /// be read is hit by that volume; what else it needs is not known then.
    ///
    /// # Errors
    /// Where the runtime is shutting down.
    pub async fn damage(&self) -> Result<Vec<Damage>> {
        let bundle = self.clone();
        blocking(self.path(), move || bundle.damage_blocking()).await
    }

    pub(crate) fn damage_blocking(&self) -> Vec<Damage> {
        let broken = self.volumes().iter().zip(1..).filter(|(volume, _)| volume.problem().is_some());
        let mut hit: BTreeMap<usize, Vec<usize>> = broken.map(|(_, number)| (number, Vec::new())).collect();
        if hit.is_empty() {
            return Vec::new();
        }
        let mut named = 0;
        for (images, digests) in self.reaches() {
            for volume in self.volumes_of(&digests) {
                let Some(hit) = hit.get_mut(&volume).filter(|_| named < Self::NAMED_LIMIT) else { continue };
                named += images.len();
                hit.extend(&images);
            }
        }
        let damage = |(number, mut images): (usize, Vec<usize>)| {
            images.sort_unstable();
            let volume = self.volume(number)?;
            let reason = volume.problem().unwrap_or_default().to_owned();
            Some(Damage { path: volume.path().to_owned(), reason, images })
        };
        hit.into_iter().filter_map(damage).collect()
    }

    fn volumes_of(&self, digests: &HashSet<Digest>) -> BTreeSet<usize> {
        let extents = digests.iter().filter_map(|digest| self.content(digest)).flat_map(|it| &it.at);
        extents.map(|extent| extent.volume).collect()
    }
}
