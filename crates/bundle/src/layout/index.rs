//! The `index.json` of a layout of many images, sorted into repositories. Pure: no I/O.
//!
//! An entry without any name belongs to the layout as a whole: its manifest can be read through every
//! repository, for what is attached to an image is often listed so. Of two entries with one name the first
//! counts, as in other readers. Where images of two hosts have the same path, those of the host that comes
//! second get it in front of theirs: `ghcr.io/app`.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use sealift_oci::{Descriptor, Digest, Registry, RepositoryName, Tag};
use sealift_store::index_json::{Document, Entry, Listed, REF_NAME};

use super::names::{CONTAINERD_NAME, LayoutNames, Name, REPOSITORY};

/// The largest `index.json` that is read, in bytes: more than 40000 entries of 400 bytes.
pub(super) const INDEX_LIMIT: u64 = 16 * 1024 * 1024;

/// The images of a layout.
#[derive(Debug)]
pub(super) struct Index {
    document: Document,
    /// The repository of the entries whose name says none.
    main: RepositoryName,
    repositories: BTreeMap<RepositoryName, Held>,
    /// The entries that have no name at all.
    unnamed: HashMap<Digest, usize>,
    /// To which repository an entry belongs, and under which tag.
    places: HashMap<usize, (RepositoryName, Option<Tag>)>,
}

/// What one repository holds.
#[derive(Debug, Default)]
pub(super) struct Held {
    host: Option<Registry>,
    /// The path at the host.
    path: Option<RepositoryName>,
    tags: BTreeMap<Tag, usize>,
    digests: HashMap<Digest, usize>,
    /// What is listed only in an index of this repository; found out when somebody asks.
    pub(super) nested: OnceLock<HashMap<Digest, Descriptor>>,
}

impl Held {
    /// Lists the tags in lexical order.
    pub(super) fn tags(&self) -> impl Iterator<Item = &Tag> {
        self.tags.keys()
    }

    /// Tells whether anything has a name of this repository.
    pub(super) fn has_own(&self) -> bool {
        !self.digests.is_empty()
    }

    /// Returns where the images came from, if their names say it: `mcr.microsoft.com/arcdata/x`.
    pub(super) fn source(&self) -> Option<String> {
        Some(format!("{}/{}", self.host.as_ref()?, self.path.as_ref()?))
    }
}

impl Index {
    /// Makes an empty list.
    pub(super) fn empty(main: &RepositoryName) -> Self {
        Self::new(Document::empty(), main)
    }

    /// Reads a list.
    pub(super) fn parse(bytes: &[u8], main: &RepositoryName) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes).map(|document| Self::new(document, main))
    }

    /// Writes the list.
    pub(super) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&self.document)
    }

    fn new(document: Document, main: &RepositoryName) -> Self {
        let mut index = Self {
            document: Document::empty(),
            main: main.clone(),
            repositories: BTreeMap::new(),
            unnamed: HashMap::new(),
            places: HashMap::new(),
        };
        for (position, entry) in document.known() {
            index.place(position, entry);
        }
        index.document = document;
        index
    }

    fn place(&mut self, position: usize, entry: &Listed) {
        let name = Name::of(entry);
        let Some(repository) = self.repository_of(&name) else {
            self.unnamed.entry(entry.digest).or_insert(position);
            // Who asks for anything of this layout finds it there.
            self.repositories.entry(self.main.clone()).or_default();
            return;
        };
        let Name { host, path, tag, .. } = name;
        self.places.insert(position, (repository.clone(), tag.clone()));
        let held = self.repositories.entry(repository).or_default();
        if held.host.is_none() {
            (held.host, held.path) = (host, path);
        }
        held.digests.entry(entry.digest).or_insert(position);
        if let Some(tag) = tag {
            held.tags.entry(tag).or_insert(position);
        }
    }

    /// The path, unless the images of another host have it already; none where there is no name.
    fn repository_of(&self, name: &Name) -> Option<RepositoryName> {
        let path = match &name.repository {
            Some(path) => path,
            None => name.tag.as_ref().map(|_| &self.main)?,
        };
        let other = self.repositories.get(path).and_then(|held| held.host.as_ref());
        match (&name.host, other) {
            (Some(host), Some(other)) if host != other && !name.is_certain => {
                format!("{}/{path}", host.as_str().replace(':', "_")).parse().ok()
            }
            _ => Some(path.clone()),
        }
    }

    /// Returns what a repository holds; the main one is there as soon as anything has no name.
    pub(super) fn held(&self, repository: &RepositoryName) -> Option<&Held> {
        self.repositories.get(repository)
    }

    /// Returns the repository of what has no other.
    pub(super) fn main(&self) -> &RepositoryName {
        &self.main
    }

    /// Lists the repositories that a name speaks of, in lexical order.
    pub(super) fn repositories(&self) -> impl Iterator<Item = (&RepositoryName, &Held)> {
        self.repositories.iter()
    }

    /// Lists every manifest as it is listed, as often as it is.
    pub(super) fn entries(&self) -> impl Iterator<Item = Descriptor> + '_ {
        self.document.known().map(|(_, entry)| entry.descriptor())
    }

    /// Lists the manifests that have no name.
    pub(super) fn unnamed(&self) -> impl Iterator<Item = Descriptor> + '_ {
        self.unnamed.values().filter_map(|position| self.at(*position))
    }

    /// Lists the manifests of a repository that have no tag.
    pub(super) fn untagged(&self, repository: &RepositoryName) -> impl Iterator<Item = Descriptor> + '_ {
        let held = self.repositories.get(repository);
        let own = held.into_iter().flat_map(|held| held.digests.values());
        let is_untagged = |position: &&usize| self.places.get(position).is_some_and(|(_, tag)| tag.is_none());
        own.filter(is_untagged).filter_map(|position| self.at(*position))
    }

    /// Finds what a tag points at.
    pub(super) fn tagged(&self, repository: &RepositoryName, tag: &Tag) -> Option<Descriptor> {
        self.at(*self.repositories.get(repository)?.tags.get(tag)?)
    }

    /// Lists the manifests of a repository, each once, and those without a name.
    pub(super) fn manifests(&self, repository: &RepositoryName) -> impl Iterator<Item = Descriptor> + '_ {
        let held = self.repositories.get(repository);
        let own = held.into_iter().flat_map(|held| held.digests.values());
        own.chain(self.unnamed.values()).filter_map(|position| self.at(*position))
    }

    /// Finds a listed manifest.
    pub(super) fn listed(&self, repository: &RepositoryName, digest: &Digest) -> Option<Descriptor> {
        let held = self.repositories.get(repository)?;
        self.at(*held.digests.get(digest).or_else(|| self.unnamed.get(digest))?)
    }

    fn at(&self, position: usize) -> Option<Descriptor> {
        self.document.at(position).map(Listed::descriptor)
    }
}

/// What is added to a list.
#[derive(Debug)]
pub(super) struct Addition<'a> {
    pub(super) names: &'a LayoutNames,
    pub(super) repository: &'a RepositoryName,
    pub(super) manifest: &'a Descriptor,
    pub(super) tag: Option<&'a Tag>,
    /// Manifests that need no entry of their own any more: this one leads to them.
    pub(super) children: &'a [Digest],
}

impl Index {
    /// Lists a manifest, and moves the tag to it; `None` where that changes nothing.
    pub(super) fn with(&self, addition: &Addition<'_>) -> Option<Self> {
        let mut document = self.document.clone();
        let (digest, place) = (addition.manifest.digest, addition.repository);
        let mut position = 0;
        let mut is_listed = false;
        document.manifests.retain_mut(|entry| {
            let place = self.places.get(&position).filter(|(repository, _)| repository == place);
            position += 1;
            let (Entry::Known(entry), Some((_, tag))) = (entry, place) else { return true };
            let is_ours = entry.digest == digest && (tag.as_ref() == addition.tag || addition.tag.is_none());
            is_listed |= is_ours;
            is_ours || self.keep(entry, tag.as_ref(), addition)
        });
        if !is_listed {
            document.manifests.push(Entry::Known(self.entry(addition)));
        }
        (document != self.document).then(|| Self::new(document, &self.main))
    }

    /// Takes the tag from an entry that has it, and tells whether the entry stays.
    fn keep(&self, entry: &mut Listed, tag: Option<&Tag>, addition: &Addition<'_>) -> bool {
        let is_moved = tag.is_some() && tag == addition.tag;
        if is_moved && !self.is_listed_otherwise(entry, tag, addition) {
            entry.annotations.remove(REF_NAME);
            entry.annotations.remove(CONTAINERD_NAME);
            entry.annotate(REPOSITORY, addition.repository.as_str());
            return true;
        }
        let is_superfluous = tag.is_none()
            && (entry.digest == addition.manifest.digest || addition.children.contains(&entry.digest));
        !is_moved && !is_superfluous
    }

    fn is_listed_otherwise(&self, entry: &Listed, tag: Option<&Tag>, addition: &Addition<'_>) -> bool {
        let is_other = |(position, other): (usize, &Listed)| {
            let place = self.places.get(&position);
            other.digest == entry.digest
                && place.is_some_and(|it| it.0 == *addition.repository && it.1.as_ref() != tag)
        };
        self.document.known().any(is_other)
    }

    fn entry(&self, addition: &Addition<'_>) -> Listed {
        let Addition { names, repository, manifest, tag, .. } = addition;
        let mut entry = Listed::new(manifest);
        if let Some(tag) = tag {
            entry.annotate(REF_NAME, &Name::write(names, &self.main, repository, tag));
        }
        if self.repository_of(&Name::of(&entry)).as_ref() != Some(repository) {
            entry.annotate(REPOSITORY, repository.as_str());
        }
        entry
    }
}

#[cfg(test)]
mod tests;
