//! The bootstrapper, whose image stands in two places: what is started, and what it is told to install from.

use serde_json::{Value, json};

use super::{ArcKit, BOOTSTRAPPER, PULL_SECRET};
use crate::write::yaml;
use crate::{File, WriteError};

/// The account that the publisher's `arcdata-deployer.yaml` makes.
const ACCOUNT: &str = "sa-arcdata-deployer";

/// The job that a new installation begins with.
pub(super) fn job(kit: &ArcKit<'_>) -> Result<File, WriteError> {
    let comment = "Starts an installation: kubectl apply -f bootstrapper-job.yaml\n\
                   The account sa-arcdata-deployer must be there; arcdata-deployer.yaml of the product makes it.";
    let text = yaml(comment, &[resource(kit, "arc-bootstrapper-job")])?;
    Ok(File::plain("bootstrapper-job.yaml", text))
}

/// The job that an upgrade begins with.
pub(super) fn upgrade_job(kit: &ArcKit<'_>) -> Result<File, WriteError> {
    let comment = "Begins an upgrade to this release: kubectl apply -f bootstrapper-upgrade-job.yaml";
    let text = yaml(comment, &[resource(kit, "arc-bootstrapper-upgrade-job")])?;
    Ok(File::plain("bootstrapper-upgrade-job.yaml", text))
}

fn resource(kit: &ArcKit<'_>, name: &str) -> Value {
    let image = kit.image(BOOTSTRAPPER);
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": { "name": name, "namespace": kit.namespace },
        "spec": {
            "template": { "spec": {
                "imagePullSecrets": [{ "name": PULL_SECRET }],
                "containers": [{
                    "name": "bootstrapper",
                    "image": image,
                    "imagePullPolicy": "Always",
                    "command": ["/opt/bootstrapper/bin/bootstrapper"],
                    "args": [
                        "-image", image, "-policy", "Always", "-chart", "/opt/helm/arcdataservices", "-bootstrap",
                    ],
                }],
                "restartPolicy": "Never",
                "serviceAccountName": ACCOUNT,
            } },
            "backoffLimit": 0,
        },
    })
}
