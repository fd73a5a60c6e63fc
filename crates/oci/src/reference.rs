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

/// The registry that a name without one means to Docker, and what it has been called.
const HUB: &str = "docker.io";
const OLD_HUB: &str = "index.docker.io";
/// Where the hub keeps images whose name is a single word.
const HUB_LIBRARY: &str = "library";

impl Reference {
    /// Parses what people type for Docker: `nginx:1.25` means `docker.io/library/nginx:1.25`, and `org/app:1`
    /// means `docker.io/org/app:1`. The rules are those of distribution/reference (`normalize.go`), with two
    /// differences. A tag is never made up: who means `latest` says so. And an upper-case first part without
    /// a dot is no host but an error, because hosts are the same in both cases and paths are not.
    ///
    /// # Errors
    /// When a part is malformed, or when neither a tag nor a digest is given.
    pub fn parse_familiar(text: &str) -> Result<Self, ReferenceError> {
        let (name, digest) = split_digest(text)?;
        let (host, path) = match name.split_once('/') {
            Some((host, path)) if is_marked_as_host(host) => (host, path),
            _ => (HUB, name),
        };
        let mut registry: Registry = host.parse()?;
        if registry.as_str() == OLD_HUB {
            registry = HUB.parse()?;
        }
        if registry.as_str() == HUB && !path.contains('/') {
            return Self::from_parts(registry, &format!("{HUB_LIBRARY}/{path}"), digest);
        }
        Self::from_parts(registry, path, digest)
    }

    fn from_parts(registry: Registry, path: &str, digest: Option<Digest>) -> Result<Self, ReferenceError> {
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag.parse()?)),
            None => (path, None),
        };
        if tag.is_none() && digest.is_none() {
            return Err(ReferenceError::NoTag);
        }
        Ok(Self { registry, repository: repository.parse()?, tag, digest })
    }

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
        let (name, digest) = split_digest(text)?;
        let (registry, path) = name.split_once('/').ok_or(ReferenceError::NoRegistry)?;
        let registry: Registry = registry.parse().map_err(|_| ReferenceError::NoRegistry)?;
        if !is_marked_as_host(registry.as_str()) {
            return Err(ReferenceError::NoRegistry);
        }
        Self::from_parts(registry, path, digest)
    }
}

fn split_digest(text: &str) -> Result<(&str, Option<Digest>), ReferenceError> {
    match text.split_once('@') {
        Some((name, digest)) => Ok((name, Some(digest.parse().map_err(|_| ReferenceError::Digest)?))),
        None => Ok((text, None)),
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

    /// The cases of `normalize_test.go` in distribution/reference, with a tag behind each.
    #[test]
    fn familiar_names_mean_what_they_mean_to_docker() {
        let cases = [
            ("ubuntu:1", "docker.io/library/ubuntu:1"),
            ("ubuntu-12.04-base:1", "docker.io/library/ubuntu-12.04-base:1"),
            ("library/ubuntu:1", "docker.io/library/ubuntu:1"),
            ("nonlibrary/ubuntu:1", "docker.io/nonlibrary/ubuntu:1"),
            ("fooo/bar:1", "docker.io/fooo/bar:1"),
            ("other/library:1", "docker.io/other/library:1"),
            ("a/b/c:1", "docker.io/a/b/c:1"),
            ("docker.io/ubuntu:1", "docker.io/library/ubuntu:1"),
            ("docker.io/fooo/bar:1", "docker.io/fooo/bar:1"),
            ("Docker.IO/ubuntu:1", "docker.io/library/ubuntu:1"),
            ("index.docker.io/ubuntu:1", "docker.io/library/ubuntu:1"),
            ("index.docker.io/public/moonbase:1", "docker.io/public/moonbase:1"),
            ("registry-1.docker.io/ubuntu:1", "registry-1.docker.io/ubuntu:1"),
            ("docker.io:443/ubuntu:1", "docker.io:443/ubuntu:1"),
            ("localhost/ubuntu:1", "localhost/ubuntu:1"),
            ("localhost:5000/a/b:1", "localhost:5000/a/b:1"),
            ("host:5000/ubuntu:1", "host:5000/ubuntu:1"),
            ("host:5000", "docker.io/library/host:5000"),
            ("localhost:1", "docker.io/library/localhost:1"),
            ("127.0.0.1:8000/private/moonbase:1", "127.0.0.1:8000/private/moonbase:1"),
            ("[::1]:5000/app:1", "[::1]:5000/app:1"),
            ("example.com/privatebase:Tag", "example.com/privatebase:Tag"),
        ];
        for (text, expected) in cases {
            assert_eq!(Reference::parse_familiar(text).unwrap().to_string(), expected, "{text}");
        }
        for (text, expected) in
            [("ubuntu", "docker.io/library/ubuntu"), ("ubuntu:1", "docker.io/library/ubuntu:1")]
        {
            let found = Reference::parse_familiar(&format!("{text}@{DIGEST}")).unwrap();
            assert_eq!(found.to_string(), format!("{expected}@{DIGEST}"));
        }
    }

    #[test]
    fn malformed_familiar_names_are_refused() {
        let name = ReferenceError::Name;
        let cases = [
            ("", ReferenceError::NoTag),
            ("nginx", ReferenceError::NoTag),
            ("localhost", ReferenceError::NoTag),
            ("localhost:5000/nginx", ReferenceError::NoTag),
            (&DIGEST[7..], ReferenceError::NoTag),
            (":1", name(NameError::Repository)),
            ("Nginx:1", name(NameError::Repository)),
            // Docker takes this for the host `Foo`, which here would be the same as `foo`.
            ("Foo/bar:1", name(NameError::Repository)),
            ("docker.io/:1", name(NameError::Repository)),
            ("docker///docker:1", name(NameError::Repository)),
            ("-foo/bar:1", name(NameError::Repository)),
            ("a//b:1", name(NameError::Repository)),
            ("docker.io/docker///docker:1", name(NameError::Repository)),
            ("nginx:", name(NameError::Tag)),
            ("nginx:1:2", name(NameError::Tag)),
            ("nginx:1.25/app:1", name(NameError::Registry)),
            ("-foo.io/bar:1", name(NameError::Registry)),
            ("https://docker.io/nginx:1", name(NameError::Registry)),
            ("nginx@sha256:12", ReferenceError::Digest),
            ("nginx@sha256:12@sha256:12", ReferenceError::Digest),
        ];
        for (text, error) in cases {
            assert_eq!(Reference::parse_familiar(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn familiar_names_are_made_full_once(text in ".{0,60}|[a-z0-9.:]{1,9}(/[a-z0-9]{1,5}){0,3}:[a-z]{1,3}") {
            if let Ok(reference) = Reference::parse_familiar(&text) {
                let full = reference.to_string();
                prop_assert_eq!(full.parse::<Reference>().unwrap(), reference.clone());
                prop_assert_eq!(Reference::parse_familiar(&full).unwrap(), reference);
            }
            // What is full already means the same both ways, but for the hub's single words and old name.
            if let Ok(strict) = text.parse::<Reference>() && !strict.registry.as_str().ends_with("docker.io") {
                prop_assert_eq!(Reference::parse_familiar(&text).unwrap(), strict);
            }
        }

        #[test]
        fn parsing_never_panics(text in ".{0,60}|[a-z0-9.]{1,9}/[a-z0-9/:@.]{0,50}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference);
            }
        }
    }
}
