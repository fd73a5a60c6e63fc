//! The smallest set that has everything, for tests whose subject is not the images.

use std::io;
use std::path::Path;

use sealift_oci::Platform;

use super::plan::{ImagePlan, PlatformPlan, SetPlan, Style};
use super::set::ImageSet;

/// Makes the set of [`tiny_plan`] in `directory`, in no time.
///
/// # Errors
/// When the directory cannot be written.
pub fn tiny_set(directory: &Path) -> io::Result<ImageSet> {
    tiny_plan().build(directory)
}

/// Returns the plan of two images over one base, of about 70 kB together: `one:1`, which is Docker's and for
/// `linux/amd64`, and `two:1`, an OCI index for `linux/amd64` and `linux/arm64`.
#[must_use]
pub fn tiny_plan() -> SetPlan {
    let on = |architecture: &str, layers: [usize; 2]| PlatformPlan {
        platform: Platform::new("linux", architecture),
        layers: layers.to_vec(),
    };
    let image = |name: &str, style, platforms| {
        let (name, tag) = (name.to_owned(), "1".to_owned());
        ImagePlan { name, tag, style, platforms }
    };
    SetPlan {
        name: "tiny".to_owned(),
        version: 1,
        level: 1,
        layers: vec![30_000, 20_000, 10_000, 10_000],
        images: vec![
            image("one", Style::Docker, vec![on("amd64", [0, 1])]),
            image("two", Style::Oci, vec![on("amd64", [0, 2]), on("arm64", [0, 3])]),
        ],
    }
}
