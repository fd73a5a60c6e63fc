//! Direct mode: what the Kubernetes extension has to be told.

use super::{ArcKit, BOOTSTRAPPER};
use crate::File;
use crate::shell::quoted;

/// The command, with what only the site knows left to the environment.
pub(super) fn script(kit: &ArcKit<'_>) -> File {
    let user = kit.username.map(|name| format!("DOCKER_USERNAME=${{DOCKER_USERNAME:-{}}}\n", quoted(name)));
    let text = format!(
        "#!/bin/sh\n\
         # Installs the extension so that it starts from this registry. What follows is passed on to az:\n\
         #     DOCKER_USERNAME=... DOCKER_PASSWORD=... ./extension.sh --cluster-name ... --resource-group ... \\\n\
         #         --cluster-type connectedClusters --name ... --scope cluster --release-namespace ...\n\
         # az takes a password only as an argument, which other users of this machine can see while it runs.\n\
         set -eu\n\
         {}: \"${{DOCKER_USERNAME:?set it to who pulls}}\" \"${{DOCKER_PASSWORD:?set it}}\"\n\
         az k8s-extension create --extension-type microsoft.arcdataservices --auto-upgrade false \\\n    \
         --config imageCredentials.registry={} \\\n    \
         --config imageCredentials.username=\"$DOCKER_USERNAME\" \\\n    \
         --config systemDefaultValues.image={} \\\n    \
         --config-protected imageCredentials.password=\"$DOCKER_PASSWORD\" \"$@\"\n",
        user.unwrap_or_default(),
        quoted(kit.place.registry.as_str()),
        quoted(&kit.image(BOOTSTRAPPER)),
    );
    File::script("extension.sh", text)
}
