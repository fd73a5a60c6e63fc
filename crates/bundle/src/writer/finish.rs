//! The end of a bundle: what makes it an OCI image layout, the catalogue, the checksums, and last the names.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sealift_oci::{Digest, RepositoryName, Tag, media_type};
use serde_json::{Value, json};

use super::place::Place;
use super::sealing::Sealing;
use super::state::State;
use super::volumes::{Closed, Volume};
use super::{BundleWriter, publish};
use crate::catalogue::{
    CATALOGUE_LIMIT, Catalogue, Content, Extent, FORMAT, HeldManifest, Image, Repository, VERSION,
};
use crate::entry::{self, END};
use crate::error::{BundleError, Result};
use crate::names::{CATALOGUE, KEY, SEALED_CATALOGUE, TRAILER, volume};

/// Signs a list of checksums; returns the text of the signature file.
pub type Sign<'a> = dyn Fn(&Path, &[u8]) -> Result<String> + Send + Sync + 'a;

/// What is said of a bundle at its end.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// When it was finished: RFC 3339, UTC.
    pub created: String,
    /// What wrote it.
    pub tool: String,
    /// The images that are whole.
    pub images: Vec<Image>,
    /// Where each repository came from.
    pub sources: BTreeMap<RepositoryName, String>,
    /// The ids of what content was left out for.
    pub builds_on: Vec<String>,
}

/// A bundle that is whole.
#[derive(Clone, Debug)]
pub struct Finished {
    /// What is in it.
    pub catalogue: Catalogue,
    /// Its volumes and the bytes of each.
    pub volumes: Vec<(PathBuf, u64)>,
    /// What `sha256sum` prints of a bundle that is one file.
    pub checksum: Option<String>,
}

impl BundleWriter {
    /// Ends the bundle. Content that no repository holds, which a run before this one may have left, is not listed.
    ///
    /// # Errors
    /// Those of writing; the bundle is then unfinished and can be gone on with.
    pub async fn finish(self, contents: Contents, sign: Option<&Sign<'_>>) -> Result<Finished> {
        let mut catalogue = self.catalogue(contents);
        let path = PathBuf::from(&self.shared.place);
        let io = |source| BundleError::Io { path: path.clone(), source };
        let closed = match self.shared.destination {
            Place::Directory(_) => self.end(&self.layout(&catalogue)).await,
            Place::File(_) | Place::Pipe => self.end_with_catalogue(&catalogue).await,
        };
        let closed = closed.map_err(io)?;
        catalogue.place(&closed);
        match &self.shared.destination {
            Place::Directory(directory) => {
                publish::directory(directory, catalogue, &closed, self.shared.sealing.as_ref(), sign)
            }
            Place::File(file) => publish::file(file, catalogue, &closed, sign),
            Place::Pipe => Ok(Finished::new(catalogue, &closed, Path::new("-"))),
        }
    }

    /// Lists what the repositories hold; volumes still have the numbers that they were written under.
    fn catalogue(&self, contents: Contents) -> Catalogue {
        let state = self.shared.state();
        let mut listed: BTreeMap<Digest, Content> = BTreeMap::new();
        for held in state.repositories.values() {
            for digest in held.blobs.iter().chain(held.manifests.keys()) {
                if let Some(content) = state.content.get(digest) {
                    listed.entry(*digest).or_insert_with(|| content.clone());
                }
            }
        }
        for base in listed.values().flat_map(|content| content.bases.clone()).collect::<Vec<_>>() {
            let Some(held) = state.base.get(&base) else { continue };
            let held_in = held.repositories.iter().cloned().collect();
            let content = Content { held: held_in, ..Content::elsewhere(base, held.size) };
            listed.entry(base).or_insert(content);
        }
        Catalogue {
            format: FORMAT.to_owned(),
            version: VERSION,
            id: self.shared.id.clone(),
            created: contents.created,
            tool: contents.tool,
            sealed: self.shared.sealing.is_some(),
            volumes: Vec::new(),
            content: listed.into_values().collect(),
            repositories: repositories(&state, &contents.sources),
            images: contents.images,
            builds_on: contents.builds_on,
        }
    }

    /// Writes the last entries and what ends an archive, and closes all volumes.
    async fn end(&self, entries: &[(&str, Vec<u8>)]) -> io::Result<Vec<Closed>> {
        let volumes = &self.shared.volumes;
        let length: u64 = entries.iter().map(|(_, content)| entry::length(content.len() as u64)).sum();
        let mut last = volumes.last(length + END.len() as u64).await?;
        for (name, content) in entries {
            append(&mut last, name, content).await?;
        }
        last.append(Arc::from([Bytes::from_static(&END)])).await?;
        volumes.give_back(last);
        volumes.close_all().await
    }

    /// Nothing of a sealed bundle is a layout.
    fn layout(&self, catalogue: &Catalogue) -> Vec<(&'static str, Vec<u8>)> {
        if catalogue.sealed { Vec::new() } else { layout(catalogue) }
    }

    /// One file has the catalogue inside, and its last entry leads to it.
    async fn end_with_catalogue(&self, catalogue: &Catalogue) -> io::Result<Vec<Closed>> {
        let mut inside = catalogue.clone();
        inside.place(&[Closed { number: 1, path: PathBuf::new(), size: 0, sha256: String::new() }]);
        inside.volumes[0].size = None;
        inside.volumes[0].sha256 = None;
        let mut entries = self.layout(catalogue);
        let sealing = self.shared.sealing.as_ref();
        entries.extend(sealing.map(|sealing| (KEY, sealing.key.clone())));
        entries.push(written(&inside, sealing)?);
        let volumes = &self.shared.volumes;
        let last = volumes.last(0).await?;
        let start = last.length;
        volumes.give_back(last);
        entries.push((TRAILER, trailer(start, &entries)));
        self.end(&entries).await
    }
}

/// Returns the catalogue's file, sealed if the bundle is.
pub(super) fn written(
    catalogue: &Catalogue,
    sealing: Option<&Sealing>,
) -> io::Result<(&'static str, Vec<u8>)> {
    let bytes = catalogue.to_bytes();
    if bytes.len() as u64 > CATALOGUE_LIMIT {
        let reason = format!("the catalogue would have more than {CATALOGUE_LIMIT} bytes; pack fewer images");
        return Err(io::Error::other(reason));
    }
    Ok(match sealing {
        Some(sealing) => (SEALED_CATALOGUE, sealing.recipient.seal(&bytes)?),
        None => (CATALOGUE, bytes),
    })
}

/// Says where key and catalogue lie among the entries that follow each other from `start` on.
fn trailer(start: u64, entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut trailer = json!({"format": TRAILER, "version": VERSION});
    let mut offset = start;
    for (name, content) in entries {
        let (at, size) = (offset + entry::BLOCK, content.len() as u64);
        match *name {
            KEY => trailer["key"] = json!({"offset": at, "size": size}),
            CATALOGUE | SEALED_CATALOGUE => {
                let sha256 = Digest::sha256(content).hex();
                trailer["catalogue"] = json!({"offset": at, "size": size, "sha256": sha256});
            }
            _ => {}
        }
        offset += entry::length(size);
    }
    let mut trailer = trailer.to_string().into_bytes();
    trailer.resize(entry::BLOCK as usize, b' ');
    trailer
}

async fn append(volume: &mut Volume, name: &str, content: &[u8]) -> io::Result<()> {
    let size = content.len() as u64;
    let pieces = [
        Bytes::from(entry::header(name, size)),
        Bytes::copy_from_slice(content),
        Bytes::from_static(entry::padding(size)),
    ];
    volume.append(Arc::from(pieces)).await
}

fn repositories(state: &State, sources: &BTreeMap<RepositoryName, String>) -> Vec<Repository> {
    let repository = |(name, held): (&RepositoryName, &super::state::Holding)| {
        let manifest = |(digest, manifest): (&Digest, &super::state::HeldManifest)| HeldManifest {
            digest: *digest,
            media_type: manifest.media_type.clone(),
        };
        Repository {
            name: name.clone(),
            source: sources.get(name).cloned().unwrap_or_default(),
            manifests: held.manifests.iter().map(manifest).collect(),
            blobs: held.blobs.iter().copied().collect(),
            tags: held.tags.clone(),
        }
    };
    state.repositories.iter().map(repository).collect()
}

/// What makes the volumes an OCI image layout (image-spec 1.1, `image-layout.md`).
pub(crate) fn layout(catalogue: &Catalogue) -> Vec<(&'static str, Vec<u8>)> {
    let sizes: HashMap<Digest, u64> = catalogue.content.iter().map(|it| (it.digest, it.size)).collect();
    let asked_for: HashSet<Digest> = catalogue.images.iter().map(|image| image.digest).collect();
    let mut manifests: Vec<Value> = Vec::new();
    for repository in &catalogue.repositories {
        let mut tags: HashMap<Digest, Vec<&Tag>> = HashMap::new();
        repository.tags.iter().for_each(|(tag, digest)| tags.entry(*digest).or_default().push(tag));
        for manifest in &repository.manifests {
            let size = sizes.get(&manifest.digest).copied().unwrap_or_default();
            let descriptor =
                json!({"mediaType": manifest.media_type, "digest": manifest.digest, "size": size});
            let named = |tag: &&Tag| {
                let mut entry = descriptor.clone();
                let name = format!("{}:{tag}", repository.source);
                entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
                entry
            };
            match tags.get(&manifest.digest) {
                Some(tags) => manifests.extend(tags.iter().map(named)),
                None => manifests.extend(Some(descriptor).filter(|_| asked_for.contains(&manifest.digest))),
            }
        }
    }
    let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": manifests});
    vec![
        ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ("index.json", index.to_string().into_bytes()),
    ]
}

impl Catalogue {
    /// Gives the volumes their last names and numbers.
    fn place(&mut self, closed: &[Closed]) {
        let numbers: HashMap<usize, usize> =
            closed.iter().zip(1..).map(|(it, rank)| (it.number, rank)).collect();
        for extent in self.content.iter_mut().flat_map(|content| &mut content.at) {
            let Extent { volume, .. } = extent;
            *volume = numbers.get(volume).copied().unwrap_or_default();
        }
        let named = closed.iter().zip(1..).map(|(it, rank)| crate::catalogue::Volume {
            name: volume(rank, closed.len()),
            size: Some(it.size),
            sha256: Some(it.sha256.clone()),
        });
        self.volumes = named.collect();
    }
}

impl Finished {
    pub(super) fn new(catalogue: Catalogue, closed: &[Closed], path: &Path) -> Self {
        let checksum = closed.first().map(|it| publish::checksum_line(&it.sha256, path));
        let volumes = closed.iter().map(|it| (path.to_owned(), it.size)).collect();
        Self { catalogue, volumes, checksum }
    }
}
