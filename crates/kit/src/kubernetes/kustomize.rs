//! Kustomize: a component that gives images their names in the private registry, and their digests where those are
//! known.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Mapping;
use crate::write::yaml;
use crate::{File, Place, WriteError};

const COMMENT: &str = "components: [PATH/TO/kustomize] in a kustomization.yaml takes it in; Kustomize 3.7, kubectl 1.21.\n\
                       Names are matched as manifests write them, so each stands here in all its forms. A repository\n\
                       of which several images are used keeps their tags: Kustomize cannot tell them apart.";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    api_version: &'static str,
    kind: &'static str,
    images: Vec<Image>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    name: String,
    new_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

pub(super) fn file(place: &Place, images: &[Mapping]) -> Result<File, WriteError> {
    let mut wanted: BTreeMap<String, BTreeSet<Image>> = BTreeMap::new();
    for image in images {
        for name in names(image) {
            let entry = entry(place, image, name.clone());
            wanted.entry(name).or_default().insert(entry);
        }
    }
    let images = wanted.into_values().filter_map(|entries| {
        let only = entries.len() == 1;
        let mut entry = entries.into_iter().next()?;
        if !only {
            (entry.new_tag, entry.digest) = (None, None);
        }
        Some(entry)
    });
    let document = Document {
        api_version: "kustomize.config.k8s.io/v1alpha1",
        kind: "Component",
        images: images.collect(),
    };
    Ok(File::plain("kustomize/kustomization.yaml", yaml(COMMENT, &[document])?))
}

/// A digest says all; a tag beside it would be for nothing.
fn entry(place: &Place, image: &Mapping, name: String) -> Image {
    let digest = image.digest.map(|digest| digest.to_string());
    // A tag that stays the same need not be said.
    let tag = image.tag.as_ref().filter(|tag| digest.is_none() && image.source.tag.as_ref() != Some(tag));
    Image { name, new_name: image.location(place), new_tag: tag.map(ToString::to_string), digest }
}

/// Docker's registry and its library may be left out of a name.
fn names(image: &Mapping) -> Vec<String> {
    let (registry, path) = (image.source.registry.as_str(), image.source.repository.as_str());
    let mut names = vec![format!("{registry}/{path}")];
    if registry == "docker.io" {
        names.push(path.to_owned());
        if let Some(short) = path.strip_prefix("library/").filter(|short| !short.contains('/')) {
            names.push(format!("{registry}/{short}"));
            names.push(short.to_owned());
        }
    }
    names
}
