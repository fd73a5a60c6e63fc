//! What users and lists write for an image: reading never panics, and what is read prints as it reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealift_oci::{Digest, ManifestRef, Platform, Reference, Registry, RepositoryName, Tag};

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse(), Ok(reference));
    }
    if let Ok(registry) = text.parse::<Registry>() {
        assert_eq!(registry.to_string().parse(), Ok(registry));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }
    let _ = (text.parse::<RepositoryName>(), text.parse::<Tag>(), text.parse::<ManifestRef>());
    let _ = text.parse::<Platform>();
});
