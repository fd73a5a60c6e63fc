//! What has no way to fit into the bundle that is asked for, found before anything is fetched.

use std::path::Path;

use sealift_bundle::{BundleWriter, Held};
use sealift_mirror::Plan;

use super::Result;
use crate::args::PackArgs;
use crate::errors::CommandError;
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

/// Refuses volumes that are too small for what is carried. Deltas may make that less, so nothing is known of them.
pub(super) fn check_volumes(args: &PackArgs, plan: &Plan, since: &Held, has_deltas: bool) -> Result<()> {
    let Some(VolumeSize(volume_size)) = args.volume_size.filter(|_| !has_deltas) else { return Ok(()) };
    let carried = plan.blobs.iter().map(|blob| &blob.descriptor);
    let sizes = carried.filter(|blob| since.get(&blob.digest).is_none()).map(|blob| blob.size);
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

#[cfg(test)]
mod tests {
    use super::*;

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
