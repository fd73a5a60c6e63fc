//! Azure Arc-enabled data services: a data controller that pulls from a private registry.
//!
//! Whoever consumes the registry composes `registry/repository/image:tag`, with one tag for all images, so the kit
//! needs to know no more than these. The field names are those of the published manifests, of the `arcdata`
//! extension 1.4.0, and of the chart `arcdataservices`.

mod bootstrapper;
mod check;
mod control;
mod extension;
mod readme;
mod secret;

use sealift_oci::{RepositoryName, Tag};

use crate::{File, Place, WriteError};

/// What the image pull secret is called wherever the product looks for it.
pub const PULL_SECRET: &str = "arc-private-registry";
/// The group and version of the data controller's resource.
const API_VERSION: &str = "arcdata.microsoft.com/v5";
/// The image that the bootstrapper and the extension start with.
const BOOTSTRAPPER: &str = "arc-bootstrapper";

/// What a kit is made from.
#[derive(Clone, Copy)]
pub struct ArcKit<'a> {
    /// The registry.
    pub place: &'a Place,
    /// The repository there that the images are below.
    pub repository: &'a RepositoryName,
    /// The tag that all images have.
    pub tag: &'a Tag,
    /// The namespace of the data controller.
    pub namespace: &'a str,
    /// What the data controller is called.
    pub controller: &'a str,
    /// Who pulls.
    pub username: Option<&'a str>,
    /// Their password; it is written into the secret, and nowhere else.
    pub password: Option<&'a str>,
}

impl std::fmt::Debug for ArcKit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArcKit")
            .field("repository", self.repository)
            .field("tag", self.tag)
            .finish_non_exhaustive()
    }
}

impl ArcKit<'_> {
    /// Names one image as everything in the cluster does.
    fn image(&self, name: &str) -> String {
        format!("{}/{}/{name}:{}", self.place.registry, self.repository, self.tag)
    }

    /// Returns what the data controller has to be told of the images.
    fn docker(&self) -> serde_json::Value {
        serde_json::json!({
            "registry": self.place.registry.as_str(),
            "repository": self.repository.as_str(),
            "imageTag": self.tag.as_str(),
            "imagePullPolicy": "Always",
        })
    }
}

/// Makes all files of the kit.
///
/// # Errors
/// When a value cannot be written, which no name is.
pub fn files(kit: &ArcKit<'_>) -> Result<Vec<File>, WriteError> {
    Ok(vec![
        readme::file(kit),
        secret::manifest(kit)?,
        secret::script(kit),
        control::block(kit)?,
        control::patch(kit)?,
        control::variables(kit),
        bootstrapper::job(kit)?,
        bootstrapper::upgrade_job(kit)?,
        control::upgrade(kit)?,
        extension::script(kit),
        check::script(kit),
    ])
}

#[cfg(test)]
mod tests;
