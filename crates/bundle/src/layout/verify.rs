//! Checking a layout: every byte that lies in it, and everything that is said of it.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sealift_oci::{Digest, Hasher};

use super::graph::Graph;
use super::reader::{Layout, Piece};
use super::store::{LayoutImage, LayoutStore, images};
use crate::error::{BundleError, Result};
use crate::reader::{Progress, READ_SIZE, blocking};
use crate::verify::{Finding, Found, Scope, Verified, side_by_side};

impl LayoutStore {
    /// Checks every byte of a layout against its digest, and what `index.json` and the manifests say of sizes and types.
    ///
    /// # Errors
    /// Where its directory cannot be read.
    pub async fn verify(&self, cores: usize, progress: Arc<Progress<'static>>) -> Result<Verified> {
        let layout = Arc::clone(self.layout());
        blocking(Path::new(""), move || check(&layout, cores, progress.as_ref())).await?
    }
}

pub(super) fn check(layout: &Layout, cores: usize, progress: &Progress<'_>) -> Result<Verified> {
    let all = layout.all().map_err(BundleError::io(Path::new(&*layout.place)))?;
    let mut graph = Graph::read(layout);
    let mut found = std::mem::take(&mut graph.found);
    let mut pieces = Vec::new();
    for digest in all {
        match layout.bytes(&digest) {
            Ok(Some(piece)) => pieces.push((digest, piece)),
            // What is listed was found already; what nobody needs must still be a file.
            Ok(None) => {}
            Err(_) if graph.is_missing(&digest) => {}
            Err(error) => found.push(Found::whole(layout.index_file(), error.to_string())),
        }
    }
    let (done, total) = (AtomicU64::new(0), pieces.iter().map(|(_, piece)| piece.size).sum());
    let tell = |bytes| progress(done.fetch_add(bytes, Ordering::Relaxed) + bytes, total);
    let hash = |(digest, piece): (Digest, Piece)| compare(&digest, &piece, &tell);
    found.extend(side_by_side(pieces, cores, hash).into_iter().flatten());
    let images = images(layout);
    let mut findings = attribute(&graph, &images, found);
    findings.sort_by(|one, next| {
        (&one.path, one.position, &one.what).cmp(&(&next.path, next.position, &next.what))
    });
    Ok(Verified {
        findings,
        bytes: done.into_inner(),
        scope: Scope::Everything,
        bundle: None,
        images: images.iter().map(LayoutImage::name).collect(),
    })
}

/// Reads a blob or manifest and compares it with its digest.
fn compare(digest: &Digest, piece: &Piece, tell: &dyn Fn(u64)) -> Option<Found> {
    let what = match hash(digest, piece, tell) {
        Ok(actual) if actual == *digest => return None,
        Ok(actual) => format!("{digest} is damaged: its bytes have the digest {actual}"),
        Err(error) => format!("{digest} cannot be read: {error}"),
    };
    let found = Found::at(piece.path.clone(), piece.position(), what);
    Some(Found { content: vec![*digest], ..found })
}

fn hash(digest: &Digest, piece: &Piece, tell: &dyn Fn(u64)) -> io::Result<Digest> {
    let mut hasher = Hasher::new(digest.algorithm());
    let mut reader = piece.reader()?;
    let mut buffer = vec![0; READ_SIZE];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => {
                hasher.update(&buffer[..count]);
                tell(count as u64);
            }
        }
    }
}

/// Names the images that need what was found wrong.
fn attribute(graph: &Graph, images: &[LayoutImage], found: Vec<Found>) -> Vec<Finding> {
    let wanted: HashSet<Digest> = found.iter().flat_map(|it| &it.content).copied().collect();
    let mut users: HashMap<Digest, Vec<usize>> = HashMap::new();
    if !wanted.is_empty() {
        for (number, image) in images.iter().enumerate() {
            for digest in graph.reach(&image.descriptor.digest).intersection(&wanted) {
                users.entry(*digest).or_default().push(number);
            }
        }
    }
    found.into_iter().map(|found| found.hitting(&users)).collect()
}

#[cfg(test)]
mod tests;
