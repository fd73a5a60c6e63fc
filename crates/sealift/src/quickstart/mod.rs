//! A small release of real image shape, made on the spot: the images of a real list, layers shared as real
//! ones are, Docker and OCI manifests side by side, one image for two platforms.
//!
//! What is made is the same on every machine and in every run, so the second quickstart finds everything
//! at its target.

mod filler;
mod image;
mod layer;

use std::sync::Arc;

use sealift_catalog::{Release, releases};
use sealift_oci::{Descriptor, Manifest, RepositoryName};
use sealift_store::{MemoryStore, Result, Store, put_blob};

use image::{Form, Image, Part, image, index};
use layer::Layer;

/// The image that is made for two platforms.
const TWO_PLATFORMS: &str = "arc-monitor-fluentbit";
/// The image that is larger than the others, as the real one is.
const LARGE: &str = "arc-sqlmi";
/// The images whose names begin so share a second layer.
const SHARING: &str = "arc-monitor-";

const MEGABYTE: usize = 1_000_000;

/// Returns the newest release whose images are known.
pub(crate) fn newest_listed() -> Option<&'static Release> {
    releases().iter().rev().find(|release| release.images.is_some())
}

/// Makes every image of a release; this computes and does no I/O.
pub(crate) fn build(release: &Release) -> Vec<(String, Image)> {
    let base = Arc::new(Layer::new("base", 13 * MEGABYTE));
    let arm = Arc::new(Layer::new("base-arm64", 4 * MEGABYTE));
    let monitoring = Arc::new(Layer::new("monitoring", 7 * MEGABYTE));
    let names = release.images.iter().flatten().enumerate();
    let images = names.map(|(position, name)| {
        let size = if name == LARGE { 6 * MEGABYTE } else { MEGABYTE * 3 / 4 + position * 20_000 };
        let mut layers = vec![Arc::clone(&base)];
        if name.starts_with(SHARING) {
            layers.push(Arc::clone(&monitoring));
        }
        layers.push(Arc::new(Layer::new(name, size)));
        // Publishers moved from one form to the other over the years; registries hold both.
        let form = if position % 3 == 0 { Form::Docker } else { Form::Oci };
        let image = match name == TWO_PLATFORMS {
            true => {
                let other = vec![Arc::clone(&arm), Arc::new(Layer::new("fluentbit-arm64", MEGABYTE))];
                index(image("amd64", Form::Oci, layers), image("arm64", Form::Oci, other))
            }
            false => image("amd64", form, layers),
        };
        (name.clone(), image)
    });
    images.collect()
}

/// Puts the images of a release into a place in memory.
pub(crate) async fn publish(
    release: &Release,
    images: Vec<(String, Image)>,
    parent: &RepositoryName,
) -> Result<Arc<dyn Store>> {
    let store = MemoryStore::new("the quickstart's source");
    for (name, image) in images {
        let malformed = |error| {
            sealift_store::Error::new(
                sealift_store::ErrorKind::Invalid,
                sealift_store::Operation::PushManifest,
            )
            .because(error)
        };
        let repository = parent.join(&name).map_err(malformed)?;
        let target = store.target(&repository)?;
        for Part { descriptor: Descriptor { digest, size, .. }, bytes } in image.blobs {
            put_blob(target.as_ref(), &digest, size, bytes.into()).await?;
        }
        let last = image.manifests.len().saturating_sub(1);
        for (position, bytes) in image.manifests.into_iter().enumerate() {
            let manifest = Manifest::parse(None, bytes).map_err(|error| {
                sealift_store::Error::new(
                    sealift_store::ErrorKind::Invalid,
                    sealift_store::Operation::PushManifest,
                )
                .because(error)
            })?;
            target.put_manifest(&manifest, (position == last).then_some(&release.tag)).await?;
        }
    }
    Ok(Arc::new(store))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_release_has_the_shape_of_a_real_one() {
        let release = newest_listed().unwrap();
        assert_eq!(release.tag.as_str(), "v1.42.0_2025-10-14");
        let images = build(release);
        assert_eq!(images.len(), 20);
        let blobs: Vec<&Part> = images.iter().flat_map(|(_, image)| &image.blobs).collect();
        let all: u64 = blobs.iter().map(|blob| blob.descriptor.size).sum();
        let mut seen = HashSet::new();
        let distinct = blobs.iter().filter(|blob| seen.insert(blob.descriptor.digest));
        let distinct: u64 = distinct.map(|blob| blob.descriptor.size).sum();
        assert!((20_000_000..40_000_000).contains(&distinct), "{distinct}");
        assert!(all > 4 * distinct, "layers are shared: {all} of {distinct}");
        let types: HashSet<String> = images
            .iter()
            .flat_map(|(_, image)| &image.manifests)
            .map(|bytes| Manifest::parse(None, bytes.clone()).unwrap().descriptor.media_type)
            .collect();
        assert_eq!(types.len(), 3, "{types:?}");
    }

    #[tokio::test]
    async fn a_place_takes_it() {
        let release = newest_listed().unwrap();
        let parent: RepositoryName = "arcdata".parse().unwrap();
        let store = publish(release, build(release), &parent).await.unwrap();
        let source = store.source(&"arcdata/arc-monitor-fluentbit".parse().unwrap());
        let index = source.manifest(&release.tag.clone().into()).await.unwrap();
        assert_eq!(index.links.manifests.len(), 2);
    }
}
