//! The catalogue: what is in a bundle, and where it lies. The members are explained in
//! `docs/BUNDLE-FORMAT.md`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use sealift_oci::{Digest, Platform, RepositoryName, Tag};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::delta::Delta;
use crate::document::{self, Kind, check_id, check_text};
use crate::error::{BundleError, Result};
use crate::names::VOLUME_LIMIT;

/// What a catalogue says that it is.
pub(crate) const FORMAT: &str = "sealift-bundle";
/// The latest version that is known.
pub(crate) const VERSION: u64 = 1;
/// The largest catalogue that is read, in bytes.
pub(crate) const CATALOGUE_LIMIT: u64 = 64 * 1024 * 1024;
/// What a catalogue is.
const KIND: Kind = Kind { format: FORMAT, name: "catalogue", version: VERSION, limit: CATALOGUE_LIMIT };
/// The most blobs and manifests of a bundle.
pub(crate) const CONTENT_LIMIT: usize = 1_000_000;

/// What is in a bundle, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Catalogue {
    /// `sealift-bundle`.
    pub format: String,
    /// The version of the format.
    pub version: u64,
    /// What receipts and later bundles call this one.
    pub id: String,
    /// When it was finished: RFC 3339, UTC.
    pub created: String,
    /// What wrote it.
    pub tool: String,
    /// Whether the content is encrypted.
    #[serde(default)]
    pub sealed: bool,
    /// The volumes, in order.
    pub volumes: Vec<Volume>,
    /// Every blob and manifest, each once.
    pub content: Vec<Content>,
    /// What each repository holds.
    pub repositories: Vec<Repository>,
    /// What was asked for.
    pub images: Vec<Image>,
    /// The ids of what content was left out for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub builds_on: Vec<String>,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// The file's name.
    pub name: String,
    /// Its size in bytes; none of the volume that holds the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its SHA-256 in hexadecimal digits; none of the volume that holds the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// A blob or a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Where it lies, in order; nowhere where the other side has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at: Vec<Extent>,
    /// Where it lies nowhere: the repositories in which the other side has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<RepositoryName>,
    /// How many bytes it takes encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<u64>,
    /// How the bytes are written where they are not the content itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// What the encoding builds on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bases: Vec<Digest>,
    /// Of what might have been a delta: why it is carried as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_whole: Option<String>,
}

/// A run of bytes in a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// The volume, from 1.
    pub volume: usize,
    /// Where it begins, from the volume's first byte.
    pub offset: u64,
    /// How many bytes.
    pub size: u64,
}

/// How bytes are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Encoding {
    /// Which encoding it is.
    pub id: String,
    /// What it needs to know.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub parameters: Value,
}

/// What a repository holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repository {
    /// Its name in the bundle: the path below the target's repository.
    pub name: RepositoryName,
    /// Where it came from.
    pub source: String,
    /// The manifests.
    pub manifests: Vec<HeldManifest>,
    /// The blobs.
    pub blobs: Vec<Digest>,
    /// What the tags point at.
    pub tags: BTreeMap<Tag, Digest>,
}

/// A manifest of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldManifest {
    /// Its digest.
    pub digest: Digest,
    /// Its media type, which not every manifest names itself.
    pub media_type: String,
}

/// An image that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// What people call it.
    pub name: String,
    /// Its repository in the bundle.
    pub repository: RepositoryName,
    /// Its tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// Its root manifest.
    pub digest: Digest,
    /// What was asked for at the source.
    pub source: String,
    /// The release that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// It is tagged last, and only if every other image of the group is there.
    #[serde(default)]
    pub gate: bool,
    /// What it runs on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<Platform>,
}

impl Content {
    /// Describes content that the other side has.
    pub(crate) fn elsewhere(digest: Digest, size: u64) -> Self {
        let (at, held, bases) = (Vec::new(), Vec::new(), Vec::new());
        Self { digest, size, at, held, sealed: None, encoding: None, bases, why_whole: None }
    }
}

impl Catalogue {
    /// Reads a catalogue and checks everything that can be checked without the volumes; `path` is the file that
    /// it came from.
    ///
    /// # Errors
    /// [`BundleError::Version`] of a later version; [`BundleError::Damaged`] where something does not fit.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let catalogue: Self = document::parse(KIND, path, bytes)?;
        catalogue.check().map_err(|reason| BundleError::damaged(path, reason))?;
        Ok(catalogue)
    }

    /// Writes the catalogue.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Maps have text as keys, and writing to memory cannot fail.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    fn check(&self) -> Result<(), String> {
        check_id(&self.id)?;
        check_volumes(&self.volumes)?;
        check_text("what wrote it", &self.tool)?;
        check_text("when it was written", &self.created)?;
        for image in &self.images {
            check_text("an image's name", &image.name)?;
            check_text("an image's source", &image.source)?;
            check_text("an image's group", image.group.as_deref().unwrap_or_default())?;
        }
        self.repositories.iter().try_for_each(|it| check_text("a repository's source", &it.source))?;
        self.builds_on.iter().try_for_each(|id| check_id(id))?;
        if self.content.len() > CONTENT_LIMIT {
            return Err(format!("it lists more than {CONTENT_LIMIT} blobs"));
        }
        let mut known = HashMap::new();
        for content in &self.content {
            check_text("why content is carried whole", content.why_whole.as_deref().unwrap_or_default())?;
            self.check_content(content)?;
            if known.insert(content.digest, content.size).is_some() {
                return Err(format!("{} is listed twice", content.digest));
            }
        }
        for content in &self.content {
            if let Some(base) = content.bases.iter().find(|base| !known.contains_key(base)) {
                return Err(format!("{} builds on {base}, which is not listed", content.digest));
            }
        }
        self.check_overlaps()?;
        self.check_repositories(&known)
    }

    fn check_content(&self, content: &Content) -> Result<(), String> {
        let digest = content.digest;
        if content.at.len() > VOLUME_LIMIT {
            return Err(format!("{digest} lies in more than {VOLUME_LIMIT} pieces"));
        }
        let mut total: u64 = 0;
        for extent in &content.at {
            let volume = extent.volume.checked_sub(1).and_then(|at| self.volumes.get(at));
            let volume =
                volume.ok_or_else(|| format!("{digest} lies in volume {}, which is none", extent.volume))?;
            let end = extent.offset.checked_add(extent.size);
            let is_inside = end.is_some_and(|end| volume.size.is_none_or(|size| end <= size));
            if !is_inside {
                return Err(format!("{digest} lies behind the end of {}", volume.name));
            }
            total = total.saturating_add(extent.size);
        }
        if content.sealed.is_some() != (self.sealed && !content.at.is_empty()) {
            return Err(format!("{digest} is encrypted where the bundle is not, or the other way round"));
        }
        if let Some(delta) = Delta::of(content) {
            delta.map_err(|reason| format!("{digest} is a delta, and {reason}"))?;
        }
        let expected = content.sealed.unwrap_or(content.size);
        let is_whole = content.at.is_empty() || content.encoding.is_some() || total == expected;
        if is_whole { Ok(()) } else { Err(format!("{digest} has {total} bytes and should have {expected}")) }
    }

    /// No byte belongs to two blobs: a small bundle cannot pretend to hold a large one many times over.
    fn check_overlaps(&self) -> Result<(), String> {
        let all =
            self.content.iter().flat_map(|content| content.at.iter().map(move |at| (at, content.digest)));
        let mut all: Vec<_> = all.filter(|(at, _)| at.size > 0).collect();
        all.sort_by_key(|(at, _)| (at.volume, at.offset));
        for pair in all.windows(2) {
            let ((one, first), (next, second)) = (pair[0], pair[1]);
            if one.volume == next.volume && one.offset + one.size > next.offset {
                return Err(format!("{first} and {second} overlap in volume {}", one.volume));
            }
        }
        Ok(())
    }

    fn check_repositories(&self, known: &HashMap<Digest, u64>) -> Result<(), String> {
        let mut holdings: HashMap<&RepositoryName, HashSet<Digest>> = HashMap::new();
        for Repository { name, manifests, blobs, tags, .. } in &self.repositories {
            let held: HashSet<Digest> = manifests.iter().map(|it| it.digest).collect();
            if let Some(digest) = held.iter().chain(blobs).find(|digest| !known.contains_key(digest)) {
                return Err(format!("{name} holds {digest}, which is not listed"));
            }
            if let Some((tag, digest)) = tags.iter().find(|(_, digest)| !held.contains(digest)) {
                return Err(format!("{name}:{tag} points at {digest}, which the repository does not hold"));
            }
            if holdings.insert(name, held).is_some() {
                return Err(format!("the repository {name} is listed twice"));
            }
        }
        let holds =
            |image: &Image| holdings.get(&image.repository).is_some_and(|held| held.contains(&image.digest));
        match self.images.iter().find(|image| !holds(image)) {
            Some(image) => Err(format!("{} is not in {}", image.digest, image.repository)),
            None => Ok(()),
        }
    }
}

/// A volume's name is one plain file name; names that differ only in case are one file on some media.
fn check_volumes(volumes: &[Volume]) -> Result<(), String> {
    if volumes.len() > VOLUME_LIMIT {
        return Err(format!("it lists more than {VOLUME_LIMIT} volumes"));
    }
    let mut names = HashSet::new();
    for Volume { name, sha256, .. } in volumes {
        let is_plain = !name.is_empty()
            && !name.starts_with('.')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !is_plain || !names.insert(name.to_ascii_lowercase()) {
            return Err(format!("the volume {name:?} is no plain file name, or is listed twice"));
        }
        let is_hash = |text: &String| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if sha256.as_ref().is_some_and(|text| !is_hash(text)) {
            return Err(format!("the checksum of {name} is malformed"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
