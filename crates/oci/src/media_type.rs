//! The media types that decide something; every other one is carried as it came.
//!
//! Sources: OCI image specification 1.1 `media-types.md`; Docker image manifest version 2, schema 2.

use crate::Kind;

/// An OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// An OCI layer, compressed with gzip.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// The empty descriptor's content, `{}`.
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// A Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// A Docker image manifest, version 2, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// A Docker image configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// A Docker layer, compressed with gzip.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// A Docker layer that its publisher does not want to be pushed to other registries.
pub const DOCKER_FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
/// The beginning of every OCI layer type that is not to be pushed to other registries.
const OCI_NONDISTRIBUTABLE: &str = "application/vnd.oci.image.layer.nondistributable.";

/// The manifest types that a client accepts. Without this list a registry may serve the old schema 1.
pub const MANIFESTS: [&str; 4] = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];

/// Returns a `Content-Type` without its parameters.
#[must_use]
pub fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// Tells what a manifest of this type has to be; `None` where the type is none that says so.
#[must_use]
pub fn kind(media_type: &str) -> Option<Kind> {
    match media_type {
        OCI_INDEX | DOCKER_LIST => Some(Kind::Index),
        OCI_MANIFEST | DOCKER_MANIFEST => Some(Kind::Image),
        _ => None,
    }
}

/// Tells whether a layer of this type may be absent from registries ("foreign", "non-distributable").
#[must_use]
pub fn is_foreign_layer(media_type: &str) -> bool {
    media_type == DOCKER_FOREIGN_LAYER || media_type.starts_with(OCI_NONDISTRIBUTABLE)
}

/// Tells whether a blob of this type is an image configuration, which names the platform.
#[must_use]
pub fn is_image_config(media_type: &str) -> bool {
    media_type == OCI_CONFIG || media_type == DOCKER_CONFIG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_without_parameters_and_say_what_a_manifest_is() {
        for (content_type, expected) in [
            ("application/vnd.oci.image.index.v1+json; charset=utf-8", Some(Kind::Index)),
            (" application/vnd.docker.distribution.manifest.v2+json ", Some(Kind::Image)),
            ("text/plain", None),
            ("", None),
        ] {
            assert_eq!(kind(essence(content_type)), expected, "{content_type}");
        }
    }

    #[test]
    fn foreign_layers_are_known_by_their_type() {
        assert!(is_foreign_layer(DOCKER_FOREIGN_LAYER));
        assert!(is_foreign_layer("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"));
        assert!(!is_foreign_layer(OCI_LAYER_GZIP));
        assert!(!is_foreign_layer(DOCKER_LAYER_GZIP));
    }
}
