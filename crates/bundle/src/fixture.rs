//! Small bundles for tests, laid out byte by byte; what is wrong with a bundle can be made here, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use bytes::Bytes;
use sealift_oci::{Digest, RepositoryName};
use sealift_store::conformance::fixture::Image as Built;
use serde_json::json;

use crate::catalogue::{
    Catalogue, Content, Extent, FORMAT, HeldManifest, Image, Repository, VERSION, Volume,
};
use crate::delta::Made;
use crate::entry::{self, END};
use crate::names::{CATALOGUE, CHECKSUM, CHECKSUMS, KEY, SEALED, SIGNATURE, TRAILER, sealed_entry, volume};
use crate::seal::{BundleKey, Lock};
use crate::sign::SecretKey;
use crate::writer::{behind, layout};

/// A bundle in memory.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    pub(crate) content: BTreeMap<Digest, Bytes>,
    pub(crate) left_out: BTreeSet<Digest>,
    /// What is carried of content as a delta.
    pub(crate) deltas: BTreeMap<Digest, Made>,
    pub(crate) repositories: BTreeMap<RepositoryName, Repository>,
    pub(crate) images: Vec<Image>,
    /// The most bytes of a volume.
    pub(crate) volume_size: Option<usize>,
    /// What everything is encrypted to.
    pub(crate) key: Option<BundleKey>,
    /// Who opens the key.
    pub(crate) lock: Option<Lock>,
    /// Who signs.
    pub(crate) signer: Option<SecretKey>,
    /// Content that lies in a volume and in no catalogue.
    pub(crate) unlisted: Vec<Bytes>,
}

/// What lies in the volumes.
#[derive(Debug, Default)]
struct Laid {
    volumes: Vec<Vec<u8>>,
    limit: usize,
}

impl Builder {
    /// Adds an image that was asked for.
    pub(crate) fn image(&mut self, repository: &str, tag: &str, image: &Built) -> &mut Self {
        self.add(repository, image);
        let repository: RepositoryName = repository.parse().unwrap();
        let held = self.repositories.get_mut(&repository).unwrap();
        held.tags.insert(tag.parse().unwrap(), image.digest());
        let source = format!("{}:{tag}", held.source);
        self.images.push(Image {
            name: repository.last_component().to_owned(),
            repository,
            tag: Some(tag.parse().unwrap()),
            digest: image.digest(),
            source,
            group: None,
            gate: false,
            platforms: Vec::new(),
        });
        self
    }

    /// Adds content to a repository that nobody asked for by name.
    pub(crate) fn add(&mut self, repository: &str, image: &Built) -> &mut Self {
        image.children.iter().for_each(|child| _ = self.add(repository, child));
        let name: RepositoryName = repository.parse().unwrap();
        let held = self.repositories.entry(name.clone()).or_insert_with(|| Repository {
            source: format!("quay.io/org/{name}"),
            name,
            manifests: Vec::new(),
            blobs: Vec::new(),
            tags: BTreeMap::new(),
        });
        let media_type = image.manifest.descriptor.media_type.clone();
        let manifest = HeldManifest { digest: image.digest(), media_type };
        if !held.manifests.contains(&manifest) {
            held.manifests.push(manifest);
        }
        self.content.insert(image.digest(), image.manifest.bytes.clone());
        for blob in &image.blobs {
            let digest = Digest::sha256(blob);
            held.blobs.push(digest);
            self.content.insert(digest, blob.clone());
        }
        self
    }

    /// Leaves content out because the other side has it.
    pub(crate) fn leave_out(&mut self, digest: Digest) -> &mut Self {
        self.left_out.insert(digest);
        self
    }

    /// Writes the bundle as a directory.
    pub(crate) fn write(&self, directory: &Path) -> Catalogue {
        let (mut laid, content) = self.lay_out();
        let mut catalogue = self.catalogue(content);
        self.end(&mut laid, &catalogue);
        laid.bytes(&END);
        let count = laid.volumes.len();
        let mut sums = String::new();
        for (bytes, number) in laid.volumes.iter().zip(1..) {
            let (name, sha256) = (volume(number, count), Digest::sha256(bytes).hex());
            fs::write(directory.join(&name), bytes).unwrap();
            sums.push_str(&format!("{sha256}  {name}\n"));
            catalogue.volumes.push(Volume { name, size: Some(bytes.len() as u64), sha256: Some(sha256) });
        }
        for (name, bytes) in self.small(&catalogue) {
            fs::write(directory.join(&name), &bytes).unwrap();
            sums.push_str(&format!("{}  {name}\n", Digest::sha256(&bytes).hex()));
        }
        self.sign(&directory.join(CHECKSUMS), &sums);
        catalogue
    }

    /// Writes the bundle as one file, with its checksum beside it or as a pipe would leave it.
    pub(crate) fn write_file(&self, path: &Path, has_checksum: bool) -> Catalogue {
        let (mut laid, content) = self.lay_out();
        let mut catalogue = self.catalogue(content);
        catalogue.volumes.push(Volume { name: volume(1, 1), size: None, sha256: None });
        self.end(&mut laid, &catalogue);
        let mut trailer = json!({"format": TRAILER, "version": VERSION});
        for (name, bytes) in self.small(&catalogue) {
            laid.entry(&name, &bytes);
            let offset = laid.volumes[0].len() - bytes.len() - entry::padding(bytes.len() as u64).len();
            let member = if name == KEY { "key" } else { "catalogue" };
            trailer[member] = json!({"offset": offset, "size": bytes.len()});
            if name != KEY {
                trailer[member]["sha256"] = json!(Digest::sha256(&bytes).hex());
            }
        }
        let mut trailer = trailer.to_string().into_bytes();
        trailer.resize(entry::BLOCK as usize, b' ');
        laid.entry(TRAILER, &trailer);
        laid.bytes(&END);
        fs::write(path, &laid.volumes[0]).unwrap();
        if has_checksum {
            let name = path.file_name().unwrap().display();
            self.sign(
                &behind(path, CHECKSUM),
                &format!("{}  {name}\n", Digest::sha256(&laid.volumes[0]).hex()),
            );
        }
        catalogue
    }

    fn sign(&self, path: &Path, sums: &str) {
        if let Some(signer) = &self.signer {
            let signature = signer.sign(path, sums.as_bytes(), "test").unwrap();
            fs::write(behind(path, SIGNATURE), signature).unwrap();
        }
        fs::write(path, sums).unwrap();
    }

    /// The catalogue, and the key where there is one.
    fn small(&self, catalogue: &Catalogue) -> Vec<(String, Vec<u8>)> {
        let bytes = catalogue.to_bytes();
        let Some(key) = &self.key else { return vec![(CATALOGUE.to_owned(), bytes)] };
        let locked = key.lock(self.lock.as_ref().unwrap()).unwrap();
        let sealed = key.recipient().seal(&bytes).unwrap();
        vec![(KEY.to_owned(), locked), (format!("{CATALOGUE}{SEALED}"), sealed)]
    }

    fn lay_out(&self) -> (Laid, Vec<Content>) {
        let limit = self.volume_size.unwrap_or(usize::MAX);
        let mut laid = Laid { volumes: vec![Vec::new()], limit };
        let mut listed = Vec::new();
        for (bytes, number) in self.unlisted.iter().zip(1000..) {
            self.lay(&mut laid, Digest::sha256(bytes), bytes, number);
        }
        for ((digest, bytes), number) in self.content.iter().zip(1..) {
            let size = bytes.len() as u64;
            let content = Content::elsewhere(*digest, size);
            if self.left_out.contains(digest) {
                listed.push(content);
                continue;
            }
            let delta = self.deltas.get(digest);
            let bytes = delta.map_or(bytes, |made| &made.carried);
            let (at, stored) = self.lay(&mut laid, *digest, bytes, number);
            listed.push(Content {
                at,
                sealed: self.key.is_some().then_some(stored),
                encoding: delta.map(|made| made.encoding.clone()),
                bases: delta.map(|made| made.bases.clone()).unwrap_or_default(),
                ..content
            });
        }
        (laid, listed)
    }

    fn lay(&self, laid: &mut Laid, digest: Digest, bytes: &[u8], number: u64) -> (Vec<Extent>, u64) {
        let stored = match &self.key {
            Some(key) => key.recipient().seal(bytes).unwrap(),
            None => bytes.to_vec(),
        };
        let name = match &self.key {
            Some(_) => sealed_entry(number),
            None => entry::name(&digest),
        };
        (laid.entry(&name, &stored), stored.len() as u64)
    }

    fn end(&self, laid: &mut Laid, catalogue: &Catalogue) {
        if self.key.is_none() {
            layout(catalogue).iter().for_each(|(name, bytes)| _ = laid.entry(name, bytes));
        }
    }

    fn catalogue(&self, content: Vec<Content>) -> Catalogue {
        Catalogue {
            format: FORMAT.to_owned(),
            version: VERSION,
            id: "0".repeat(32),
            created: "2026-11-21T00:00:00Z".to_owned(),
            tool: "sealift test".to_owned(),
            sealed: self.key.is_some(),
            volumes: Vec::new(),
            content,
            repositories: self.repositories.values().cloned().collect(),
            images: self.images.clone(),
            builds_on: Vec::new(),
        }
    }
}

impl Laid {
    /// Lays an entry down and says where its content lies. Only one that is larger than a volume is cut.
    fn entry(&mut self, name: &str, content: &[u8]) -> Vec<Extent> {
        let header = entry::header(name, content.len() as u64);
        let padding = entry::padding(content.len() as u64);
        let (length, used) =
            (header.len() + content.len() + padding.len(), self.volumes.last().unwrap().len());
        if used > 0 && used + length > self.limit {
            self.volumes.push(Vec::new());
        }
        self.bytes(&header);
        let at = self.bytes(content);
        self.bytes(padding);
        at
    }

    fn bytes(&mut self, mut rest: &[u8]) -> Vec<Extent> {
        let mut at = Vec::new();
        loop {
            let mut volume = self.volumes.last_mut().unwrap();
            if volume.len() == self.limit && !rest.is_empty() {
                self.volumes.push(Vec::new());
                volume = self.volumes.last_mut().unwrap();
            }
            let (offset, room) = (volume.len(), (self.limit - volume.len()).min(rest.len()));
            volume.extend_from_slice(&rest[..room]);
            let number = self.volumes.len();
            at.push(Extent { volume: number, offset: offset as u64, size: room as u64 });
            rest = &rest[room..];
            if rest.is_empty() {
                return at;
            }
        }
    }
}
