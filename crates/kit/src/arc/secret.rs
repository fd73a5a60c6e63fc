//! The image pull secret, as a manifest and as the command that makes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{ArcKit, PULL_SECRET};
use crate::shell::quoted;
use crate::write::yaml;
use crate::{File, WriteError};

/// What stands for a password that is not given.
const NO_PASSWORD: &str = "REPLACE-THIS-PASSWORD";
/// And for a user.
const NO_USER: &str = "REPLACE-THIS-USER";

/// The manifest. It is for its owner alone even while a place-holder is in it: the password comes next.
pub(super) fn manifest(kit: &ArcKit<'_>) -> Result<File, WriteError> {
    let (username, password) = (kit.username.unwrap_or(NO_USER), kit.password.unwrap_or(NO_PASSWORD));
    let mut account = json!({ "username": username, "password": password });
    if kit.password.is_some() {
        account["auth"] = STANDARD.encode(format!("{username}:{password}")).into();
    }
    let registry = kit.place.registry.as_str();
    let config = json!({ "auths": { registry: account } }).to_string();
    let is_whole = kit.username.is_some() && kit.password.is_some();
    // Whoever fills in the place-holders has to be able to read them.
    let (field, value) = if is_whole { ("data", STANDARD.encode(config)) } else { ("stringData", config) };
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": { "name": PULL_SECRET, "namespace": kit.namespace },
        field: { ".dockerconfigjson": value },
    });
    let comment = if is_whole {
        "Holds a password. kubectl apply -f arc-private-registry.yaml, and then remove the file."
    } else {
        "Has place-holders: fill them in, or run create-secret.sh instead."
    };
    Ok(File::secret("arc-private-registry.yaml", yaml(comment, &[secret])?))
}

/// The command. kubectl takes a password only as an argument, which other users of the machine can see for a moment.
pub(super) fn script(kit: &ArcKit<'_>) -> File {
    let default =
        kit.username.map(|name| format!("DOCKER_USERNAME=${{DOCKER_USERNAME:-{}}}\n", quoted(name)));
    let text = format!(
        "#!/bin/sh\n\
         # Makes the image pull secret. The password comes from the environment and is not printed:\n\
         #     DOCKER_USERNAME=... DOCKER_PASSWORD=... ./create-secret.sh\n\
         # Other users of this machine can see it in the list of processes while kubectl runs;\n\
         # arc-private-registry.yaml avoids that.\n\
         set -eu\n\
         {}: \"${{DOCKER_USERNAME:?set it to who pulls}}\" \"${{DOCKER_PASSWORD:?set it}}\"\n\
         kubectl create secret docker-registry {PULL_SECRET} \\\n    \
         --namespace {} --docker-server {} \\\n    \
         --docker-username \"$DOCKER_USERNAME\" --docker-password \"$DOCKER_PASSWORD\" \"$@\"\n",
        default.unwrap_or_default(),
        quoted(kit.namespace),
        quoted(kit.place.registry.as_str()),
    );
    File::script("create-secret.sh", text)
}
