//! `control.json`, the patch that makes one fit, and the data controller's resource in an upgrade.

use serde_json::json;

use super::{API_VERSION, ArcKit, PULL_SECRET};
use crate::shell::quoted;
use crate::write::{json, yaml};
use crate::{File, WriteError};

/// What `control.json` has to say. As a merge patch it also fits a data controller that runs.
pub(super) fn block(kit: &ArcKit<'_>) -> Result<File, WriteError> {
    let block = json!({
        "spec": { "credentials": { "dockerRegistry": PULL_SECRET }, "docker": kit.docker() },
    });
    Ok(File::plain("control-docker.json", json(&block)?))
}

/// The same for `az arcdata dc config patch`, whose paths have dots.
pub(super) fn patch(kit: &ArcKit<'_>) -> Result<File, WriteError> {
    let patch = json!({
        "patch": [
            { "op": "add", "path": "spec.docker", "value": kit.docker() },
            { "op": "add", "path": "spec.credentials.dockerRegistry", "value": PULL_SECRET },
        ],
    });
    Ok(File::plain("control-patch.json", json(&patch)?))
}

/// What the `arcdata` extension reads in place of `control.json`.
pub(super) fn variables(kit: &ArcKit<'_>) -> File {
    let text = format!(
        "# What `az arcdata dc create` takes in place of control.json: set -a; . ./docker.env; set +a\n\
         # With DOCKER_USERNAME and DOCKER_PASSWORD it makes the image pull secret as well.\n\
         DOCKER_REGISTRY={}\nDOCKER_REPOSITORY={}\nDOCKER_IMAGE_TAG={}\n",
        quoted(kit.place.registry.as_str()),
        quoted(kit.repository.as_str()),
        quoted(kit.tag.as_str()),
    );
    File::plain("docker.env", text)
}

/// An upgrade that named the tag alone would leave registry and repository to what is there already.
pub(super) fn upgrade(kit: &ArcKit<'_>) -> Result<File, WriteError> {
    let resource = json!({
        "apiVersion": API_VERSION,
        "kind": "DataController",
        "metadata": { "name": kit.controller, "namespace": kit.namespace },
        "spec": { "docker": {
            "registry": kit.place.registry.as_str(),
            "repository": kit.repository.as_str(),
            "imageTag": kit.tag.as_str(),
        } },
    });
    let comment = "Takes the data controller to this release: kubectl apply -f data-controller-upgrade.yaml\n\
                   It goes one minor version at a time, and bootstrapper-upgrade-job.yaml comes first.";
    Ok(File::plain("data-controller-upgrade.yaml", yaml(comment, &[resource])?))
}
