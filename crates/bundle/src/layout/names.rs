//! What the names in an `index.json` mean, and which names sealift writes. Pure.
//!
//! | name | meaning |
//! |---|---|
//! | `mcr.microsoft.com/arcdata/x:v1` | tag `v1` of the repository `arcdata/x`, which came from `mcr.microsoft.com` |
//! | `arcdata/x:v1`, `x:v1` | tag `v1` of that repository |
//! | `arcdata/x` | an image of that repository without a tag |
//! | `v1` | tag `v1` of the repository that has no name in the layout |
//!
//! The first part is a host by the rule of references: it has a dot or a colon, or is `localhost`.

use std::collections::BTreeMap;

use sealift_oci::{Digest, Reference, Registry, RepositoryName, Tag};
use sealift_store::index_json::{Listed, REF_NAME};

/// Where containerd, Docker and BuildKit write the full reference.
pub(super) const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// Where sealift says the repository when the name does not.
pub(super) const REPOSITORY: &str = "dev.sealift.repository";

/// The longest name that is read, in bytes: a host, a repository, a tag and a SHA-512 digest.
const NAME_LIMIT: usize = 1024;

/// What an entry is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) host: Option<Registry>,
    /// The path at the host.
    pub(super) path: Option<RepositoryName>,
    /// Where it is found, which is the path unless sealift has written something else down.
    pub(super) repository: Option<RepositoryName>,
    pub(super) tag: Option<Tag>,
    /// Whether sealift has written the repository down, so that nothing is to be concluded.
    pub(super) is_certain: bool,
}

/// Which names the entries get that are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutNames {
    /// Full references, `host/path:tag`, for the repositories whose source is given, and
    /// `repository:tag` for the others. Where the path is another than the repository, that is written down beside.
    Full(BTreeMap<RepositoryName, (Registry, RepositoryName)>),
    /// Nothing but the tag for the layout's main repository, and `repository:tag` for others.
    Tags,
}

impl Name {
    /// Reads what an entry is called. A name that is none leaves the manifest to be found by its digest.
    pub(super) fn of(entry: &Listed) -> Self {
        let own = entry.annotation(REF_NAME).and_then(Self::parse).unwrap_or_default();
        let said = entry.annotation(REPOSITORY).and_then(|text| text.parse::<RepositoryName>().ok());
        if let Some(said) = said {
            // What reads as a host and a path may be the repository itself.
            let is_itself = own.full().is_some_and(|full| full == said.as_str());
            let (host, path) = if is_itself { (None, None) } else { (own.host, own.path) };
            let tag = own.tag.or_else(|| entry.annotation(REF_NAME)?.rsplit(':').next()?.parse().ok());
            return Self { host, path, repository: Some(said), tag, is_certain: true };
        }
        if own.repository.is_some() {
            return own;
        }
        match entry.annotation(CONTAINERD_NAME).and_then(Self::parse) {
            Some(full) if full.repository.is_some() => Self { tag: full.tag.or(own.tag), ..full },
            _ => own,
        }
    }

    fn full(&self) -> Option<String> {
        Some(format!("{}/{}", self.host.as_ref()?, self.path.as_ref()?))
    }

    /// Reads a name; `None` where it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > NAME_LIMIT {
            return None;
        }
        let text = match text.split_once('@') {
            Some((name, digest)) => digest.parse::<Digest>().ok().map(|_| name)?,
            None => text,
        };
        if !text.contains(['/', ':']) {
            return Some(Self { tag: Some(text.parse().ok()?), ..Self::default() });
        }
        if let Some(full) = parse_full(text) {
            return Some(full);
        }
        let (path, tag) = split_tag(text);
        let tag = tag.map(str::parse).transpose().ok()?;
        Some(Self { repository: Some(path.parse().ok()?), tag, ..Self::default() })
    }

    /// Names a manifest that is written; `main` is the layout's main repository.
    pub(super) fn write(
        names: &LayoutNames,
        main: &RepositoryName,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> String {
        match names {
            LayoutNames::Tags if repository == main => tag.to_string(),
            LayoutNames::Full(sources) => match sources.get(repository) {
                Some((host, path)) => format!("{host}/{path}:{tag}"),
                None => format!("{repository}:{tag}"),
            },
            LayoutNames::Tags => format!("{repository}:{tag}"),
        }
    }
}

/// A reference needs a tag here only to be parsed.
fn parse_full(text: &str) -> Option<Name> {
    let (name, tag) = split_tag(text);
    let full: Reference = format!("{name}:{}", tag.unwrap_or("none")).parse().ok()?;
    let tag = full.tag.filter(|_| tag.is_some());
    let path = Some(full.repository);
    Some(Name { host: Some(full.registry), path: path.clone(), repository: path, tag, is_certain: false })
}

fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sealift_oci::Descriptor;

    fn show(name: &Name) -> [String; 3] {
        let Name { host, repository, tag, .. } = name;
        [
            host.as_ref().map(ToString::to_string),
            repository.as_ref().map(ToString::to_string),
            tag.as_ref().map(ToString::to_string),
        ]
        .map(Option::unwrap_or_default)
    }

    #[test]
    fn names_of_all_tools_are_read() {
        let digest = Digest::sha256(b"x");
        let pinned = format!("localhost/a@{digest}");
        let both = format!("localhost/a:t@{digest}");
        let cases = [
            ("mcr.microsoft.com/arcdata/x:v1", ["mcr.microsoft.com", "arcdata/x", "v1"]),
            ("localhost:5000/x:v1", ["localhost:5000", "x", "v1"]),
            ("localhost:5000/x", ["localhost:5000", "x", ""]),
            ("docker.io/library/nginx", ["docker.io", "library/nginx", ""]),
            ("arcdata/x:v1", ["", "arcdata/x", "v1"]),
            ("arcdata/x", ["", "arcdata/x", ""]),
            ("x:v1", ["", "x", "v1"]),
            ("latest", ["", "", "latest"]),
            ("v1.46.0_2026-05-12", ["", "", "v1.46.0_2026-05-12"]),
            (&pinned, ["localhost", "a", ""]),
            (&both, ["localhost", "a", "t"]),
        ];
        for (text, expected) in cases {
            assert_eq!(show(&Name::parse(text).unwrap()), expected, "{text}");
        }
        for text in ["", ":", "/", "a:", ":a", "../x:v1", "A/b:v1", "a b", "x@sha256:00", "a//b:c", "/a:b"] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
        assert_eq!(Name::parse(&"a".repeat(5000)), None);
    }

    #[test]
    fn the_fuller_name_counts() {
        let cases = [
            (Some("v1"), Some("docker.io/library/x:v1"), None, ["docker.io", "library/x", "v1"]),
            (Some("v1"), Some("docker.io/library/x"), None, ["docker.io", "library/x", "v1"]),
            (Some("v1"), Some("not a name"), None, ["", "", "v1"]),
            (Some("q.io/a:1"), Some("r.io/b:2"), None, ["q.io", "a", "1"]),
            (None, Some("r.io/b:2"), None, ["r.io", "b", "2"]),
            (None, None, Some("c/d"), ["", "c/d", ""]),
            (Some("a.b/c:1"), None, Some("a.b/c"), ["", "a.b/c", "1"]),
            (Some("q.io/a:1"), None, Some("a"), ["q.io", "a", "1"]),
            (Some("q.io/a:1"), None, Some("../a"), ["q.io", "a", "1"]),
            (Some("q.io/org/a:1"), None, Some("a"), ["q.io", "a", "1"]),
        ];
        for (own, containerd, said, expected) in cases {
            let mut entry = Listed::new(&Descriptor::of("x", b"x"));
            let all = [(REF_NAME, own), (CONTAINERD_NAME, containerd), (REPOSITORY, said)];
            for (name, value) in all {
                if let Some(value) = value {
                    entry.annotate(name, value);
                }
            }
            assert_eq!(show(&Name::of(&entry)), expected, "{own:?} {containerd:?} {said:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC*") {
            Name::parse(&text);
        }

        #[test]
        fn what_is_written_reads_back(
            repository in "[a-z]{1,4}(/[a-z0-9]{1,4}){0,2}", tag in "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,8}", kind in 0..3,
        ) {
            let (repository, tag): (RepositoryName, Tag) = (repository.parse().unwrap(), tag.parse().unwrap());
            let host: Registry = "mcr.microsoft.com".parse().unwrap();
            let (names, host) = match kind {
                0 => (LayoutNames::Full([(repository.clone(), (host.clone(), repository.clone()))].into()), Some(host)),
                1 => (LayoutNames::Full(BTreeMap::new()), None),
                _ => (LayoutNames::Tags, None),
            };
            prop_assume!(!repository.as_str().starts_with("localhost/"));
            let written = Name::write(&names, &"main".parse().unwrap(), &repository, &tag);
            let read = Name::parse(&written).unwrap();
            let repository = Some(repository);
            let path = host.as_ref().and(repository.clone());
            prop_assert_eq!(read, Name { host, path, repository, tag: Some(tag), is_certain: false });
        }
    }
}
