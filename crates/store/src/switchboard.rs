//! Several places as one source: a list of images names many registries, and a transfer knows one place to
//! read from.
//!
//! Each repository that is wanted is connected under an alias, and whoever reads the alias reads that
//! repository. [`alias_of`] gives every repository of every registry an alias of its own. Nothing can be
//! written here, and nothing is searched for: what was not connected is not there.

#![deny(clippy::missing_trait_methods)]

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use sealift_oci::{Descriptor, Digest, Manifest, ManifestRef, Registry, RepositoryName, Tag};

use crate::{
    Admin, BlobBody, Error, ErrorKind, Operation, Page, PageRequest, Result, Source, Store, Target,
    cannot_delete,
};

/// How many places the name of them all names; a message has to stay readable.
const NAMED_PLACES: usize = 3;

/// What an alias is connected to: a place, and a repository in it.
pub type Connections = BTreeMap<RepositoryName, (Arc<dyn Store>, RepositoryName)>;

/// Several places as one that can be read.
#[derive(Debug)]
pub struct Switchboard {
    place: String,
    connections: Arc<Connections>,
}

impl Switchboard {
    /// Connects aliases to repositories.
    #[must_use]
    pub fn new(connections: Connections) -> Self {
        Self { place: joined_name(&connections), connections: Arc::new(connections) }
    }
}

/// Names the places: `docker.io, quay.io`.
fn joined_name(connections: &Connections) -> String {
    let mut places: Vec<&str> = connections.values().map(|(store, _)| store.place()).collect();
    places.sort_unstable();
    places.dedup();
    match places.split_at_checked(NAMED_PLACES) {
        Some((named, more)) if !more.is_empty() => format!("{} and {} more", named.join(", "), more.len()),
        _ => places.join(", "),
    }
}

/// Returns the alias of a repository in a registry; no two repositories have the same.
///
/// It reads like the reference where that is possible: `quay.io/org/app`, and `host__5000/app` for a port,
/// which cannot have its colon in the name of a repository. What else no such name can have, in the address
/// of a registry, is written as `z` and two hexadecimal digits (and `z` itself as `zz`) behind `x_`. A name
/// that becomes too long is replaced by its hash.
#[must_use]
pub fn alias_of(registry: &Registry, repository: &RepositoryName) -> RepositoryName {
    let address = registry.as_str();
    // A host without underscores is made of what a repository name is made of. So there is no `_` in front of
    // the slash, or two of them and a port; the other forms have one.
    let host = if address.contains(['_', '[']) { escaped(address) } else { address.replace(':', "__") };
    let readable = format!("{host}/{repository}").parse();
    let hash = || Digest::sha256(format!("{registry}/{repository}").as_bytes()).hex();
    // The last fallback is never taken: a hash with a word in front is a repository name.
    readable.or_else(|_| format!("sha256_{}", hash()).parse()).unwrap_or_else(|_| repository.clone())
}

/// Writes an address with letters, digits, and the dots and hyphens between them.
fn escaped(address: &str) -> String {
    let mut escaped = "x_".to_owned();
    for character in address.chars() {
        match character {
            'z' => escaped.push_str("zz"),
            'a'..='y' | '0'..='9' | '.' | '-' => escaped.push(character),
            other => escaped.push_str(&format!("z{:02x}", u32::from(other))),
        }
    }
    escaped
}

impl Store for Switchboard {
    fn place(&self) -> &str {
        &self.place
    }

    fn source(&self, repository: &RepositoryName) -> Arc<dyn Source> {
        let alias = repository.clone();
        match self.connections.get(repository) {
            Some((store, inner)) => Arc::new(Connected { alias, inner: store.source(inner) }),
            None => Arc::new(Unconnected { place: self.place.clone(), alias }),
        }
    }

    fn target(&self, repository: &RepositoryName) -> Result<Arc<dyn Target>> {
        Err(Error::new(ErrorKind::ReadOnly, Operation::Connect).at(&self.place).object(repository))
    }

    fn admin(&self) -> Arc<dyn Admin> {
        Arc::new(Aliases(Arc::clone(&self.connections)))
    }
}

/// A repository under its alias. The inner name would not do: two registries can have the same, and who reads
/// remembers by name what was there. Errors come as they are, from the place and with its own names.
#[derive(Debug)]
struct Connected {
    alias: RepositoryName,
    inner: Arc<dyn Source>,
}

#[async_trait]
impl Source for Connected {
    fn repository(&self) -> &RepositoryName {
        &self.alias
    }

    async fn resolve(&self, reference: &ManifestRef) -> Result<Descriptor> {
        self.inner.resolve(reference).await
    }

    async fn manifest(&self, reference: &ManifestRef) -> Result<Manifest> {
        self.inner.manifest(reference).await
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<u64> {
        self.inner.stat_blob(digest).await
    }

    async fn open_blob(&self, digest: &Digest, offset: u64) -> Result<BlobBody> {
        self.inner.open_blob(digest, offset).await
    }

    async fn tags(&self, page: &PageRequest) -> Result<Page<Tag>> {
        self.inner.tags(page).await
    }

    async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Descriptor>> {
        self.inner.referrers(subject, artifact_type, page).await
    }

    fn keeps_referrers_in_tags(&self) -> bool {
        self.inner.keeps_referrers_in_tags()
    }
}

/// A repository that nobody connected. Also what is attached is not found here, and not an empty list: this
/// is a mistake of who asks, and must not pass for an answer.
#[derive(Debug)]
struct Unconnected {
    place: String,
    alias: RepositoryName,
}

impl Unconnected {
    fn not_found(&self, operation: Operation, object: &str) -> Error {
        Error::new(ErrorKind::NotFound, operation)
            .at(&self.place)
            .object(format_args!("{}{object}", self.alias))
    }

    fn no_manifest(&self, operation: Operation, reference: &ManifestRef) -> Error {
        match reference {
            ManifestRef::Tag(tag) => self.not_found(operation, &format!(":{tag}")),
            ManifestRef::Digest(digest) => self.no_digest(operation, digest),
        }
    }

    fn no_digest(&self, operation: Operation, digest: &Digest) -> Error {
        self.not_found(operation, &format!("@{digest}"))
    }
}

#[async_trait]
impl Source for Unconnected {
    fn repository(&self) -> &RepositoryName {
        &self.alias
    }

    async fn resolve(&self, reference: &ManifestRef) -> Result<Descriptor> {
        Err(self.no_manifest(Operation::Resolve, reference))
    }

    async fn manifest(&self, reference: &ManifestRef) -> Result<Manifest> {
        Err(self.no_manifest(Operation::FetchManifest, reference))
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<u64> {
        Err(self.no_digest(Operation::CheckBlob, digest))
    }

    async fn open_blob(&self, digest: &Digest, _offset: u64) -> Result<BlobBody> {
        Err(self.no_digest(Operation::FetchBlob, digest))
    }

    async fn tags(&self, _page: &PageRequest) -> Result<Page<Tag>> {
        Err(self.not_found(Operation::ListTags, ""))
    }

    async fn referrers(
        &self,
        subject: &Digest,
        _artifact_type: Option<&str>,
        _page: &PageRequest,
    ) -> Result<Page<Descriptor>> {
        Err(self.no_digest(Operation::ListReferrers, subject))
    }

    fn keeps_referrers_in_tags(&self) -> bool {
        false
    }
}

/// What is connected, by alias.
#[derive(Debug)]
struct Aliases(Arc<Connections>);

#[async_trait]
impl Admin for Aliases {
    async fn repositories(&self, page: &PageRequest) -> Result<Page<RepositoryName>> {
        Ok(Page::of_sorted(self.0.keys().cloned(), page, ToString::to_string))
    }

    async fn delete_manifest(&self, _: &RepositoryName, _: &ManifestRef) -> Result<()> {
        Err(cannot_delete("the sources", Operation::DeleteManifest))
    }

    async fn delete_blob(&self, _: &RepositoryName, _: &Digest) -> Result<()> {
        Err(cannot_delete("the sources", Operation::DeleteBlob))
    }
}

#[cfg(test)]
mod tests;
