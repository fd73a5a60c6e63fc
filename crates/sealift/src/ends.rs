//! Both ends of a transfer, as reports and hints name them.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use sealift_mirror::ImageRequest;
use sealift_oci::{Registry, RepositoryName};
use sealift_store::{Error, ErrorKind, Side};

use crate::errors::{Advice, CommandError, is_about_credentials};
use crate::identity::Identities;
use crate::settings::PlaceSettings;

/// How many registries a message names; a list can have many.
const NAMED_REGISTRIES: usize = 3;

/// Both ends of a transfer.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    /// Where from.
    pub(crate) source: SourceEnd,
    /// What the repositories there are called.
    pub(crate) names: SourceNames,
    /// Where to.
    pub(crate) target: TargetEnd,
}

/// Where images go.
#[derive(Clone, Debug)]
pub(crate) enum TargetEnd {
    /// One repository, and the images below it.
    Place(PlaceSettings),
    /// A bundle, by its path.
    Bundle(String),
    /// The directory of a registry.
    Directory(String),
}

/// Where images come from.
#[derive(Clone, Debug)]
pub(crate) enum SourceEnd {
    /// One repository, with the images below it.
    Place(PlaceSettings),
    /// The registries that a list of images names, and who asks at each.
    List(BTreeMap<Registry, Identities>),
    /// The registries that a repair request names, and who asks at each.
    Repair(BTreeMap<Registry, Identities>),
    /// A bundle, by its path.
    Bundle(String),
}

/// What people call the repositories of the source: each alias stands for one of some registry, and what is
/// no alias is called by its own name.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceNames(pub(crate) Arc<BTreeMap<RepositoryName, (Registry, RepositoryName)>>);

impl SourceNames {
    /// Writes where an image comes from.
    pub(crate) fn of(&self, image: &ImageRequest) -> String {
        let name = image.source_name();
        let rest = name.strip_prefix(image.source.as_str());
        match (self.0.get(&image.source), rest) {
            (Some((registry, repository)), Some(rest)) => format!("{registry}/{repository}{rest}"),
            _ => name,
        }
    }

    /// Writes an error of the source's, and what it comes from, with the names that its repositories have there.
    pub(crate) fn plain(&self, error: &Error, text: String) -> String {
        if error.side() == Some(Side::Target) {
            return text;
        }
        // The longer alias first: another may begin in the same way.
        let replaced = |text: String, (alias, (_, repository)): (&RepositoryName, &(_, RepositoryName))| {
            text.replace(alias.as_str(), repository.as_str())
        };
        self.0.iter().rev().fold(text, replaced)
    }

    /// Tells which registry serves each alias.
    pub(crate) fn places(&self) -> BTreeMap<RepositoryName, String> {
        self.0.iter().map(|(alias, (registry, _))| (alias.clone(), registry.to_string())).collect()
    }
}

impl Ends {
    /// Says what an error means for the user; where credentials are at fault, also where they came from.
    pub(crate) fn advice(&self, error: &Error) -> Advice {
        match (&self.source, error.side()) {
            (_, Some(Side::Target)) if is_too_large(error) => Advice {
                hint: "The file system there takes no larger file: pack into volumes, `--volume-size fat32`."
                    .to_owned(),
                ..Advice::of(error)
            },
            (_, Some(Side::Target)) => {
                self.target.place().map_or_else(|| Advice::of(error), |it| it.advice(error))
            }
            (SourceEnd::Place(place), _) => place.advice(error),
            (SourceEnd::List(registries), _) => advice_on_list(registries, error),
            (SourceEnd::Repair(registries), _) => advice_on_repair(registries, error),
            (SourceEnd::Bundle(_), _) => advice_on_bundle(error),
        }
    }

    /// Ends a command for an error of one of the ends.
    pub(crate) fn refusal(&self, error: Error) -> CommandError {
        let advice = self.advice(&error);
        CommandError::Place(error, advice)
    }
}

/// Tells whether a file grew larger than its file system takes.
fn is_too_large(error: &Error) -> bool {
    let mut causes = std::iter::successors(std::error::Error::source(error), |it| it.source());
    causes.any(|it| it.downcast_ref::<io::Error>().is_some_and(|it| it.kind() == io::ErrorKind::FileTooLarge))
}

fn advice_on_bundle(error: &Error) -> Advice {
    let mut advice = Advice::of(error);
    match error.kind() {
        ErrorKind::NotFound => {
            advice.hint = "Load the bundle that this one builds on first, or both together: `sealift load` takes several.".to_owned();
        }
        ErrorKind::Mismatch | ErrorKind::Invalid | ErrorKind::Io => {
            advice.hint = "Copy the volume again from where it came; `sealift verify BUNDLE` finds everything that is wrong.".to_owned();
        }
        ErrorKind::Unsupported => advice.hint = "Update sealift on this side.".to_owned(),
        _ => {}
    }
    advice
}

/// Says what an error of one of the registries of a list means.
pub(crate) fn advice_on_list(registries: &BTreeMap<Registry, Identities>, error: &Error) -> Advice {
    let place = error.place().unwrap_or_default();
    let registry = registries.iter().find(|(registry, _)| registry.as_str() == place);
    let mut advice = match registry {
        Some((registry, identities)) => advice(error, identities.note(registry)),
        None => Advice::of(error),
    };
    if error.kind() == ErrorKind::NotFound {
        advice.hint = format!("Check its name: {place} lacks it, or hides it from who asks.");
    }
    advice
}

fn advice_on_repair(registries: &BTreeMap<Registry, Identities>, error: &Error) -> Advice {
    let mut advice = advice_on_list(registries, error);
    match error.kind() {
        ErrorKind::NotFound => {
            let place = error.place().unwrap_or_default();
            advice.hint = format!(
                "{place} lacks it, or hides it from who asks. What is not at the source any more cannot be repaired: pack the whole release without --since."
            );
        }
        ErrorKind::Mismatch => {
            advice.hint.push_str(" The request may be wrong, too: the same `sealift load` writes it anew.");
        }
        _ => {}
    }
    advice
}

/// Says what an error of one registry means; `note` is what to know of the credentials.
fn advice(error: &Error, note: Option<String>) -> Advice {
    let mut advice = Advice::of(error);
    if let (true, Some(note)) = (is_about_credentials(error), note) {
        advice.hint = format!("{note} {}", advice.hint);
    }
    advice
}

impl PlaceSettings {
    /// Says what an error of this place means for the user.
    pub(crate) fn advice(&self, error: &Error) -> Advice {
        advice(error, self.identity.note(&self.registry))
    }

    /// Ends a command for an error of this place.
    pub(crate) fn refusal(&self, error: Error) -> CommandError {
        let advice = self.advice(&error);
        CommandError::Place(error, advice)
    }
}

impl TargetEnd {
    /// Returns the place in a registry, if it is one.
    pub(crate) fn place(&self) -> Option<&PlaceSettings> {
        match self {
            Self::Place(place) => Some(place),
            Self::Bundle(_) | Self::Directory(_) => None,
        }
    }

    /// Names the registry, the bundle or the directory.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Place(place) => place.registry.as_str(),
            Self::Bundle(path) | Self::Directory(path) => path,
        }
    }
}

impl fmt::Display for TargetEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(place) => write!(f, "{}/{}", place.registry, place.repository),
            Self::Bundle(path) => write!(f, "the bundle {path}"),
            Self::Directory(path) => write!(f, "the directory {path}"),
        }
    }
}

impl SourceEnd {
    /// Returns the registry where there is just one.
    pub(crate) fn only_registry(&self) -> Option<&Registry> {
        match self {
            Self::Place(place) => Some(&place.registry),
            Self::List(registries) | Self::Repair(registries) if registries.len() == 1 => {
                registries.keys().next()
            }
            Self::List(_) | Self::Repair(_) | Self::Bundle(_) => None,
        }
    }

    /// Names the registries: `docker.io, quay.io`.
    pub(crate) fn registries(&self) -> String {
        let all: Vec<&str> = match self {
            Self::Place(place) => vec![place.registry.as_str()],
            Self::List(registries) | Self::Repair(registries) => {
                registries.keys().map(Registry::as_str).collect()
            }
            Self::Bundle(path) => vec![path],
        };
        match all.split_at_checked(NAMED_REGISTRIES) {
            Some((named, more)) if !more.is_empty() => {
                format!("{} and {} more", named.join(", "), more.len())
            }
            _ => all.join(", "),
        }
    }
}

impl fmt::Display for SourceEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(place) => write!(f, "{}/{}", place.registry, place.repository),
            Self::List(_) | Self::Repair(_) | Self::Bundle(_) => f.write_str(&self.registries()),
        }
    }
}
