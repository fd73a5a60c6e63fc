//! One image with one very large layer, for those who ask what size costs. The layer is a hole: it takes no
//! room before it is copied. Nobody can unpack it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use sealift_oci::{Algorithm, Hasher, Platform};

use super::layer::Layer;
use super::plan::{ImagePlan, PlatformPlan, SetPlan, Style};
use super::set::ImageSet;

/// What is hashed at once.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Returns a set of one image `large:v1` whose layer has `size` bytes; it is made in `cache` first if need be.
///
/// # Errors
/// When the cache cannot be written.
pub fn sparse_set(size: u64, cache: &Path) -> io::Result<ImageSet> {
    let platforms = vec![PlatformPlan { platform: Platform::new("linux", "amd64"), layers: vec![0] }];
    let image = ImagePlan { name: "large".to_owned(), tag: "v1".to_owned(), style: Style::Oci, platforms };
    let name = format!("sparse-{size}");
    let plan = SetPlan { name, version: 1, level: 0, layers: vec![size], images: vec![image] };
    plan.cached_with(cache, |plan, pool| plan.layers.iter().map(|&size| hole(pool, size)).collect())
}

fn hole(pool: &Path, size: u64) -> io::Result<Layer> {
    let staged = pool.join("hole.new");
    File::create(&staged)?.set_len(size)?;
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut left = size;
    while left > 0 {
        let piece = left.min(ZEROS.len() as u64);
        hasher.update(&ZEROS[..piece as usize]);
        left -= piece;
    }
    let digest = hasher.finish();
    fs::rename(staged, pool.join(digest.hex()))?;
    Ok(Layer { digest, size, diff_id: digest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_oci::Digest;

    #[test]
    fn the_layer_is_named_after_its_zeros() {
        let cache = tempfile::tempdir().unwrap();
        let set = sparse_set(100_000, cache.path()).unwrap();
        let layer = &set.image("large").unwrap().manifest.links.blobs[1];
        assert_eq!((layer.digest, layer.size), (Digest::sha256(&[0; 100_000]), 100_000));
        assert_eq!(set.read(&layer.digest).unwrap(), [0; 100_000]);
    }
}
