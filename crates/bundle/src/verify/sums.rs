//! Checking a bundle that stays closed: the checksums of its files are all that can be known.

use std::sync::atomic::AtomicU64;

use super::{Finding, Meter, Progress, Scope, Verified, side_by_side};
use crate::catalogue::Volume;
use crate::reader::{Medium, OpenOptions, VolumeFile, volume_places};

pub(super) fn check(medium: &Medium, options: &OpenOptions, cores: usize, progress: &Progress) -> Verified {
    let volumes = volumes(medium, options);
    let scope = if medium.checksums.is_some() { Scope::Checksums } else { Scope::Nothing };
    let total = volumes.iter().filter(|it| it.problem().is_none()).map(VolumeFile::size).sum();
    let meter = Meter { done: AtomicU64::new(0), total, progress };
    let mut findings: Vec<Finding> = side_by_side(volumes.iter().collect(), cores, |volume: &VolumeFile| {
        let problem = volume.problem().map(str::to_owned);
        let problem = problem.or_else(|| volume.compare(&|bytes| meter.add(bytes)).err())?;
        Some(Finding { path: volume.path().to_owned(), position: None, what: problem, images: Vec::new() })
    })
    .into_iter()
    .flatten()
    .collect();
    findings.sort_by(|one, next| one.path.cmp(&next.path));
    Verified { findings, bytes: meter.done.into_inner(), scope, bundle: None, images: Vec::new() }
}

/// What the list of checksums names besides the small files, which were checked.
fn volumes(medium: &Medium, options: &OpenOptions) -> Vec<VolumeFile> {
    let Some((_, checksums)) = &medium.checksums else { return Vec::new() };
    if let Some(whole) = &medium.whole {
        let volume = Volume { name: String::new(), size: None, sha256: None };
        return vec![VolumeFile::whole(&volume, &medium.path, whole.length, medium.whole_checksum())];
    }
    let places = volume_places(medium, options);
    let is_volume = |name: &&str| !medium.is_small(name);
    let volume = |name: &str| {
        let sha256 = checksums.of(name).map(str::to_owned);
        VolumeFile::find(&Volume { name: name.to_owned(), size: None, sha256 }, &places, options.progress())
    };
    checksums.names().filter(is_volume).map(volume).collect()
}
