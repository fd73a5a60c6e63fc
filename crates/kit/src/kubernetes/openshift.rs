//! OpenShift: one set for images that are named by digest, and one for those named by tag.

use serde_json::{Value, json};

use super::Rules;
use super::rules::location;
use crate::write::yaml;
use crate::{File, Place, WriteError};

pub(super) fn digests(place: &Place, rules: &Rules) -> Result<File, WriteError> {
    set(place, rules, "ImageDigestMirrorSet", "imageDigestMirrors", "image-digest-mirror-set.yaml")
}

pub(super) fn tags(place: &Place, rules: &Rules) -> Result<File, WriteError> {
    set(place, rules, "ImageTagMirrorSet", "imageTagMirrors", "image-tag-mirror-set.yaml")
}

fn set(place: &Place, rules: &Rules, kind: &str, field: &str, file: &str) -> Result<File, WriteError> {
    let mut mirrors: Vec<Value> = Vec::new();
    for (registry, moved) in rules.registries() {
        mirrors.extend(moved.all().map(|(from, to)| {
            json!({
                "source": format!("{registry}/{from}"),
                "mirrors": [location(place, to)],
                "mirrorSourcePolicy": "NeverContactSource",
            })
        }));
    }
    let set = json!({
        "apiVersion": "config.openshift.io/v1",
        "kind": kind,
        "metadata": { "name": "sealift" },
        "spec": { field: mirrors },
    });
    let comment = format!("oc apply -f {file}; the nodes are reconfigured one after the other.");
    Ok(File::plain(format!("openshift/{file}"), yaml(&comment, &[set])?))
}
