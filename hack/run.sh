#!/usr/bin/env bash
# Runs a standalone server with a private OVN in the foreground: hack/run.sh <data folder> [flags of northbound-apiserver]
set -euo pipefail
cd "$(dirname "$0")/.."
data=$(realpath -m "${1:?data folder}")
shift
cat <<TEXT
Northbound is starting; stop it with Ctrl-C. In another terminal:

    export KUBECONFIG=$data/admin.kubeconfig PATH=$PWD/bin:\$PATH
    kubectl get vpc,subnet
    ovn-nbctl --db=unix:$data/nb.sock show

TEXT
exec bin/northbound-apiserver --standalone --data-dir="$data" --v=1 "$@"
