//! From the products of a profile to a list of images.

use std::collections::BTreeMap;
use std::fmt;

use sealift_oci::{NameError, Reference, Registry, RepositoryName, Tag};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Product, Profile, rewritten};
use crate::yaml::Node;
use crate::{ImageList, Listed};

/// A repository with its registry. Short names mean what they mean to Docker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The registry.
    pub registry: Registry,
    /// The repository there.
    pub repository: RepositoryName,
}

/// An image by its tag or digest, and the line it stands on; two are equal whose names are.
#[derive(Clone, Debug)]
pub struct Name {
    /// The image.
    pub reference: Reference,
    line: usize,
}

/// Why no list can be made of a profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// The rules take no tag of a repository.
    #[error("{repository}: none of its {listed} tags is taken by the rules of the profile")]
    NoTag {
        /// The repository.
        repository: String,
        /// How many tags it has.
        listed: usize,
    },
    /// What is left out is everything.
    #[error("the profile leaves out every image")]
    NothingLeft,
    /// A rewrite makes no name.
    #[error("{name}: the rewrite rules make `{rewritten}` of it, which is no repository name: {fault}")]
    Rewritten {
        /// The repository.
        name: String,
        /// What became of it.
        rewritten: String,
        /// What is wrong with that.
        fault: NameError,
    },
}

impl Profile {
    /// Lists the repositories whose tags must be known, each once.
    #[must_use]
    pub fn open_repositories(&self) -> Vec<&Source> {
        let mut sources: Vec<&Source> =
            self.products.iter().filter_map(|it| it.repository.as_ref()).collect();
        sources.sort();
        sources.dedup();
        sources
    }

    /// Makes the list of images, by the tags that each repository has. Where those are not known yet, the list has what
    /// needs none.
    ///
    /// # Errors
    /// When rules take nothing, or make what is no name.
    pub fn image_list(&self, tags: &BTreeMap<Source, Vec<Tag>>) -> Result<ImageList, ExpandError> {
        let mut listed = Vec::new();
        for product in &self.products {
            product.add(&mut listed, tags)?;
        }
        self.place(ImageList::of(listed))
    }

    /// Leaves out what the profile leaves out, and says where the rest goes by its rewrite rules. An image that has a
    /// path of its own keeps it.
    ///
    /// # Errors
    /// When nothing is left, or a rule makes what is no name.
    pub fn place(&self, list: ImageList) -> Result<ImageList, ExpandError> {
        let was_empty = list.is_empty();
        let kept = list.images().iter().filter(|listed| !self.leaves_out(&listed.reference));
        let placed = kept.map(|listed| self.placed(listed)).collect::<Result<Vec<_>, _>>()?;
        match placed.is_empty() && !was_empty {
            true => Err(ExpandError::NothingLeft),
            false => Ok(ImageList::of(placed)),
        }
    }

    fn leaves_out(&self, reference: &Reference) -> bool {
        let repository = format!("{}/{}", reference.registry, reference.repository);
        let image = reference.tag.as_ref().map(|tag| format!("{repository}:{tag}"));
        self.leave_out
            .iter()
            .any(|it| it.takes(&repository) || image.as_ref().is_some_and(|image| it.takes(image)))
    }

    fn placed(&self, listed: &Listed) -> Result<Listed, ExpandError> {
        let Reference { registry, repository, .. } = &listed.reference;
        let name = format!("{registry}/{repository}");
        match rewritten(&self.rewrite, &name).filter(|_| listed.path.is_none()) {
            None => Ok(listed.clone()),
            Some(rewritten) => match rewritten.parse() {
                Ok(path) => Ok(Listed { path: Some(path), ..listed.clone() }),
                Err(fault) => Err(ExpandError::Rewritten { name, rewritten, fault }),
            },
        }
    }
}

impl Product {
    fn add(&self, list: &mut Vec<Listed>, tags: &BTreeMap<Source, Vec<Tag>>) -> Result<(), ExpandError> {
        let listed = |line, reference| Listed { line, reference, path: self.target.clone() };
        list.extend(self.images.iter().map(|name| listed(name.line, name.reference.clone())));
        let known = self.repository.as_ref().and_then(|source| Some((source, tags.get(source)?)));
        let (Some((source, known)), Some(rules)) = (known, &self.tags) else { return Ok(()) };
        let taken = rules.take(known);
        if taken.is_empty() {
            return Err(ExpandError::NoTag { repository: source.to_string(), listed: known.len() });
        }
        list.extend(taken.into_iter().map(|tag| listed(0, source.at(tag))));
        Ok(())
    }
}

impl Source {
    /// Reads `REGISTRY/PATH`, or a short name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // Any tag will do: with one of its own the name is none.
        let Reference { registry, repository, digest: None, .. } =
            Reference::parse_familiar(&format!("{text}:latest")).ok()?
        else {
            return None;
        };
        Some(Self { registry, repository })
    }

    fn at(&self, tag: Tag) -> Reference {
        let Self { registry, repository } = self.clone();
        Reference { registry, repository, tag: Some(tag), digest: None }
    }
}

/// Says that a text is no repository with its registry.
pub(super) fn no_source(text: &str) -> String {
    format!("`{}` is no repository; it reads REGISTRY/PATH, without a tag", crate::image_list::shown(text))
}

impl Name {
    /// Takes an image that stands on that line.
    #[must_use]
    pub fn new(reference: Reference, line: usize) -> Self {
        Self { reference, line }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(no_source(&text)))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.reference == other.reference
    }
}

impl Eq for Name {}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.reference)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let node = Node::deserialize(deserializer)?;
        let Some(text) = node.text() else {
            return Err(D::Error::custom("an image is a text such as quay.io/org/app:1.2"));
        };
        let reference = Reference::parse_familiar(text).map_err(|fault| {
            D::Error::custom(format_args!("`{}`: {fault}", crate::image_list::shown(text)))
        })?;
        Ok(Self { reference, line: usize::try_from(node.line).unwrap_or_default() })
    }
}
