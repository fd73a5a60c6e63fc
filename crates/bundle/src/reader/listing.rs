//! What people want to know of a bundle before they load it.

use std::collections::HashMap;

use sealift_oci::Digest;

use super::{Bundle, blocking};
use crate::catalogue::Image;
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
            carried: self.sum(digests.iter().filter(|it| self.is_carried(it))),
            shared: self.sum(digests.iter().filter(is_shared)),
            is_readable: digests.iter().all(|it| !self.is_carried(it) || self.is_whole(it)),
        });
        let all = || self.catalogue().content.iter().map(|content| &content.digest);
        Listing {
            images: listed.collect(),
            content: self.catalogue().content.len(),
            carried: self.sum(all().filter(|it| self.is_carried(it))),
            left_out: self.sum(all().filter(|it| !self.is_carried(it))),
            shared: self.sum(users.keys().filter(is_shared)),
        }
    }

    fn is_carried(&self, digest: &Digest) -> bool {
        self.content(digest).is_some_and(|content| !content.at.is_empty())
    }

    fn is_whole(&self, digest: &Digest) -> bool {
        self.content(digest).is_some_and(|content| self.is_readable(content))
    }

    fn sum<'a>(&self, digests: impl Iterator<Item = &'a Digest>) -> u64 {
        let sizes = digests.filter_map(|digest| self.content(digest)).map(|content| content.size);
        sizes.fold(0, u64::saturating_add)
    }
}
