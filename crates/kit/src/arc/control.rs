//! `control.json`, the patch that makes one fit, and the data controller's resource in an upgrade.

use serde_json::json;

use super::{API_VERSION, ArcKit, PULL_SECRET};
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
