//! A user's own list of images, of any product: reading it, and where its images come from and go to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use sealift_catalog::{ImageList, Mapped, SIZE_LIMIT, TagRule};
use sealift_mirror::{Group, ImageRequest, Selection};
use sealift_oci::{ManifestRef, Reference, Registry, RepositoryName};
use sealift_registry::client::Credentials;
use sealift_store::{Connections, Side, Store, Switchboard, alias_of};

use crate::ends::SourceNames;
use crate::environment::Environment;
use crate::errors::CommandError;
use crate::identity::{Identities, Identity, Lookup};
use crate::output::units::count;
use crate::places::Connection;

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
pub(crate) fn map(list: &ImageList, prefix: Option<&RepositoryName>, rule: &TagRule) -> Result<Vec<Mapped>> {
    list.map(prefix, rule).map_err(|errors| {
        CommandError::usage(
            together("not every image of the list can be put where it belongs", &errors),
            "Bring them in two runs, each with its own --target-repository. Nothing was done.",
        )
    })
}

/// Returns the registries of a list, and the repositories in each.
fn registries(list: &ImageList) -> BTreeMap<&Registry, BTreeSet<RepositoryName>> {
    let mut registries: BTreeMap<&Registry, BTreeSet<RepositoryName>> = BTreeMap::new();
    for Reference { registry, repository, .. } in list.images().iter().map(|it| &it.reference) {
        registries.entry(registry).or_default().insert(repository.clone());
    }
    registries
}

/// Finds out who asks for each repository of a list. Who was typed is meant for one registry.
pub(crate) async fn identities(
    lookup: &Lookup<'_>,
    list: &ImageList,
    typed: &Identity,
) -> Result<BTreeMap<Registry, Identities>> {
    let registries = registries(list);
    if registries.len() > 1 && matches!(typed.credentials, Credentials::Basic { .. }) {
        let names: Vec<&str> = registries.keys().map(|registry| registry.as_str()).collect();
        return Err(CommandError::usage(
            format_args!("a source user is given, and the list has several registries: {}", names.join(", ")),
            "`sealift login` keeps credentials for each of them.",
        ));
    }
    let mut identities = BTreeMap::new();
    for (registry, repositories) in registries {
        let found = lookup.fill_in_parts(typed, registry, &repositories).await?;
        identities.insert(registry.clone(), found);
    }
    Ok(identities)
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

/// Opens the registries of a list as one place.
pub(crate) fn connect(
    mapped: &[Mapped],
    registries: &BTreeMap<Registry, Identities>,
    connection: &Connection,
) -> Result<(Arc<dyn Store>, SourceNames)> {
    let mut clients = Clients { connection, opened: BTreeMap::new() };
    let (mut connections, mut names) = (Connections::new(), BTreeMap::new());
    for Reference { registry, repository, .. } in mapped.iter().map(|it| &it.reference) {
        let identity = registries.get(registry).and_then(|identities| identities.get(repository));
        let Some(identity) = identity else { continue };
        let store = clients.open(registry, &identity.credentials)?;
        let alias = alias_of(registry, repository);
        names.insert(alias.clone(), (registry.clone(), repository.clone()));
        connections.insert(alias, (store, repository.clone()));
    }
    Ok((Arc::new(Switchboard::new(connections)), SourceNames(Arc::new(names))))
}

/// Who asks, and the client that does.
type Opened = (Credentials, Arc<dyn Store>);

/// The clients of a list: in each registry one for everybody who asks there.
struct Clients<'a> {
    connection: &'a Connection,
    opened: BTreeMap<Registry, Vec<Opened>>,
}

impl Clients<'_> {
    fn open(&mut self, registry: &Registry, credentials: &Credentials) -> Result<Arc<dyn Store>> {
        let opened = self.opened.entry(registry.clone()).or_default();
        if let Some((_, store)) = opened.iter().find(|(it, _)| it == credentials) {
            return Ok(Arc::clone(store));
        }
        let client = self.connection.client(registry, credentials.clone(), Some(Side::Source))?;
        let store: Arc<dyn Store> = Arc::new(client);
        opened.push((credentials.clone(), Arc::clone(&store)));
        Ok(store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> ImageList {
        ImageList::parse(text).unwrap()
    }

    #[test]
    fn repositories_are_gathered_by_registry() {
        let list = list("quay.io/org/app:1\nquay.io/org/app:2\nquay.io/org/deep/er:2\nnginx:1");
        let found: Vec<String> = registries(&list)
            .iter()
            .map(|(it, names)| {
                format!("{it} {}", names.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(" "))
            })
            .collect();
        assert_eq!(found, ["docker.io library/nginx", "quay.io org/app org/deep/er"]);
    }

    #[test]
    fn there_is_one_client_for_each_who_asks() {
        let (registry, connection) = ("reg.lan".parse().unwrap(), Connection::default());
        let mut clients = Clients { connection: &connection, opened: BTreeMap::new() };
        let mut open = |username: &str| {
            let password = sealift_registry::client::Secret::new("x");
            let credentials = Credentials::Basic { username: username.to_owned(), password };
            clients.open(&registry, &credentials).unwrap()
        };
        let (one, other) = (open("a"), open("b"));
        assert!(Arc::ptr_eq(&one, &open("a")) && !Arc::ptr_eq(&one, &other));
    }

    #[test]
    fn names_are_short_and_differ() {
        let digest = sealift_oci::Digest::sha256(b"x");
        let list = list(&format!("nginx:1\nnginx@{digest}\nquay.io:443/a/b:2@{digest}"));
        let mapped = list.map(Some(&"site".parse().unwrap()), &TagRule::default()).unwrap();
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
