//! What to do with the files, in order.

use super::{ArcKit, BOOTSTRAPPER, PULL_SECRET};
use crate::File;

/// The text, with what of this registry is known not to work.
pub(super) fn file(kit: &ArcKit<'_>) -> File {
    let warnings: String = warnings(kit).iter().map(|warning| format!("  * {warning}\n")).collect();
    let warnings = if warnings.is_empty() { warnings } else { format!("\nMind\n{warnings}") };
    let text = format!(
        "Azure Arc-enabled data services from {registry}/{repository}, release {tag}\n\
         (written by sealift kit; namespace {namespace}, data controller {controller})\n\
         \n\
         1. The images. This asks for every one, and ends with code 3 where one is missing:\n\
         \x20      sealift lock --tag {tag} --target-registry {registry} --target-repository {repository}\n\
         2. The image pull secret {PULL_SECRET}, either\n\
         \x20      kubectl apply -f arc-private-registry.yaml     (it holds the password; remove it then)\n\
         \x20  or  DOCKER_USERNAME=... DOCKER_PASSWORD=... ./create-secret.sh\n\
         3. A new installation, one of\n\
         \x20  a. With the Azure CLI: az arcdata dc config init --source PROFILE --path ./custom, then\n\
         \x20         az arcdata dc config patch --path ./custom/control.json --patch-file control-patch.json\n\
         \x20         az arcdata dc create --path ./custom ...\n\
         \x20     or write what control-docker.json has into control.json by hand, or set what docker.env has.\n\
         \x20  b. With kubectl alone: arcdata-deployer.yaml of the product, then\n\
         \x20         kubectl apply -f bootstrapper-job.yaml\n\
         \x20     and a data controller whose spec has what control-docker.json has.\n\
         \x20  c. Directly connected: ./extension.sh and the options of your cluster.\n\
         4. An upgrade, one minor version at a time, the data controller first:\n\
         \x20      ./check-upgrades.sh\n\
         \x20      kubectl apply -f bootstrapper-upgrade-job.yaml\n\
         \x20      kubectl apply -f data-controller-upgrade.yaml\n\
         \x20  or  az arcdata dc upgrade --desired-version {tag} ..., first with --dry-run.\n\
         5. The end: uninstall.yaml of the product starts from the bootstrapper, too:\n\
         \x20      {bootstrapper}\n{warnings}",
        bootstrapper = kit.image(BOOTSTRAPPER),
        registry = kit.place.registry,
        repository = kit.repository,
        tag = kit.tag,
        namespace = kit.namespace,
        controller = kit.controller,
    );
    File::plain("README.txt", text)
}

/// What the consumers cannot do, as their code shows it.
fn warnings(kit: &ArcKit<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    if kit.place.is_plain_http {
        warnings.push(
            "The upgrade check of az arcdata speaks HTTPS only, and nodes must be told to use plain HTTP."
                .to_owned(),
        );
    }
    if kit.place.registry.port().is_some() || kit.repository.as_str().contains('/') {
        warnings.push(
            "A registry with a port, or a repository of several parts, breaks the upgrade from v1.0 to v1.1."
                .to_owned(),
        );
    }
    if !kit.place.registry.as_str().ends_with(".azurecr.io") {
        warnings.push(
            "The upgrade check asks for a token as Azure Container Registry gives it. If it lists releases that \
             ./check-upgrades.sh does not, they are those of mcr.microsoft.com: name the release yourself."
                .to_owned(),
        );
    }
    if kit.place.ca.is_some() {
        warnings.push("Each node must trust the authority of the registry's certificate.".to_owned());
    }
    warnings
}
