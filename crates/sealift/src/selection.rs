//! From releases to images: which of them are wanted, and what each is called on both sides.

use sealift_catalog::{GATE_IMAGE, Group as ImageGroup, ImageSet, ReleaseTag, UnknownImage, image_set};
use sealift_mirror::{Group, ImageRequest, Selection};
use sealift_oci::{NameError, RepositoryName, Tag};

use crate::args::WhatArgs;
use crate::errors::CommandError;
use crate::settings::Settings;

/// Selects the images of every release, older releases first, so that a site can upgrade step by step
/// while the newer ones are still on their way.
pub(crate) fn select(settings: &Settings, what: &WhatArgs) -> Result<Selection, CommandError> {
    let mut tags = settings.tags.clone();
    tags.sort_by_key(ReleaseTag::of);
    check_names(&tags, &what.images)?;
    check_groups(what)?;
    let groups = tags.iter().map(|tag| group(settings, tag, what)).collect::<Result<Vec<_>, _>>()?;
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

/// Who names an image and leaves out its group means one or the other.
fn check_groups(what: &WhatArgs) -> Result<(), CommandError> {
    let is_left_out = |name: &str| ImageGroup::of(name).filter(|group| what.skip_groups.contains(group));
    match what.images.iter().find_map(|name| Some((name, is_left_out(name)?))) {
        Some((name, group)) => Err(CommandError::usage(
            format_args!("the image {name} is asked for, and its group {group} is left out"),
            format_args!("Leave out --image {name} or --skip-group {group}."),
        )),
        None => Ok(()),
    }
}

fn unknown_image(tag: &Tag, error: &UnknownImage) -> CommandError {
    let hint = match error.near.as_slice() {
        [] => "Leave --image out to take all images of the release.".to_owned(),
        near => format!("Did you mean --image {}?", near.join(" or --image ")),
    };
    CommandError::usage(format_args!("the release {tag} has no image {}", error.name), hint)
}

fn group(settings: &Settings, tag: &Tag, what: &WhatArgs) -> Result<Group, CommandError> {
    let all = image_set(tag).without(&what.skip_groups);
    let asked: Vec<&String> = what.images.iter().filter(|name| all.contains(name)).collect();
    let set = if what.images.is_empty() { all } else { narrow(&all, &asked) };
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
    let target = settings.target.as_ref().map(|target| below(&target.repository));
    Ok(ImageRequest {
        name: name.to_owned(),
        source: below(&settings.source.repository)?,
        reference: tag.clone().into(),
        target: target.unwrap_or_else(|| name.parse())?,
        tag: Some(settings.target_tag.clone().unwrap_or_else(|| tag.clone())),
        optional: is_optional,
        gate: name == GATE_IMAGE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;
    use crate::settings::PlaceSettings;

    fn settings(tags: &[&str], target_tag: Option<&str>) -> Settings {
        let place = |registry: &str, repository: &str| PlaceSettings {
            registry: registry.parse().unwrap(),
            repository: repository.parse().unwrap(),
            identity: Identity::default(),
        };
        Settings {
            source: place("mcr.microsoft.com", "arcdata"),
            target: Some(place("ship.lan:5000", "a/b")),
            tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
            target_tag: target_tag.map(|tag| tag.parse().unwrap()),
        }
    }

    fn images(names: &[&str]) -> WhatArgs {
        WhatArgs { images: names.iter().map(|&name| name.to_owned()).collect(), ..WhatArgs::default() }
    }

    #[test]
    fn a_known_list_is_wanted_whole_and_the_controller_is_the_gate() {
        let selection = select(&settings(&["v1.42.0_2025-10-14"], Some("v2")), &images(&[])).unwrap();
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
        let selection = select(&settings(&["v1.46.0_2026-05-12"], None), &images(&[])).unwrap();
        let required: Vec<_> = selection.groups[0].images.iter().filter(|image| !image.optional).collect();
        let names: Vec<&str> = required.iter().map(|image| image.name.as_str()).collect();
        assert_eq!(names, ["arc-bootstrapper", "arc-controller"]);
    }

    #[test]
    fn releases_are_ascending_by_version() {
        let tags = ["v1.10.0_2022-08-09", "public-preview-jun-2021", "v1.9.0_2022-07-12"];
        let selection = select(&settings(&tags, None), &images(&[])).unwrap();
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

    #[test]
    fn groups_are_left_out_and_none_of_them_can_be_asked_for() {
        let settings = settings(&["v1.42.0_2025-10-14"], None);
        let skip_groups = vec![ImageGroup::Postgres, ImageGroup::TestHarness];
        let without = WhatArgs { skip_groups, ..WhatArgs::default() };
        let selection = select(&settings, &without).unwrap();
        let names: Vec<&str> = selection.groups[0].images.iter().map(|image| image.name.as_str()).collect();
        assert_eq!(names.len(), 16);
        assert!(!names.contains(&"arc-postgresql-agent") && names.contains(&"arc-controller"));
        let error = select(&settings, &WhatArgs { images: vec!["arc-sb-plugin".into()], ..without });
        let error = format!("{:?}", error.unwrap_err());
        assert!(error.contains("its group test-harness is left out"), "{error}");
    }
}
