//! What to do with the files, in order.

use std::collections::BTreeSet;

use super::{Mapping, Rules};
use crate::{File, Place};

pub(super) fn file(place: &Place, rules: &Rules, images: &[Mapping]) -> File {
    let text = format!(
        "A cluster that pulls from {registry} (written by sealift kit)\n\
         \n\
         Manifests stay as they are: the nodes are told where images are. Take what fits your nodes.\n\
         \n\
         containerd        containerd/certs.d/ becomes /etc/containerd/certs.d/ on each node, and containerd's\n\
         \x20                 config_path names that directory. No restart.\n\
         CRI-O, Podman     crio/registries.conf.d/50-sealift.conf goes to /etc/containers/registries.conf.d/.\n\
         k3s, RKE2         k3s/registries.yaml goes to /etc/rancher/k3s/ or /etc/rancher/rke2/. Restart it.\n\
         OpenShift         oc apply -f openshift/\n\
         \n\
         Or change the manifests: kustomize/ is a component that gives images their new names{pinned}.\n\
         \n\
         A registry that wants a password: the nodes know none by these files. Make a pull secret,\n\
         \x20   kubectl create secret docker-registry NAME --docker-server {registry} ...\n\
         and name it in imagePullSecrets of pods or of service accounts.\n{limits}",
        registry = place.registry,
        pinned =
            if images.iter().any(|image| image.digest.is_some()) { " and pins their digests" } else { "" },
        limits = limits(place, rules, images),
    );
    File::plain("README.txt", text)
}

/// What some of the files cannot say.
fn limits(place: &Place, rules: &Rules, images: &[Mapping]) -> String {
    let mut limits = Vec::new();
    let others: Vec<&str> = rules
        .registries()
        .filter(|(_, moved)| moved.prefix.is_none())
        .map(|(registry, _)| registry.as_str())
        .collect();
    if !others.is_empty() {
        limits.push(format!(
            "containerd's hosts.toml can only put something in front of names, and more was changed of those from \
             {}: there is no file for it. The other runtimes can, and so can kustomize/.",
            others.join(", ")
        ));
    }
    let renamed: BTreeSet<String> =
        images.iter().filter(|image| is_retagged(image)).map(|it| it.source.to_string()).collect();
    if !renamed.is_empty() {
        limits.push(format!(
            "No runtime can change a tag. Manifests must name the new tag, or use kustomize/, for: {}",
            renamed.into_iter().collect::<Vec<_>>().join(", ")
        ));
    }
    if place.ca.is_some() {
        limits.push(
            "OpenShift and CRI-O trust the registry's authority by /etc/containers/certs.d/HOST:PORT/ca.crt, or by \
             additionalTrustedCA of image.config.openshift.io/cluster."
                .to_owned(),
        );
    }
    let limits: String = limits.iter().map(|limit| format!("  * {limit}\n")).collect();
    if limits.is_empty() { limits } else { format!("\nMind\n{limits}") }
}

/// What is asked for by digest has no tag to lose.
fn is_retagged(image: &Mapping) -> bool {
    image.source.digest.is_none() && image.source.tag != image.tag
}
