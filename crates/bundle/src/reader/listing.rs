//! What people want to know of a bundle before they load it.

use std::collections::{HashMap, HashSet};

use sealift_oci::Digest;

use super::{Bundle, blocking};
use crate::catalogue::{Catalogue, Content, Image, Repository};
use crate::delta::Delta;
use crate::error::Result;

/// What is in a bundle, in numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// The images, in the catalogue's order, which keeps releases together.
    pub images: Vec<ListedImage>,
    /// How many blobs and manifests it has or leaves out.
    pub content: usize,
    /// The bytes of content that it carries.
    pub carried: u64,
    /// The bytes of content that it left out because the other side has them.
    pub left_out: u64,
    /// The bytes of content that more than one image needs, each counted once.
    pub shared: u64,
}

/// An image and its sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedImage {
    /// What the catalogue says of it: its names, its group, its platforms.
    pub image: Image,
    /// The bytes of everything that it needs.
    pub size: u64,
    /// How many of them the bundle carries.
    pub carried: u64,
    /// How many of them another image needs, too.
    pub shared: u64,
    /// Whether everything that the bundle carries of it can be read.
    pub is_readable: bool,
}

/// A blob of a bundle that was made with deltas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDelta {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// How many bytes the bundle carries of it.
    pub carried: u64,
    /// What its plain bytes are compressed with; `None` where it is carried as it is, or is not compressed.
    pub encoder: Option<String>,
    /// What it builds on; nothing where it is carried as it is.
    pub bases: Vec<Digest>,
    /// Why it is carried as it is, where it might have been a delta.
    pub why_whole: Option<String>,
}

impl Catalogue {
    /// Lists every blob that is carried, if any of them is a delta or was to be one.
    #[must_use]
    pub fn deltas(&self) -> Vec<ListedDelta> {
        if self.content.iter().all(|content| content.encoding.is_none() && content.why_whole.is_none()) {
            return Vec::new();
        }
        let manifests = self.repositories.iter().flat_map(|it| &it.manifests);
        let manifests: HashSet<Digest> = manifests.map(|held| held.digest).collect();
        let is_listed = |it: &&Content| !it.at.is_empty() && !manifests.contains(&it.digest);
        self.content.iter().filter(is_listed).map(ListedDelta::of).collect()
    }
}

impl Bundle {
    /// Lists the images with their sizes. The manifests are read for it.
    ///
    /// # Errors
    /// Where the runtime is shutting down.
    pub async fn listing(&self) -> Result<Listing> {
        let bundle = self.clone();
        blocking(self.path(), move || bundle.listing_blocking()).await
    }

    fn listing_blocking(&self) -> Listing {
        let images = &self.catalogue().images;
        let mut users: HashMap<Digest, usize> = HashMap::new();
        let reached: Vec<_> = images.iter().map(|image| self.reach(image)).collect();
        for digest in reached.iter().flatten() {
            *users.entry(*digest).or_default() += 1;
        }
        let is_shared = |digest: &&Digest| users.get(digest).is_some_and(|count| *count > 1);
        let listed = images.iter().zip(&reached).map(|(image, digests)| ListedImage {
            image: image.clone(),
            size: self.sum(digests.iter()),
            carried: self.sum_carried(digests.iter()),
            shared: self.sum(digests.iter().filter(is_shared)),
            is_readable: digests.iter().all(|it| !self.is_carried(it) || self.is_whole(it)),
        });
        let repositories = self.catalogue().repositories.iter();
        let manifests = |it: &'_ Repository| it.manifests.iter().map(|held| held.digest).collect::<Vec<_>>();
        let held: HashSet<Digest> =
            repositories.flat_map(|it| it.blobs.iter().copied().chain(manifests(it))).collect();
        let all = || self.catalogue().content.iter().map(|content| &content.digest);
        // What only deltas build on was not asked for.
        let is_left_out = |digest: &&Digest| !self.is_carried(digest) && held.contains(digest);
        Listing {
            images: listed.collect(),
            content: self.catalogue().content.len(),
            carried: self.sum_carried(all()),
            left_out: self.sum(all().filter(is_left_out)),
            shared: self.sum(users.keys().filter(is_shared)),
        }
    }

    fn is_carried(&self, digest: &Digest) -> bool {
        self.content(digest).is_some_and(|content| !content.at.is_empty())
    }

    fn is_whole(&self, digest: &Digest) -> bool {
        self.content(digest).is_some_and(|content| self.is_readable(content))
    }

    /// Sums up what lies in the volumes: of a delta that is less than its content.
    fn sum_carried<'a>(&self, digests: impl Iterator<Item = &'a Digest>) -> u64 {
        let all = digests.filter_map(|digest| self.content(digest)).filter(|it| !it.at.is_empty());
        let carried = all.map(|content| match Delta::of(content) {
            Some(Ok(delta)) => delta.carried(),
            _ => content.size,
        });
        carried.fold(0, u64::saturating_add)
    }

    fn sum<'a>(&self, digests: impl Iterator<Item = &'a Digest>) -> u64 {
        let sizes = digests.filter_map(|digest| self.content(digest)).map(|content| content.size);
        sizes.fold(0, u64::saturating_add)
    }
}

impl ListedDelta {
    fn of(content: &Content) -> Self {
        let delta = Delta::of(content).and_then(Result::ok);
        let encoders = delta.iter().flat_map(|delta| &delta.gzip).flat_map(|recipe| recipe.members());
        Self {
            digest: content.digest,
            size: content.size,
            carried: delta.as_ref().map_or(content.size, Delta::carried),
            encoder: encoders.map(|member| member.encoder().to_string()).next(),
            bases: content.bases.clone(),
            why_whole: content.why_whole.clone(),
        }
    }
}
