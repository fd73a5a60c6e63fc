//! Which images a missing or damaged volume hits.

use std::collections::HashSet;
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
    /// The images that have content in it, by their places in [`crate::Catalogue::images`].
    pub images: Vec<usize>,
}

impl Bundle {
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
        let broken: Vec<_> = broken.collect();
        if broken.is_empty() {
            return Vec::new();
        }
        let reached: Vec<HashSet<Digest>> =
            self.catalogue().images.iter().map(|image| self.reach(image)).collect();
        let damage = |(volume, number): (&super::VolumeFile, usize)| Damage {
            path: volume.path().to_owned(),
            reason: volume.problem().unwrap_or_default().to_owned(),
            images: self.hit(&reached, number),
        };
        broken.into_iter().map(damage).collect()
    }

    fn hit(&self, reached: &[HashSet<Digest>], number: usize) -> Vec<usize> {
        let lies_there = |digest: &Digest| {
            self.content(digest).is_some_and(|content| content.at.iter().any(|at| at.volume == number))
        };
        let hit = reached.iter().enumerate().filter(|(_, digests)| digests.iter().any(lies_there));
        hit.map(|(image, _)| image).collect()
    }
}
