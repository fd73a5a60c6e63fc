//! The check that upgrades rely on: which tags `arc-controller` has in this registry.

use super::ArcKit;
use crate::File;
use crate::shell::quoted;

/// Asks with sealift what `az arcdata dc list-upgrades` asks.
pub(super) fn script(kit: &ArcKit<'_>) -> File {
    let (registry, repository) = (kit.place.registry.as_str(), kit.repository.as_str());
    let plain =
        if kit.place.is_plain_http { format!(" --plain-http {}", quoted(registry)) } else { String::new() };
    let text = format!(
        "#!/bin/sh\n\
         # Lists the releases that this registry offers to upgrades: the tags of arc-controller. `az arcdata dc\n\
         # list-upgrades` asks for nothing else, and where it fails it lists those of mcr.microsoft.com instead,\n\
         # without a word. `sealift login {registry}` keeps a user for this. By hand it is\n\
         #     curl --user USER '{url}/v2/{repository}/arc-controller/tags/list?n=10000'\n\
         # (with Azure Container Registry; others may want a token first).\n\
         set -eu\n\
         sealift releases --source-registry {} --source-repository {repository}{plain} \"$@\"\n\
         # Which release the data controller runs:\n\
         kubectl get datacontrollers --namespace {} -o custom-columns=BUILD:.spec.docker.imageTag\n",
        quoted(registry),
        quoted(kit.namespace),
        url = kit.place.url(),
    );
    File::script("check-upgrades.sh", text)
}
