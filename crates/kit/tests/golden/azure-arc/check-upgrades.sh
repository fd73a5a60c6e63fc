#!/bin/sh
# Lists the releases that this registry offers to upgrades: the tags of arc-controller. `az arcdata dc
# list-upgrades` asks for nothing else, and where it fails it lists those of mcr.microsoft.com instead,
# without a word. `sealift login registry.ship.lan:5000` keeps a user for this. By hand it is
#     curl --user USER 'https://registry.ship.lan:5000/v2/offline/arcdata/arc-controller/tags/list?n=10000'
# (with Azure Container Registry; others may want a token first).
set -eu
sealift releases --source-registry registry.ship.lan:5000 --source-repository offline/arcdata "$@"
# Which release the data controller runs:
kubectl get datacontrollers --namespace arc -o custom-columns=BUILD:.spec.docker.imageTag
