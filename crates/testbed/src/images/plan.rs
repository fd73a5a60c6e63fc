//! What an image set shall be made of.

use sealift_oci::Platform;
use sealift_oci::media_type;

/// A set of images that is wanted. [`SetPlan::cached`] and [`SetPlan::build`] make it.
#[derive(Clone, Debug)]
pub struct SetPlan {
    /// The name of the set, part of its directory's name.
    pub name: String,
    /// The version of the set, part of its directory's name; another one makes the set anew.
    pub version: u32,
    /// The gzip level of the layers: 1 is quick, 6 is what publishers use.
    pub level: u32,
    /// The compressed size that each layer should have. An image names a layer by its place here.
    pub layers: Vec<u64>,
    /// The images.
    pub images: Vec<ImagePlan>,
}

/// One image of a [`SetPlan`].
#[derive(Clone, Debug)]
pub struct ImagePlan {
    /// The name, which becomes the last part of the repository's name.
    pub name: String,
    /// The tag.
    pub tag: String,
    /// Whose media types the image has.
    pub style: Style,
    /// What it holds for each platform. More than one makes the image an index.
    pub platforms: Vec<PlatformPlan>,
}

/// What an image holds for one platform.
#[derive(Clone, Debug)]
pub struct PlatformPlan {
    /// The platform.
    pub platform: Platform,
    /// The layers, lowest first, as places in [`SetPlan::layers`].
    pub layers: Vec<usize>,
}

/// Whose media types an image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Docker image manifest version 2, schema 2.
    Docker,
    /// OCI image specification 1.
    Oci,
}

impl Style {
    pub(super) fn manifest(self) -> &'static str {
        match self {
            Self::Docker => media_type::DOCKER_MANIFEST,
            Self::Oci => media_type::OCI_MANIFEST,
        }
    }

    pub(super) fn index(self) -> &'static str {
        match self {
            Self::Docker => media_type::DOCKER_LIST,
            Self::Oci => media_type::OCI_INDEX,
        }
    }

    pub(super) fn config(self) -> &'static str {
        match self {
            Self::Docker => media_type::DOCKER_CONFIG,
            Self::Oci => media_type::OCI_CONFIG,
        }
    }

    pub(super) fn layer(self) -> &'static str {
        match self {
            Self::Docker => media_type::DOCKER_LAYER_GZIP,
            Self::Oci => media_type::OCI_LAYER_GZIP,
        }
    }
}
