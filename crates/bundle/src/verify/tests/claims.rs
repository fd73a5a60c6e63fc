//! A catalogue of which every byte has its checksum, and that says wrongly what things are.

use super::*;

/// What the lie is about, the lie, and the words that name it.
type Claim = (&'static str, fn(&mut Catalogue), &'static str);

/// Lies about what repositories have.
const REPOSITORIES: [Claim; 5] = [
    (
        "media type",
        |it| {
            let at = repository(it, "one");
            it.repositories[at].manifests[0].media_type =
                "application/vnd.oci.image.index.v1+json".to_owned();
        },
        "is listed as \"application/vnd.oci.image.index.v1+json\", and is an image of the type",
    ),
    (
        "root is a blob",
        |it| {
            let at = repository(it, "one");
            let blob = it.repositories[at].blobs[0];
            it.repositories[at].manifests[0].digest = blob;
            it.images.iter_mut().find(|it| it.name == "one").unwrap().digest = blob;
            it.repositories[at].tags.values_mut().for_each(|tag| *tag = blob);
        },
        "is listed as a manifest and is none",
    ),
    (
        "no blobs",
        |it| {
            let at = repository(it, "two");
            it.repositories[at].blobs.clear();
        },
        "two lacks sha256:",
    ),
    (
        "no child",
        |it| {
            let at = repository(it, "three");
            let root = it.images.iter().find(|it| it.name == "three").unwrap().digest;
            it.repositories[at].manifests.retain(|held| held.digest == root);
        },
        "three lacks sha256:",
    ),
    (
        "no tags",
        |it| {
            let at = repository(it, "one");
            it.repositories[at].tags.clear();
        },
        "one does not have the tag 1 for sha256:",
    ),
];

/// Lies about where things lie.
const PLACES: [Claim; 3] = [
    (
        "nothing lies anywhere",
        |it| it.content.iter_mut().for_each(|it| it.at.clear()),
        "lies nowhere, and the bundle builds on no other",
    ),
    (
        "nothing is carried",
        |it| {
            it.builds_on = vec!["a".repeat(32)];
            it.content.iter_mut().for_each(|it| it.at.clear());
        },
        "lies nowhere, and nothing says who has it",
    ),
    (
        "all is elsewhere",
        |it| {
            it.builds_on = vec!["a".repeat(32)];
            for content in &mut it.content {
                content.at.clear();
                content.held = vec!["one".parse().unwrap()];
            }
        },
        "lies there, and the catalogue says nowhere",
    ),
];

/// Every byte has its checksum and every checksum its file; only what the catalogue says of them is wrong.
#[test]
fn a_catalogue_that_lies_about_what_things_are_is_found() {
    for (name, lie, words) in REPOSITORIES.iter().chain(&PLACES) {
        let world = World::new(Form::Directory, false, false);
        let mut catalogue = world.catalogue.clone();
        lie(&mut catalogue);
        world.replace(&catalogue);
        let findings = world.findings();
        let hit = findings.iter().find(|it| it.what.contains(words));
        let hit = hit.unwrap_or_else(|| panic!("{name}: {findings:?}"));
        if *name != "all is elsewhere" {
            assert_eq!(hit.path, world.path.join("catalogue.json"), "{name}");
            assert!(findings.iter().any(|it| !it.images.is_empty()), "{name}: {findings:?}");
        }
    }
}

fn repository(catalogue: &Catalogue, name: &str) -> usize {
    catalogue.repositories.iter().position(|it| it.name.as_str() == name).unwrap()
}
