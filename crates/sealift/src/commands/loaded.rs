//! Which images of bundles, or of a layout, `load` brings, and under which names.

use std::collections::BTreeMap;

use sealift_bundle::{Image, LayoutImage};
use sealift_mirror::{Group, ImageRequest, Selection};
use sealift_oci::{Digest, ManifestRef, RepositoryName, Tag};

use super::Result;
use crate::errors::CommandError;

/// Refuses one tag for several images of a repository: the last would take it from the others. Of two that have the same
/// tag the later bundle's counts, as ever.
pub(super) fn one_each(
    images: impl Iterator<Item = ((RepositoryName, Option<Tag>, Digest), String)>,
    tag: Option<&Tag>,
) -> Result<()> {
    let Some(tag) = tag else { return Ok(()) };
    let mut known: BTreeMap<(RepositoryName, Option<Tag>), (Digest, String)> = BTreeMap::new();
    for ((repository, own, digest), name) in images {
        known.insert((repository, own), (digest, name));
    }
    let pairs = known.iter().zip(known.iter().skip(1));
    match pairs
        .into_iter()
        .find(|((one, (digest, _)), (other, (next, _)))| one.0 == other.0 && digest != next)
    {
        Some(((_, (_, one)), (_, (_, other)))) => Err(CommandError::usage(
            format_args!("{one} and {other} would both get the tag {tag}"),
            "Leave --target-tag out: each image keeps its tag.",
        )),
        None => Ok(()),
    }
}

/// Selects every image of the bundles, release by release. One that several bundles have is taken once.
pub(super) fn select<'a>(
    images: impl Iterator<Item = &'a Image>,
    below: Option<&RepositoryName>,
    tag: Option<&Tag>,
) -> Result<Selection> {
    let mut groups: Vec<Group> = Vec::new();
    for image in images {
        let request = ImageRequest {
            name: image.name.clone(),
            source: image.repository.clone(),
            reference: ManifestRef::from(image.digest),
            target: join(below, &image.repository)?,
            tag: tag.or(image.tag.as_ref()).cloned(),
            optional: false,
            gate: image.gate,
        };
        let position = groups.iter().position(|group| group.name == image.group).unwrap_or(groups.len());
        if position == groups.len() {
            groups.push(Group { name: image.group.clone(), images: Vec::new() });
        }
        let group = &mut groups[position];
        let is_same = |other: &ImageRequest| other.target == request.target && other.tag == request.tag;
        match group.images.iter_mut().find(|other| is_same(other)) {
            // The later bundle says what the tag means now.
            Some(other) => *other = request,
            None => group.images.push(request),
        }
    }
    Ok(Selection { groups })
}

pub(super) fn select_listed(
    images: &[LayoutImage],
    below: Option<&RepositoryName>,
    tag: Option<&Tag>,
) -> Result<Selection> {
    let request = |image: &LayoutImage| {
        Ok(ImageRequest {
            name: image.repository.to_string(),
            source: image.repository.clone(),
            reference: ManifestRef::from(image.descriptor.digest),
            target: join(below, &image.repository)?,
            tag: tag.or(image.tag.as_ref()).cloned(),
            optional: false,
            gate: false,
        })
    };
    let images = images.iter().map(request).collect::<Result<_>>()?;
    Ok(Selection { groups: vec![Group { name: None, images }] })
}

fn join(below: Option<&RepositoryName>, path: &RepositoryName) -> Result<RepositoryName> {
    let Some(below) = below else { return Ok(path.clone()) };
    below.join(path.as_str()).map_err(|error| {
        CommandError::usage(
            format_args!("with {path} behind it the target's repository is malformed: {error}"),
            "Choose a shorter --target-repository.",
        )
    })
}
