//! Which earlier layers a new one is like: the one at the same place of an earlier image, or some of about its size.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use sealift_bundle::{Candidates, Held, PlannedBase, Unplanned};
use sealift_oci::{Descriptor, Digest, Manifest, Platform, RepositoryName};

use super::earlier::Earlier;

/// Smaller blobs are carried as they are: there is nothing to win.
const SMALLEST: u64 = 16 * 1024;
/// How many times as large a layer may become, or small, and still be taken for the one at its place.
const SAME_SIZE: u64 = 2;

/// What a layer may build on, or why it is carried as it is.
pub(super) type Choice = Result<Candidates, Unplanned>;

/// An image that the other side has, or that is packed.
#[derive(Debug)]
pub(super) struct Image {
    /// What bundles call its repository.
    pub(super) name: RepositoryName,
    /// Its repository at the source.
    pub(super) source: RepositoryName,
    platform: Option<Platform>,
    blobs: Vec<Descriptor>,
}

impl Image {
    /// Finds the images of a repository among manifests, with the platforms that the indexes among them tell.
    pub(super) fn all<'a>(
        name: &RepositoryName,
        source: &RepositoryName,
        manifests: impl Iterator<Item = &'a Manifest> + Clone,
    ) -> Vec<Self> {
        let children = manifests.clone().flat_map(|manifest| &manifest.links.manifests);
        let platforms: HashMap<Digest, Platform> =
            children.filter_map(|child| Some((child.digest, child.platform.clone()?))).collect();
        let images = manifests.filter(|manifest| !manifest.links.blobs.is_empty());
        let image = |manifest: &Manifest| Self {
            name: name.clone(),
            source: source.clone(),
            platform: platforms.get(&manifest.digest()).cloned(),
            blobs: manifest.links.blobs.clone(),
        };
        images.map(image).collect()
    }

    /// Lists the layers; the first blob is the configuration.
    fn layers(&self) -> &[Descriptor] {
        self.blobs.get(1..).unwrap_or_default()
    }

    /// Lists the layers that new ones may build on.
    pub(super) fn bases<'a>(&'a self, since: &'a Held) -> impl Iterator<Item = &'a Descriptor> {
        self.layers().iter().filter(move |base| is_base(base, since))
    }

    /// How much this and an earlier image are alike: their platform, the layers that they share, how many they have, and
    /// how long.
    fn likeness(&self, old: &Self) -> (bool, usize, Reverse<usize>, Reverse<u64>) {
        let layers: HashSet<Digest> = self.blobs.iter().map(|blob| blob.digest).collect();
        let shared = old.blobs.iter().filter(|blob| layers.contains(&blob.digest)).count();
        let size = |image: &Self| image.blobs.iter().fold(0, |sum: u64, blob| sum.saturating_add(blob.size));
        (
            self.platform == old.platform,
            shared,
            Reverse(self.blobs.len().abs_diff(old.blobs.len())),
            Reverse(size(self).abs_diff(size(old))),
        )
    }
}

/// Chooses for the layers of a new image that the other side lacks what each may build on: `own` are earlier images of its
/// repository, `others` of all repositories.
pub(super) fn choose<'a>(
    new: &Image,
    own: &'a [Image],
    others: impl Iterator<Item = &'a Image>,
    since: &Held,
    earlier: &Earlier,
) -> Vec<(Digest, Choice)> {
    let old = own.iter().max_by_key(|old| new.likeness(old));
    let pool: Vec<&Image> = match old {
        Some(old) => vec![old],
        None => others.filter(|other| other.platform == new.platform).collect(),
    };
    let by_place = old.filter(|old| old.blobs.len() == new.blobs.len());
    let planned = |base: &Descriptor| PlannedBase {
        digest: base.digest,
        size: base.size,
        is_at_hand: earlier.is_at_hand(&base.digest),
    };
    let choose = |(place, layer): (usize, &Descriptor)| {
        if is_zstd(layer) {
            return (layer.digest, Err(Unplanned::Zstd));
        }
        let same = by_place.and_then(|old| old.layers().get(place));
        let same = same.filter(|base| is_base(base, since) && is_as_large(base, layer));
        let others = by_size(layer, &pool, since).into_iter().map(planned);
        (layer.digest, Candidates::choose(layer.size, same.map(planned), others))
    };
    let layers = new.layers().iter().enumerate();
    let wanted = layers.filter(|(_, it)| since.get(&it.digest).is_none() && is_worth_it(it));
    wanted.map(choose).collect()
}

/// Tells which of two choices for one layer is better: that of a place is better than a guess, and what reads less.
pub(super) fn is_better(one: &Choice, other: &Choice) -> bool {
    let rank = |choice: &Choice| match choice {
        Ok(candidates) => (false, !candidates.is_known(), candidates.reads()),
        Err(_) => (true, true, 0),
    };
    rank(one) < rank(other)
}

/// Lists earlier layers, those first that are about as large.
fn by_size<'a>(layer: &Descriptor, pool: &[&'a Image], since: &'a Held) -> Vec<&'a Descriptor> {
    let mut found: Vec<&Descriptor> = pool.iter().flat_map(|image| image.bases(since)).collect();
    found.sort_by_key(|base| (base.size.abs_diff(layer.size), base.digest));
    found.dedup_by_key(|base| base.digest);
    found
}

/// Tells whether the other side has a layer that is worth it.
fn is_base(base: &Descriptor, since: &Held) -> bool {
    let is_held = since.get(&base.digest).is_some_and(|held| held.size == base.size);
    is_held && is_worth_it(base) && !is_zstd(base)
}

fn is_worth_it(blob: &Descriptor) -> bool {
    blob.size >= SMALLEST && !blob.is_foreign_layer()
}

fn is_zstd(blob: &Descriptor) -> bool {
    blob.media_type.ends_with("zstd")
}

fn is_as_large(base: &Descriptor, layer: &Descriptor) -> bool {
    let (small, large) = (base.size.min(layer.size), base.size.max(layer.size));
    large <= small.saturating_mul(SAME_SIZE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use sealift_store::MemoryStore;

    use super::super::earlier::Shelves;
    use super::*;

    const TAR: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

    fn blob(name: &str, size: u64) -> Descriptor {
        Descriptor::new(TAR, Digest::sha256(name.as_bytes()), size)
    }

    fn image(layers: &[Descriptor]) -> Image {
        let name: RepositoryName = "app".parse().unwrap();
        let blobs = std::iter::once(blob("configuration", 2000)).chain(layers.iter().cloned()).collect();
        Image { name: name.clone(), source: name, platform: None, blobs }
    }

    /// The other side has all layers of some images.
    fn held(images: &[&Image]) -> Held {
        let mut held = Held::default();
        let all = images.iter().flat_map(|image| &image.blobs).map(|blob| (blob.digest, blob.size));
        held.add_left(&all.collect::<BTreeMap<_, _>>());
        held
    }

    fn chosen(new: &Image, own: &[Image], others: &[Image]) -> Vec<(Digest, Choice)> {
        let source = Arc::new(MemoryStore::new("memory"));
        let all: Vec<&Image> = own.iter().chain(others).collect();
        choose(new, own, all.iter().copied(), &held(&all), &Earlier::new(Shelves::none(), source))
    }

    #[test]
    fn a_layer_at_the_same_place_is_the_base_where_it_is_about_as_large() {
        let old = image(&[blob("a", 100_000), blob("b", 300_000), blob("small", 900), blob("same", 50_000)]);
        let zstd =
            Descriptor::new("application/vnd.oci.image.layer.v1.tar+zstd", Digest::sha256(b"z"), 70_000);
        let new = image(&[blob("A", 90_000), blob("B", 140_000), blob("Small", 950), blob("same", 50_000)]);
        let place = chosen(&new, std::slice::from_ref(&old), &[]);
        let reads = |at: usize| place[at].1.as_ref().map(|it| (it.is_known(), it.reads()));
        assert_eq!(place.len(), 2, "what is small, and what is there, is no matter of deltas");
        assert_eq!(reads(0), Ok((true, 100_000)));
        // Looked for among all: 100 kB and 50 kB are compared, 300 kB would be more than it is worth.
        assert_eq!(reads(1), Ok((false, 300_000)));
        let other = chosen(&image(&[zstd]), &[old], &[]);
        assert_eq!(other[0].1, Err(Unplanned::Zstd));
        assert_eq!(chosen(&new, &[], &[])[0].1, Err(Unplanned::Nothing));
    }

    #[test]
    fn the_image_that_is_most_alike_is_compared() {
        let two = [blob("base", 500_000), blob("old", 100_000)];
        let (near, far) = (image(&two), image(&[blob("other base", 500_000), blob("other", 110_000)]));
        let new = image(&[two[0].clone(), blob("new", 110_000)]);
        let choices = chosen(&new, &[far, near], &[]);
        assert_eq!(choices.len(), 1);
        assert_eq!(choices[0].1.as_ref().unwrap().reads(), 100_000);
        // Where a repository is new, those of others are guesses.
        let others = chosen(&image(&[blob("new", 110_000)]), &[], &[image(&two)]);
        let guess = others[0].1.as_ref().unwrap();
        assert_eq!((guess.is_known(), guess.reads()), (false, 100_000));
        assert!(is_better(&choices[0].1, &others[0].1) && !is_better(&Err(Unplanned::Nothing), &others[0].1));
    }
}
