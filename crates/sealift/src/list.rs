//! A user's own list of images, of any product: reading it, and where its images come from and go to.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use sealift_catalog::{ImageList, Mapped, SIZE_LIMIT};
use sealift_mirror::{Group, ImageRequest, Selection};
use sealift_oci::{ManifestRef, Reference, Registry, RepositoryName, Tag};
use sealift_store::{Connections, Side, Store, Switchboard, alias_of};

use crate::ends::SourceNames;
use crate::environment::Environment;
use crate::errors::CommandError;
use crate::identity::Identity;
use crate::output::units::count;
use crate::places::Connection;
use crate::settings::PlaceSettings;

type Result<T> = std::result::Result<T, CommandError>;

/// How many mistakes are told at once: no list has so many, but a file that is none can.
const TOLD_LIMIT: usize = 100;
const STDIN: &str = "-";

/// Reads a list; `-` is standard input.
pub(crate) fn read(path: &Path, environment: &mut Environment) -> Result<ImageList> {
    let refuse = |reason: &dyn Display, hint: &str| {
        CommandError::usage(format_args!("--images-file {}: {reason}", path.display()), hint)
    };
    const HINT: &str = "Name a text file with one reference on each line, such as quay.io/org/app:1.2.";
    let is_stdin = path == Path::new(STDIN);
    if is_stdin && environment.stdin_is_terminal {
        return Err(refuse(&"it reads from a pipe, and standard input is a terminal", HINT));
    }
    let content = if is_stdin { bounded(&mut environment.stdin) } else { File::open(path).and_then(bounded) };
    let content = content.map_err(|error| refuse(&error, HINT))?;
    let text = String::from_utf8(content).map_err(|_| refuse(&"it is no text in UTF-8", HINT))?;
    let list = ImageList::parse(&text).map_err(|errors| {
        let what = format!("{} cannot be read", count(errors.len(), "line"));
        refuse(&together(&what, &errors), "Put these lines right, or behind a #. Nothing was done.")
    })?;
    if list.is_empty() { Err(refuse(&"it lists no image", HINT)) } else { Ok(list) }
}

/// One byte more than is allowed is enough to know.
fn bounded(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    reader.take(SIZE_LIMIT as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// Writes what is wrong, and everything that it is wrong with.
fn together(what: &str, errors: &[impl Display]) -> String {
    let mut text = what.to_owned();
    for error in errors.iter().take(TOLD_LIMIT) {
        text.push_str(&format!("\n  {error}"));
    }
    if errors.len() > TOLD_LIMIT {
        text.push_str(&format!("\n  and {} more", errors.len() - TOLD_LIMIT));
    }
    text
}

/// Says where every image goes.
pub(crate) fn map(list: &ImageList, target: &PlaceSettings, tag: Option<&Tag>) -> Result<Vec<Mapped>> {
    list.map(&target.repository, tag).map_err(|errors| {
        CommandError::usage(
            together("not every image of the list can be put where it belongs", &errors),
            "Bring them in two runs, each with its own --target-repository. Nothing was done.",
        )
    })
}

/// Returns the registries of a list, and in each the path that all its repositories have in common.
pub(crate) fn registries(list: &ImageList) -> BTreeMap<Registry, Option<RepositoryName>> {
    let mut paths: BTreeMap<Registry, Vec<&str>> = BTreeMap::new();
    for Reference { registry, repository, .. } in list.images().iter().map(|it| &it.reference) {
        let path: Vec<&str> = repository.as_str().split('/').collect();
        let common = paths.entry(registry.clone()).or_insert_with(|| path.clone());
        let length = common.iter().zip(&path).take_while(|(left, right)| left == right).count();
        common.truncate(length);
    }
    paths.into_iter().map(|(registry, path)| (registry, path.join("/").parse().ok())).collect()
}

/// Selects every image of a list. They belong to nothing together, so none waits for another.
pub(crate) fn select(mapped: &[Mapped]) -> Selection {
    let images = mapped.iter().filter_map(|it| {
        let reference = it.reference.manifest_ref()?;
        Some(ImageRequest {
            name: short_name(&it.reference, &reference),
            source: alias_of(&it.reference.registry, &it.reference.repository),
            reference,
            target: it.target.clone(),
            tag: it.tag.clone(),
            optional: false,
            gate: false,
        })
    });
    Selection { groups: vec![Group { name: None, images: images.collect() }] }
}

fn short_name(reference: &Reference, asked: &ManifestRef) -> String {
    let Reference { registry, repository, tag, .. } = reference;
    match (tag, asked) {
        (Some(tag), _) | (None, ManifestRef::Tag(tag)) => format!("{registry}/{repository}:{tag}"),
        (None, ManifestRef::Digest(digest)) => format!("{registry}/{repository}@{}", digest.short()),
    }
}

/// Opens the registries of a list as one place, one client for each.
pub(crate) fn connect(
    mapped: &[Mapped],
    registries: &BTreeMap<Registry, Identity>,
    connection: &Connection,
) -> Result<(Arc<dyn Store>, SourceNames)> {
    let mut stores: BTreeMap<&Registry, Arc<dyn Store>> = BTreeMap::new();
    for (registry, identity) in registries {
        let client = connection.client(registry, identity.credentials.clone());
        stores.insert(registry, Arc::new(client.map_err(|error| error.on(Side::Source))?));
    }
    let (mut connections, mut names) = (Connections::new(), BTreeMap::new());
    for Reference { registry, repository, .. } in mapped.iter().map(|it| &it.reference) {
        let Some(store) = stores.get(registry) else { continue };
        let alias = alias_of(registry, repository);
        names.insert(alias.clone(), format!("{registry}/{repository}"));
        connections.insert(alias, (Arc::clone(store), repository.clone()));
    }
    Ok((Arc::new(Switchboard::new(connections)), SourceNames(Arc::new(names))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> ImageList {
        ImageList::parse(text).unwrap()
    }

    #[test]
    fn each_registry_is_asked_as_who_may_read_what_is_wanted_of_it() {
        let list = list("quay.io/org/app:1\nquay.io/org/deep/er:2\nnginx:1\nreg.lan/a:1\nreg.lan/b:1");
        let found = registries(&list);
        let found: Vec<_> =
            found.iter().map(|(it, path)| (it.as_str(), path.as_ref().map(RepositoryName::as_str))).collect();
        assert_eq!(
            found,
            [("docker.io", Some("library/nginx")), ("quay.io", Some("org")), ("reg.lan", None)]
        );
    }

    #[test]
    fn names_are_short_and_differ() {
        let digest = sealift_oci::Digest::sha256(b"x");
        let list = list(&format!("nginx:1\nnginx@{digest}\nquay.io:443/a/b:2@{digest}"));
        let mapped = list.map(&"site".parse().unwrap(), None).unwrap();
        let selection = select(&mapped);
        let names: Vec<&str> = selection.groups[0].images.iter().map(|image| image.name.as_str()).collect();
        let short = format!("docker.io/library/nginx@{}", digest.short());
        assert_eq!(names, ["docker.io/library/nginx:1", &short, "quay.io:443/a/b:2"]);
    }

    #[test]
    fn mistakes_are_told_together_and_bounded() {
        let many: Vec<usize> = (0..=TOLD_LIMIT).collect();
        assert!(together("bad", &many).ends_with("\n  99\n  and 1 more"));
        assert_eq!(together("bad", &many[..2]), "bad\n  0\n  1");
    }
}
