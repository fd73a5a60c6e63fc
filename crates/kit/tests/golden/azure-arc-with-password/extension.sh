#!/bin/sh
# Installs the extension so that it starts from this registry. What follows is passed on to az:
#     DOCKER_USERNAME=... DOCKER_PASSWORD=... ./extension.sh --cluster-name ... --resource-group ... \
#         --cluster-type connectedClusters --name ... --scope cluster --release-namespace ...
# az takes a password only as an argument, which other users of this machine can see while it runs.
set -eu
DOCKER_USERNAME=${DOCKER_USERNAME:-'it'\''s me'}
: "${DOCKER_USERNAME:?set it to who pulls}" "${DOCKER_PASSWORD:?set it}"
az k8s-extension create --extension-type microsoft.arcdataservices --auto-upgrade false \
    --config imageCredentials.registry=ship.azurecr.io \
    --config imageCredentials.username="$DOCKER_USERNAME" \
    --config systemDefaultValues.image=ship.azurecr.io/arcdata/arc-bootstrapper:v1.42.0_2025-10-14 \
    --config-protected imageCredentials.password="$DOCKER_PASSWORD" "$@"
