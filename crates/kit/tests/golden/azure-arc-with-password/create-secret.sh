#!/bin/sh
# Makes the image pull secret. The password comes from the environment and is not printed:
#     DOCKER_USERNAME=... DOCKER_PASSWORD=... ./create-secret.sh
# Other users of this machine can see it in the list of processes while kubectl runs;
# arc-private-registry.yaml avoids that.
set -eu
DOCKER_USERNAME=${DOCKER_USERNAME:-'it'\''s me'}
: "${DOCKER_USERNAME:?set it to who pulls}" "${DOCKER_PASSWORD:?set it}"
kubectl create secret docker-registry arc-private-registry \
    --namespace arc --docker-server ship.azurecr.io \
    --docker-username "$DOCKER_USERNAME" --docker-password "$DOCKER_PASSWORD" "$@"
