//! Discovery: whatever stands in a file, finding images never panics, and each is one that a list takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealift_catalog::ImageList;
use sealift_catalog::images::{Image, Role, find};

fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let role = [Role::Documents, Role::Values, Role::Template, Role::Chart][usize::from(first % 4)];
    let Ok(found) = find(role, bytes) else { return };
    for finding in found.findings {
        if let Image::Reference { reference, .. } = finding.image {
            assert!(ImageList::parse(&reference.to_string()).is_ok(), "{reference}");
        }
    }
});
