//! A Kubernetes cluster of any kind, whose nodes ask the private registry for images that manifests name as before.
//!
//! Every container runtime has its own file for that, and each can say a different part of what a mirror does:
//! [`Rules`] says it once, and each file takes from it what it can express.

mod containerd;
mod crio;
mod k3s;
mod kustomize;
mod openshift;
mod readme;
mod rules;

use sealift_oci::{Digest, Reference, RepositoryName, Tag};

pub use rules::Rules;

use crate::{File, Place, WriteError};

/// One image, where it comes from and where it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// What manifests call it.
    pub source: Reference,
    /// Its repository in the private registry.
    pub target: RepositoryName,
    /// Its tag there.
    pub tag: Option<Tag>,
    /// What it is, where that is known.
    pub digest: Option<Digest>,
}

/// Makes all files of the kit.
///
/// # Errors
/// When a value cannot be written, which no name is.
pub fn files(place: &Place, images: &[Mapping]) -> Result<Vec<File>, WriteError> {
    let rules = Rules::of(images);
    let mut files = containerd::files(place, &rules)?;
    files.push(crio::file(place, &rules)?);
    files.push(k3s::file(place, &rules)?);
    files.push(openshift::digests(place, &rules)?);
    files.push(openshift::tags(place, &rules)?);
    files.push(kustomize::file(place, images)?);
    files.insert(0, readme::file(place, &rules, images));
    Ok(files)
}

#[cfg(test)]
mod tests;
