#!/bin/sh
# Installs the extension so that it starts from this registry. What follows is passed on to az:
#     DOCKER_USERNAME=... DOCKER_PASSWORD=... ./extension.sh --cluster-name ... --resource-group ... \
#         --cluster-type connectedClusters --name ... --scope cluster --release-namespace ...
# az takes a password only as an argument, which other users of this machine can see while it runs.
set -eu
DOCKER_USERNAME=${DOCKER_USERNAME:-captain}
: "${DOCKER_USERNAME:?set it to who pulls}" "${DOCKER_PASSWORD:?set it}"
az k8s-extension create --extension-type microsoft.arcdataservices --auto-upgrade false \
    --config imageCredentials.registry=registry.ship.lan:5000 \
    --config imageCredentials.username="$DOCKER_USERNAME" \
    --config systemDefaultValues.image=registry.ship.lan:5000/offline/arcdata/arc-bootstrapper:v1.42.0_2025-10-14 \
    --config-protected imageCredentials.password="$DOCKER_PASSWORD" "$@"
