//! References: what a person writes to name one image.

use std::fmt;
use std::str::FromStr;

use crate::{Digest, NameError, Registry, RepositoryName, Tag};

/// What names a manifest within a repository: a tag, or a digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ManifestRef {
    /// A tag, which may move.
    Tag(Tag),
    /// A digest, which says exactly what is meant.
    Digest(Digest),
}

impl fmt::Display for ManifestRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl From<Tag> for ManifestRef {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<Digest> for ManifestRef {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

impl FromStr for ManifestRef {
    type Err = ReferenceError;

    /// Parses the last part of a manifest's path: a digest has a colon, a tag never has.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.contains(':') {
            text.parse().map(Self::Digest).map_err(|_| ReferenceError::Digest)
        } else {
            text.parse().map(Self::Tag).map_err(ReferenceError::Name)
        }
    }
}

/// A full reference: `registry/repository[:tag][@digest]`. The registry is always written out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// The registry.
    pub registry: Registry,
    /// The repository in it.
    pub repository: RepositoryName,
    /// The tag, where one is given.
    pub tag: Option<Tag>,
    /// The digest, where one is given; it decides what is meant.
    pub digest: Option<Digest>,
}

/// Why a text is not a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// There is no slash, or nothing that can be a registry in front of the first one.
    #[error("a reference begins with the registry: HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]")]
    NoRegistry,
    /// Neither a tag nor a digest is given.
    #[error("a reference ends with a tag (:TAG) or a digest (@sha256:…)")]
    NoTag,
    /// The digest is malformed.
    #[error("the digest is malformed; it reads sha256:<64 hexadecimal digits>")]
    Digest,
    /// One of the names is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl Reference {
    /// Returns what to ask the repository for: the digest where there is one, else the tag.
    #[must_use]
    pub fn manifest_ref(&self) -> Option<ManifestRef> {
        self.digest.map(ManifestRef::Digest).or_else(|| self.tag.clone().map(ManifestRef::Tag))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse().map_err(|_| ReferenceError::Digest)?)),
            None => (text, None),
        };
        let (registry, path) = name.split_once('/').ok_or(ReferenceError::NoRegistry)?;
        let registry: Registry = registry.parse().map_err(|_| ReferenceError::NoRegistry)?;
        if !is_marked_as_host(registry.as_str()) {
            return Err(ReferenceError::NoRegistry);
        }
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag.parse()?)),
            None => (path, None),
        };
        if tag.is_none() && digest.is_none() {
            return Err(ReferenceError::NoTag);
        }
        Ok(Self { registry, repository: repository.parse()?, tag, digest })
    }
}

/// Without a dot, a colon or `localhost` the first part is a path by Docker's rule, and a reference that
/// one tool would look for at docker.io must not mean another registry here.
fn is_marked_as_host(host: &str) -> bool {
    host == "localhost" || host.contains('.') || host.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn full_references_print_back() {
        for text in [
            "mcr.microsoft.com/arcdata/arc-sqlmi:v1.46.0_2026-05-12".to_owned(),
            format!("localhost/a@{DIGEST}"),
            format!("[::1]:5000/a/b:t@{DIGEST}"),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn malformed_references_are_refused() {
        let cases = [
            ("", ReferenceError::NoRegistry),
            ("nginx", ReferenceError::NoRegistry),
            ("library/nginx:1", ReferenceError::NoRegistry),
            ("docker.io/library/nginx", ReferenceError::NoTag),
            ("docker.io/Library/nginx:1", ReferenceError::Name(NameError::Repository)),
            ("docker.io/nginx:", ReferenceError::Name(NameError::Tag)),
            ("docker.io/nginx@sha256:12", ReferenceError::Digest),
            ("https://docker.io/nginx:1", ReferenceError::NoRegistry),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<Reference>(), Err(error), "{text}");
        }
    }

    #[test]
    fn the_digest_decides() {
        let reference: Reference = format!("localhost/a:t@{DIGEST}").parse().unwrap();
        assert_eq!(reference.manifest_ref(), Some(ManifestRef::Digest(DIGEST.parse().unwrap())));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,60}|[a-z0-9.]{1,9}/[a-z0-9/:@.]{0,50}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference);
            }
        }
    }
}
