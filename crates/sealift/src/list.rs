//! A user's own list of images, of any product, or the products of a profile: reading them, and where their images come
//! from and go to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use sealift_catalog::profile::{ExpandError, Faults, Kind, Profile, Source};
use sealift_catalog::{ImageList, Mapped, SIZE_LIMIT, TagRule, profile};
use sealift_mirror::{Group, ImageRequest, Selection};
use sealift_oci::{ManifestRef, Reference, Registry, RepositoryName, Tag};
use sealift_registry::client::Credentials;
use sealift_store::{Connections, Side, Store, Switchboard, alias_of};

use crate::ends::{SourceNames, advice_on_list};
use crate::environment::Environment;
use crate::errors::CommandError;
use crate::identity::{Identities, Identity, KnownFrom, Lookup};
use crate::output::units::count;
use crate::places::{Connection, all_tags};

type Result<T> = std::result::Result<T, CommandError>;

/// How many mistakes are told at once: no list has so many, but a file that is none can.
const TOLD_LIMIT: usize = 100;
const STDIN: &str = "-";

/// How many repositories are asked for their tags at the same time.
const CONCURRENCY: usize = 8;

/// Reads a list; `-` is standard input.
pub(crate) fn read(path: &Path, environment: &mut Environment) -> Result<ImageList> {
    let refuse = |reason: &dyn Display, hint: &str| {
        CommandError::usage(format_args!("--images-file {}: {reason}", path.display()), hint)
    };
    const HINT: &str = "Name a text file with one reference on each line, such as quay.io/org/app:1.2.";
    let text = text(path, environment).map_err(|reason| refuse(&reason, HINT))?;
    let list = ImageList::parse(&text).map_err(|errors| match Kind::of(&text) {
        Kind::List | Kind::Profile if !text.contains(profile::NAME) => {
            let what = format!("{} cannot be read", count(errors.len(), "line"));
            refuse(&together(&what, &errors), "Put these lines right, or behind a #. Nothing was done.")
        }
        kind => refuse(&format_args!("it is {kind}"), "--profile reads it."),
    })?;
    if list.is_empty() { Err(refuse(&"it lists no image", HINT)) } else { Ok(list) }
}

/// Reads a profile, or a file of another tool that can be one; `-` is standard input.
pub(crate) fn read_profile(flag: &str, path: &Path, environment: &mut Environment) -> Result<profile::Read> {
    let refuse = |reason: &dyn Display, hint: &str| {
        CommandError::usage(format_args!("{flag} {}: {reason}", path.display()), hint)
    };
    let text = text(path, environment).map_err(|reason| {
        refuse(&reason, "Name a profile, the YAML of skopeo sync or of regsync, or a list of images.")
    })?;
    profile::read(&text).map_err(|Faults(faults)| {
        let what = format!("{} in it", count(faults.len(), "mistake"));
        refuse(&together(&what, &faults), "docs/PROFILE.md explains each key. Nothing was done.")
    })
}

/// Reads a text; `-` is standard input. The error says what is wrong with the file.
pub(crate) fn text(path: &Path, environment: &mut Environment) -> std::result::Result<String, String> {
    let is_stdin = path == Path::new(STDIN);
    if is_stdin && environment.stdin_is_terminal {
        return Err("it reads from a pipe, and standard input is a terminal".to_owned());
    }
    let content = if is_stdin { bounded(&mut environment.stdin) } else { File::open(path).and_then(bounded) };
    let content = content.map_err(|error| error.to_string())?;
    if content.len() > SIZE_LIMIT {
        return Err(format!("it has more than {SIZE_LIMIT} bytes"));
    }
    String::from_utf8(content).map_err(|_| "it is no text in UTF-8".to_owned())
}

/// One byte more than is allowed is enough to know.
fn bounded(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    reader.take(SIZE_LIMIT as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// Writes what is wrong, and everything that it is wrong with.
pub(crate) fn together(what: &str, errors: &[impl Display]) -> String {
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

/// What is taken, beside releases.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// The images of a list.
    List(ImageList),
    /// The products of the profile, of which some may have rules about tags.
    Products,
}

/// The registries that are asked, and the repositories in each.
type Repositories<'a> = BTreeMap<&'a Registry, BTreeSet<RepositoryName>>;

impl Wanted {
    /// Returns the registries, and the repositories in each.
    pub(crate) fn repositories<'a>(&'a self, profile: &'a Profile) -> Repositories<'a> {
        let of_image = |it: &'a Reference| (&it.registry, &it.repository);
        match self {
            Self::List(list) => gathered(list.images().iter().map(|it| of_image(&it.reference))),
            Self::Products => {
                let images = profile.products.iter().flat_map(|product| &product.images);
                let open = profile.open_repositories().into_iter();
                let open = open.map(|Source { registry, repository }| (registry, repository));
                gathered(images.map(|it| of_image(&it.reference)).chain(open))
            }
        }
    }

    /// Makes the list of images, by the rules of the profile. Where they are about tags, those are listed.
    pub(crate) async fn images(&self, profile: &Profile, clients: &mut Clients<'_>) -> Result<ImageList> {
        let tags = match self {
            Self::List(_) => BTreeMap::new(),
            Self::Products => clients.tags(&profile.open_repositories()).await?,
        };
        self.images_of(profile, &tags)
    }

    /// Makes it where the tags of the repositories that have rules are known.
    pub(crate) fn images_of(
        &self,
        profile: &Profile,
        tags: &BTreeMap<Source, Vec<Tag>>,
    ) -> Result<ImageList> {
        let made = match self {
            Self::List(list) => profile.place(list.clone()),
            Self::Products => profile.image_list(tags),
        };
        made.map_err(|error| match error {
            ExpandError::NoTag { .. } => CommandError::Missing {
                message: error.to_string(),
                hint: "Check these rules, and the tags that are there. Nothing was done.".to_owned(),
            },
            _ => CommandError::usage(error, "Change leave-out or rewrite in the profile. Nothing was done."),
        })
    }
}

fn gathered<'a>(pairs: impl Iterator<Item = (&'a Registry, &'a RepositoryName)>) -> Repositories<'a> {
    let mut registries = Repositories::new();
    for (registry, repository) in pairs {
        registries.entry(registry).or_default().insert(repository.clone());
    }
    registries
}

/// Finds out who asks for each repository. Who was typed is meant for one registry.
pub(crate) async fn identities(
    lookup: &Lookup<'_>,
    registries: Repositories<'_>,
    typed: &Identity,
) -> Result<BTreeMap<Registry, Identities>> {
    let is_somebody = matches!(typed.credentials, Credentials::Basic { .. })
        || matches!(typed.known_from, KnownFrom::Named(_));
    if registries.len() > 1 && is_somebody {
        let names: Vec<&str> = registries.keys().map(|registry| registry.as_str()).collect();
        return Err(CommandError::usage(
            format_args!(
                "a source user is given, and the images are of several registries: {}",
                names.join(", ")
            ),
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
pub(crate) fn connect(mapped: &[Mapped], clients: &mut Clients<'_>) -> Result<(Arc<dyn Store>, SourceNames)> {
    let (mut connections, mut names) = (Connections::new(), BTreeMap::new());
    for Reference { registry, repository, .. } in mapped.iter().map(|it| &it.reference) {
        let Some(store) = clients.of(registry, repository)? else { continue };
        let alias = alias_of(registry, repository);
        names.insert(alias.clone(), (registry.clone(), repository.clone()));
        connections.insert(alias, (store, repository.clone()));
    }
    Ok((Arc::new(Switchboard::new(connections)), SourceNames(Arc::new(names))))
}

/// Who asks, and the client that does.
type Opened = (Credentials, Arc<dyn Store>);

/// The clients of a list: in each registry one for everybody who asks there.
pub(crate) struct Clients<'a> {
    connection: &'a Connection,
    registries: &'a BTreeMap<Registry, Identities>,
    opened: BTreeMap<Registry, Vec<Opened>>,
}

impl<'a> Clients<'a> {
    /// Opens none yet.
    pub(crate) fn new(connection: &'a Connection, registries: &'a BTreeMap<Registry, Identities>) -> Self {
        Self { connection, registries, opened: BTreeMap::new() }
    }

    /// Returns the client for a repository, if it is one of those that somebody is known for.
    fn of(&mut self, registry: &Registry, repository: &RepositoryName) -> Result<Option<Arc<dyn Store>>> {
        let registries = self.registries;
        let identity = registries.get(registry).and_then(|identities| identities.get(repository));
        identity.map(|identity| self.open(registry, &identity.credentials)).transpose()
    }

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

    /// Lists the tags of each of these repositories.
    async fn tags(&mut self, sources: &[&Source]) -> Result<BTreeMap<Source, Vec<Tag>>> {
        let mut open = Vec::new();
        for source in sources {
            let store = self.of(&source.registry, &source.repository)?;
            open.extend(store.map(|store| ((*source).clone(), store)));
        }
        let asked = stream::iter(open).map(|(source, store)| async move {
            let tags = all_tags(store.as_ref(), &source.repository).await;
            (source, tags)
        });
        let asked: Vec<(Source, sealift_store::Result<Vec<Tag>>)> =
            asked.buffered(CONCURRENCY).collect().await;
        let refusal = |error: sealift_store::Error| {
            let advice = advice_on_list(self.registries, &error);
            CommandError::Place(error, advice)
        };
        asked.into_iter().map(|(source, tags)| Ok((source, tags.map_err(refusal)?))).collect()
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
        let found: Vec<String> = Wanted::List(list)
            .repositories(&Profile::default())
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
        let registries = BTreeMap::new();
        let mut clients = Clients::new(&connection, &registries);
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
