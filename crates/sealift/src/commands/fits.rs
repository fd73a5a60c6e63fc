//! What has no way to fit into the bundle that is asked for, found before anything is fetched.

use std::path::Path;

use sealift_bundle::{BundleWriter, Held};
use sealift_mirror::Plan;
use sealift_store::platform;

use super::Result;
use super::bundle::existing;
use super::pack::{PIPE, layout_of};
use crate::args::PackArgs;
use crate::errors::CommandError;
use crate::output::units::bytes;
use crate::size::VolumeSize;

/// How files end that are compressed archives.
const COMPRESSED: [&str; 7] = [".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2", ".zip", ".gz"];

/// Refuses a name that speaks of a compressed file: a directory would be called so.
pub(super) fn refuse_compressed(to: &Path) -> Result<()> {
    let name = to.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
    match COMPRESSED.iter().find(|ending| name.ends_with(*ending)).filter(|_| !to.is_dir()) {
        Some(ending) => Err(CommandError::usage(
            format_args!("--to {}: a bundle is not compressed, since layers are", to.display()),
            format_args!("Let the name of a file end in .tar, not in {ending}; other names are directories."),
        )),
        None => Ok(()),
    }
}

/// Refuses volumes that are too small for what is carried, and files that are too large for their disk. Deltas may make it
/// less, so nothing is known of them.
pub(super) fn check_volumes(args: &PackArgs, plan: &Plan, since: &Held, has_deltas: bool) -> Result<()> {
    if has_deltas {
        return Ok(());
    }
    let carried = plan.blobs.iter().map(|blob| &blob.descriptor);
    let sizes = carried.filter(|blob| since.get(&blob.digest).is_none()).map(|blob| blob.size);
    if let Some(to) = args.to.as_deref().filter(|to| *to != Path::new(PIPE) && layout_of(to).is_none()) {
        let bound = platform::largest_file(&existing(to));
        check_largest(to, args.volume_size, sizes.clone().sum(), bound)?;
    }
    let Some(VolumeSize(volume_size)) = args.volume_size else { return Ok(()) };
    match BundleWriter::fits(sizes, Some(volume_size)) {
        true => Ok(()),
        false => Err(CommandError::Refused {
            message: format!(
                "volumes of {volume_size} bytes are too small: there would be more than a bundle can have; nothing was fetched"
            ),
            hint: "Name a larger --volume-size.".to_owned(),
        }),
    }
}

/// Refuses what may come to be a larger file than the disk takes: what is not cut may be one.
fn check_largest(to: &Path, cut: Option<VolumeSize>, carried: u64, bound: Option<u64>) -> Result<()> {
    let largest = cut.map_or(carried, |VolumeSize(size)| size.min(carried));
    let Some(bound) = bound.filter(|bound| largest > *bound) else { return Ok(()) };
    Err(CommandError::Refused {
        message: format!(
            "{}: the file system there (FAT) takes no file of more than {}, and {} are carried; nothing was fetched",
            to.display(),
            bytes(bound),
            bytes(carried)
        ),
        hint: "Pack into a directory of volumes: `--volume-size fat32`.".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_larger_than_a_file_there_may_be_is_refused() {
        let fat = u64::from(u32::MAX);
        for (cut, carried, bound, is_refused) in [
            (None, fat + 1, Some(fat), true),
            (None, fat, Some(fat), false),
            (None, u64::MAX, None, false),
            (Some(VolumeSize(fat)), u64::MAX, Some(fat), false),
            (Some(VolumeSize(fat + 1)), u64::MAX, Some(fat), true),
            (Some(VolumeSize(u64::MAX)), 1000, Some(fat), false),
        ] {
            let words =
                "/mnt/stick/november: the file system there (FAT) takes no file of more than 4.29 GB, ";
            match check_largest(Path::new("/mnt/stick/november"), cut, carried, bound) {
                Ok(()) => assert!(!is_refused, "{cut:?} {carried} {bound:?}"),
                Err(CommandError::Refused { message, .. }) => {
                    assert!(is_refused && message.starts_with(words), "{message}")
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_speaks_of_compression_is_no_directory() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("there.tgz")).unwrap();
        for (name, is_refused) in [
            ("release.tar.gz", true),
            ("release.TGZ", true),
            ("release.zip", true),
            ("release.tar", false),
            ("release", false),
            ("gz", false),
            ("there.tgz", false),
        ] {
            assert_eq!(refuse_compressed(&root.path().join(name)).is_err(), is_refused, "{name}");
        }
    }
}
