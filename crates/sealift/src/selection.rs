//! From releases to images: which of them are wanted, and what each is called on both sides.

use sealift_catalog::{GATE_IMAGE, ImageSet, ReleaseTag, UnknownImage, image_set};
use sealift_mirror::{Group, ImageRequest, Selection};
use sealift_oci::{NameError, RepositoryName, Tag};

use crate::errors::CommandError;
use crate::settings::Settings;

/// Selects the images of every release, older releases first, so that a site can upgrade step by step
/// while the newer ones are still on their way.
pub(crate) fn select(settings: &Settings, images: &[String]) -> Result<Selection, CommandError> {
    let mut tags = settings.tags.clone();
    tags.sort_by_key(ReleaseTag::of);
    check_names(&tags, images)?;
    let groups = tags.iter().map(|tag| group(settings, tag, images)).collect::<Result<Vec<_>, _>>()?;
    Ok(Selection { groups: groups.into_iter().filter(|group| !group.images.is_empty()).collect() })
}

/// An image that is asked for must be in one of the releases; releases change, so not in each.
fn check_names(tags: &[Tag], images: &[String]) -> Result<(), CommandError> {
    for image in images {
        let mut unknown = None;
        for tag in tags {
            match image_set(tag).narrow(&[image]) {
                Ok(_) => {
                    unknown = None;
                    break;
                }
                Err(error) => unknown = Some((tag, error)),
            }
        }
        if let Some((tag, error)) = unknown {
            return Err(unknown_image(tag, &error));
        }
    }
    Ok(())
}

fn unknown_image(tag: &Tag, error: &UnknownImage) -> CommandError {
    let hint = match error.near.as_slice() {
        [] => "Leave --image out to take all images of the release.".to_owned(),
        near => format!("Did you mean --image {}?", near.join(" or --image ")),
    };
    CommandError::usage(format_args!("the release {tag} has no image {}", error.name), hint)
}

fn group(settings: &Settings, tag: &Tag, images: &[String]) -> Result<Group, CommandError> {
    let all = image_set(tag);
    let asked: Vec<&String> = images.iter().filter(|name| all.contains(name)).collect();
    let set = if images.is_empty() { all } else { narrow(&all, &asked) };
    let names = set.names().iter();
    let images = names.map(|name| request(settings, tag, name, !set.required().contains(name)));
    let images = images.collect::<Result<Vec<_>, _>>().map_err(|error| {
        CommandError::usage(
            format_args!("with an image's name behind it a repository's name is malformed: {error}"),
            "Choose a shorter --source-repository or --target-repository.",
        )
    })?;
    Ok(Group { name: Some(tag.to_string()), images })
}

fn narrow(all: &ImageSet, asked: &[&String]) -> ImageSet {
    let nothing = ImageSet::Known(Vec::new());
    // Only names that the set has are asked for, so narrowing cannot fail; no name would mean all.
    if asked.is_empty() { nothing } else { all.narrow(asked).unwrap_or(nothing) }
}

fn request(settings: &Settings, tag: &Tag, name: &str, is_optional: bool) -> Result<ImageRequest, NameError> {
    let below = |repository: &RepositoryName| repository.join(name);
    Ok(ImageRequest {
        name: name.to_owned(),
        source: below(&settings.source.repository)?,
        reference: tag.clone().into(),
        target: below(&settings.target.repository)?,
        tag: Some(settings.target_tag.clone().unwrap_or_else(|| tag.clone())),
        optional: is_optional,
        gate: name == GATE_IMAGE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::PlaceSettings;
    use sealift_registry::client::Credentials;

    fn settings(tags: &[&str], target_tag: Option<&str>) -> Settings {
        let place = |registry: &str, repository: &str| PlaceSettings {
            registry: registry.parse().unwrap(),
            repository: repository.parse().unwrap(),
            credentials: Credentials::Anonymous,
        };
        Settings {
            source: place("mcr.microsoft.com", "arcdata"),
            target: place("ship.lan:5000", "a/b"),
            tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
            target_tag: target_tag.map(|tag| tag.parse().unwrap()),
        }
    }

    fn images(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_known_list_is_wanted_whole_and_the_controller_is_the_gate() {
        let selection = select(&settings(&["v1.42.0_2025-10-14"], Some("v2")), &[]).unwrap();
        let wanted = &selection.groups[0].images;
        assert_eq!(wanted.len(), 20);
        assert!(wanted.iter().all(|image| !image.optional));
        let gates: Vec<_> = wanted.iter().filter(|image| image.gate).collect();
        assert_eq!(gates.len(), 1);
        assert_eq!(gates[0].source_name(), "arcdata/arc-controller:v1.42.0_2025-10-14");
        assert_eq!(gates[0].target_name(), "a/b/arc-controller:v2");
    }

    #[test]
    fn of_an_unknown_list_only_the_required_ones_must_exist() {
        let selection = select(&settings(&["v1.46.0_2026-05-12"], None), &[]).unwrap();
        let required: Vec<_> = selection.groups[0].images.iter().filter(|image| !image.optional).collect();
        let names: Vec<&str> = required.iter().map(|image| image.name.as_str()).collect();
        assert_eq!(names, ["arc-bootstrapper", "arc-controller"]);
    }

    #[test]
    fn releases_are_ascending_by_version() {
        let tags = ["v1.10.0_2022-08-09", "public-preview-jun-2021", "v1.9.0_2022-07-12"];
        let selection = select(&settings(&tags, None), &[]).unwrap();
        let order: Vec<_> = selection.groups.iter().map(|group| group.name.clone().unwrap()).collect();
        assert_eq!(order, ["public-preview-jun-2021", "v1.9.0_2022-07-12", "v1.10.0_2022-08-09"]);
    }

    #[test]
    fn names_narrow_and_a_wrong_one_is_refused_with_a_suggestion() {
        let settings = settings(&["v1.29.0_2024-04-09", "v1.30.0_2024-06-11"], None);
        let selection = select(&settings, &images(&["arc-kafka"])).unwrap();
        assert_eq!(selection.groups.len(), 1, "v1.30 has no arc-kafka");
        let error = select(&settings, &images(&["sqlmy"])).unwrap_err();
        assert!(format!("{error:?}").contains("--image arc-sqlmi?"), "{error:?}");
    }
}
