#!/usr/bin/env bash
# Regenerates all generated code: deep copies, defaults, OpenAPI, clients, and the model of the Northbound schema.
#
#   hack/update-codegen.sh [NB_SCHEMA]
#
# NB_SCHEMA is the oldest supported Northbound schema (default: the one of the installed OVN). The model is only
# regenerated from that version; with another one, or none, what is committed stays.
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
module=github.com/northbound-ovn/northbound
models=io.kubeovn.v1.
go_models=com.github.northbound-ovn.northbound.pkg.apis.kubeovn.v1.
boilerplate=hack/boilerplate.go.txt
oldest_nb_version=7.0.0
nb_schema=${1:-/usr/share/ovn/ovn-nb.ovsschema}

# Generators are built here, not in the user's GOBIN.
export GOBIN=${CODEGEN_BIN:-$PWD/.cache/codegen/bin}
mkdir -p "$GOBIN"
codegen=$(go list -m -f '{{.Dir}}' k8s.io/code-generator)
# A fresh module cache does not have the source of modules that nothing was built from yet.
[[ -n $codegen ]] || codegen=$(go mod download -json k8s.io/code-generator | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
# shellcheck source=/dev/null
source "$codegen/kube_codegen.sh"

kube::codegen::gen_helpers --boilerplate "$boilerplate" pkg/apis

# The report lists where names in Go and JSON differ in more than case: Kube-OVN's names, which stay. Anything new shows as
# a difference of this file.
kube::codegen::gen_openapi \
  --boilerplate "$boilerplate" \
  --output-dir pkg/generated/openapi \
  --output-pkg "$module/pkg/generated/openapi" \
  --output-model-name-file zz_generated.model_name.go \
  --report-filename hack/api-rule-violations.txt \
  --update-report \
  pkg/apis

# The apply configurations embed the schema, so that Extract functions know the owners of fields.
schema=$(mktemp)
trap 'rm -f "$schema"' EXIT
go run ./hack/models-schema >"$schema"

# Files of kinds that are gone must go, too.
rm -rf pkg/generated/{applyconfiguration,clientset,listers,informers}
mkdir -p pkg/generated/{applyconfiguration,clientset,listers,informers}
kube::codegen::gen_client \
  --boilerplate "$boilerplate" \
  --output-dir pkg/generated \
  --output-pkg "$module/pkg/generated" \
  --clientset-name clientset \
  --with-watch \
  --with-applyconfig \
  --applyconfig-openapi-schema "$schema" \
  --plural-exceptions Chassis:Chassis,VpcDns:VpcDnses,PodInterfaces:PodInterfaces \
  pkg/apis

# The generator names models by Go package, but objects are looked up by the name that their type gives (OpenAPIModelName).
grep --recursive --files-with-matches --fixed-strings "$go_models" pkg/generated/applyconfiguration |
  xargs sed --in-place "s/${go_models//./\\.}/$models/g"

nb_version=$(sed -n 's/^ *"version": "\(.*\)",$/\1/p' "$nb_schema" 2>/dev/null | head -n 1 || true)
if [[ $nb_version == "$oldest_nb_version" ]]; then
  echo "Generating the Northbound model of schema $nb_version"
  rm -rf pkg/generated/ovnnb
  go tool modelgen -p ovnnb -o pkg/generated/ovnnb "$nb_schema"
else
  echo "Northbound model left alone: $nb_schema has version ${nb_version:-none}, not $oldest_nb_version"
fi
