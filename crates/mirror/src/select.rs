//! What is wanted: images, in groups that become complete together.

use sealift_oci::{ManifestRef, RepositoryName, Tag};

/// Everything that one run is asked to carry.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The groups, in the order in which they shall become complete: older releases first.
    pub groups: Vec<Group>,
}

/// Images that belong together, such as a release.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// What the group is called: a release's tag. Images that belong to nothing have no name.
    pub name: Option<String>,
    /// The images.
    pub images: Vec<ImageRequest>,
}

/// One image that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRequest {
    /// What people call the image: `arc-sqlmi`.
    pub name: String,
    /// Its repository at the source.
    pub source: RepositoryName,
    /// Its tag or digest there.
    pub reference: ManifestRef,
    /// Its repository at the target.
    pub target: RepositoryName,
    /// Its tag there; without one it is put by its digest.
    pub tag: Option<Tag>,
    /// The source need not have it: then it is "not part of this release", and no error.
    pub optional: bool,
    /// It is tagged last, and only if every other image of the group is there: who looks at this
    /// image's tags must never find a half-done group.
    pub gate: bool,
}

impl ImageRequest {
    /// Writes where the image comes from: `repository:tag` or `repository@digest`.
    #[must_use]
    pub fn source_name(&self) -> String {
        name(&self.source, &self.reference)
    }

    /// Writes where the image goes.
    #[must_use]
    pub fn target_name(&self) -> String {
        match &self.tag {
            Some(tag) => format!("{}:{tag}", self.target),
            None => name(&self.target, &self.reference),
        }
    }
}

/// Writes a manifest's name as people do: a tag behind a colon, a digest behind an at sign.
pub(crate) fn name(repository: &RepositoryName, reference: &ManifestRef) -> String {
    match reference {
        ManifestRef::Tag(tag) => format!("{repository}:{tag}"),
        ManifestRef::Digest(digest) => format!("{repository}@{digest}"),
    }
}
