//! Checking a bundle: every byte of every volume, each read once.
//!
//! One pass over a volume feeds its checksum, on a thread of its own, and the digests of the content in it. Volumes
//! that share a blob are read one behind the other; the others beside each other.

mod claims;
mod entries;
mod found;
mod header;
mod sums;
mod tape;
mod walk;

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use sealift_oci::Digest;
use sealift_store::lock;

use crate::error::Result;
use crate::reader::{Bundle, Medium, OpenOptions, Progress, blocking};

use walk::Walk;

pub(crate) use found::Found;

/// What came of a check.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What is wrong; nothing where the bundle is whole.
    pub findings: Vec<Finding>,
    /// How many bytes were read.
    pub bytes: u64,
    /// What was checked.
    pub scope: Scope,
    /// The bundle, where its catalogue can be read.
    pub bundle: Option<Bundle>,
    /// What the images were called at the source, which [`Finding::images`] count; none where they are not known.
    pub images: Vec<String>,
}

/// How far a check could go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every byte, and every piece of content against its digest.
    Everything,
    /// The checksums only: the bundle is encrypted, and nothing that opens it was given.
    Checksums,
    /// Nothing: the bundle is encrypted, nothing that opens it was given, and it has no checksums.
    Nothing,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: PathBuf,
    /// The byte in it where what is wrong begins; `None` where it is the whole file.
    pub position: Option<u64>,
    /// What is wrong.
    pub what: String,
    /// The images that it hits, by their places in [`Verified::images`].
    pub images: Vec<usize>,
}

/// Counts what was read.
struct Meter<'a> {
    done: AtomicU64,
    total: u64,
    progress: &'a Progress<'a>,
}

impl Meter<'_> {
    fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (self.progress)(done, self.total);
    }
}

/// Checks every byte of a bundle. It uses as many threads as there are `cores`, two for each volume at work.
///
/// # Errors
/// As [`Bundle::open`]: a bundle whose small files are damaged has no findings but this error. An encrypted one is opened
/// if [`OpenOptions::unlock`] is given.
pub async fn verify(
    path: &Path,
    options: &OpenOptions,
    cores: usize,
    progress: Arc<Progress<'static>>,
) -> Result<Verified> {
    let (path, options) = (path.to_owned(), options.clone());
    let work = move || verify_blocking(&path, &options, cores, progress.as_ref());
    blocking(Path::new(""), work).await?
}

pub(crate) fn verify_blocking(
    path: &Path,
    options: &OpenOptions,
    cores: usize,
    progress: &Progress<'_>,
) -> Result<Verified> {
    let medium = Medium::open(path, options.trust.as_ref(), options.progress())?;
    if medium.key.is_some() && options.unlock.is_none() {
        return Ok(sums::check(&medium, options, cores, progress));
    }
    Ok(everything(Bundle::understand(medium, options)?, cores, progress))
}

/// Checks every byte of a bundle that is open.
///
/// # Errors
/// Where the runtime is shutting down.
pub async fn verify_open(
    bundle: &Bundle,
    cores: usize,
    progress: Arc<Progress<'static>>,
) -> Result<Verified> {
    let opened = bundle.clone();
    blocking(bundle.path(), move || everything(opened, cores, progress.as_ref())).await
}

fn everything(bundle: Bundle, cores: usize, progress: &Progress<'_>) -> Verified {
    let usable = bundle.volumes().iter().filter(|volume| volume.problem().is_none());
    let meter = Meter { done: AtomicU64::new(0), total: usable.map(|it| it.size()).sum(), progress };
    // Two threads work on each chain.
    let found = side_by_side(chains(&bundle), cores.div_ceil(2), |chain| check(&bundle, chain, &meter));
    let mut findings: Vec<Finding> = bundle.damage_blocking().into_iter().map(Finding::from).collect();
    let claims = claims::check(&bundle);
    findings.extend(with_images(&bundle, found.into_iter().flatten().chain(claims).collect()));
    findings.sort_by(|one, next| (&one.path, one.position).cmp(&(&next.path, next.position)));
    let bytes = meter.done.into_inner();
    let images = bundle.catalogue().images.iter().map(|image| image.source.clone()).collect();
    Verified { findings, bytes, scope: Scope::Everything, bundle: Some(bundle), images }
}

impl From<crate::reader::Damage> for Finding {
    fn from(damage: crate::reader::Damage) -> Self {
        Self { path: damage.path, position: None, what: damage.reason, images: damage.images }
    }
}

/// Checks a run of volumes. Where one cannot be read on, the check goes on with the next.
fn check(bundle: &Bundle, chain: Range<usize>, meter: &Meter<'_>) -> Vec<Found> {
    let (mut all, mut rest) = (Vec::new(), chain);
    while !rest.is_empty() {
        let (found, stopped) = Walk::new(bundle, rest.clone(), meter).run();
        all.extend(found);
        rest.start = stopped.map_or(rest.end, |number| number + 1);
    }
    all
}

/// Returns the runs of volumes that have to be read one behind the other, by their numbers.
fn chains(bundle: &Bundle) -> Vec<Range<usize>> {
    let mut goes_on = vec![false; bundle.volumes().len() + 2];
    for content in &bundle.catalogue().content {
        for extent in content.at.iter().rev().skip(1) {
            goes_on[extent.volume] = true;
        }
    }
    let mut all: Vec<Range<usize>> = Vec::new();
    for (volume, number) in bundle.volumes().iter().zip(1..) {
        if volume.problem().is_some() {
            continue;
        }
        match all.last_mut() {
            Some(last) if last.end == number && goes_on[number - 1] => last.end += 1,
            _ => all.push(number..number + 1),
        }
    }
    all
}

/// Does jobs on some threads; what comes of them is in no order.
pub(crate) fn side_by_side<J: Send, R: Send>(
    jobs: Vec<J>,
    workers: usize,
    work: impl Fn(J) -> R + Sync,
) -> Vec<R> {
    let workers = workers.clamp(1, jobs.len().max(1));
    let (queue, done) = (Mutex::new(jobs.into_iter()), Mutex::new(Vec::new()));
    let next = || lock(&queue).next();
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(job) = next() {
                    let result = work(job);
                    lock(&done).push(result);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Names the images that need what was found wrong.
fn with_images(bundle: &Bundle, found: Vec<Found>) -> Vec<Finding> {
    let mut users: HashMap<Digest, Vec<usize>> =
        found.iter().flat_map(|it| &it.content).map(|digest| (*digest, Vec::new())).collect();
    if !users.is_empty() {
        let mut named = 0;
        for (images, digests) in bundle.reaches() {
            for digest in digests {
                let Some(users) = users.get_mut(&digest).filter(|_| named < Bundle::NAMED_LIMIT) else {
                    continue;
                };
                named += images.len();
                users.extend(&images);
            }
        }
    }
    let finding = |found: Found| {
        let mut images: Vec<usize> =
            found.content.iter().filter_map(|digest| users.get(digest)).flatten().copied().collect();
        images.sort_unstable();
        images.dedup();
        Finding { path: found.path, position: found.position, what: found.what, images }
    };
    found.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests;
