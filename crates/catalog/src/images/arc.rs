//! Azure Arc: a data controller names a registry, a repository and a tag, and means every image of that release.

use sealift_oci::{Reference, Registry, RepositoryName, Tag};

use super::word::{read, unresolved};
use super::{Image, Unresolved};
use crate::yaml::Node;
use crate::{ImageSet, image_set};

/// Reads the `docker` map of a data controller; nothing where it is none.
pub(super) fn images(docker: &Node) -> Vec<Image> {
    let text = |name| docker.get(name).and_then(Node::text);
    let Some(tag) = text("imageTag") else { return Vec::new() };
    let (Some(registry), Some(repository)) = (text("registry"), text("repository")) else {
        return vec![unresolved(tag, Unresolved::OnlyTag)];
    };
    let every = format!("{registry}/{repository}/*:{tag}");
    let parts = (registry.parse(), repository.parse(), tag.parse());
    let (Ok(registry), Ok(repository), Ok(tag)) = parts else {
        // Some image's name stands in for all of them: what is wrong is wrong with each.
        let reason = read(&every.replace('*', crate::GATE_IMAGE)).err();
        return vec![unresolved(&every, reason.unwrap_or(Unresolved::UnknownRelease))];
    };
    let set = image_set(&tag);
    let names = set.required().iter();
    let mut images: Vec<Image> = names.filter_map(|name| image(&registry, &repository, &tag, name)).collect();
    if matches!(set, ImageSet::Candidates { .. }) {
        images.push(unresolved(&every, Unresolved::UnknownRelease));
    }
    images
}

fn image(registry: &Registry, repository: &RepositoryName, tag: &Tag, name: &str) -> Option<Image> {
    let repository = repository.join(name).ok()?;
    let reference =
        Reference { registry: registry.clone(), repository, tag: Some(tag.clone()), digest: None };
    Some(Image::Reference { reference, is_latest_implied: false })
}
