#!/usr/bin/env bash
# Fails when generated code is not what hack/update-codegen.sh makes of the sources; shows the difference.
# Works on a copy: the tree is not touched.
#
#   hack/verify-codegen.sh [NB_SCHEMA]
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

# The tree as it is, uncommitted and new files included, deleted ones not.
git ls-files -z --cached --others --exclude-standard -- go.mod go.sum hack pkg |
  while IFS= read -r -d '' file; do [[ ! -e $file ]] || printf '%s\0' "$file"; done |
  tar --create --null --files-from - | tar --extract --directory "$copy"

export CODEGEN_BIN=${CODEGEN_BIN:-$PWD/.cache/codegen/bin}
"$copy/hack/update-codegen.sh" "$@" >/dev/null

status=0
for path in pkg/apis pkg/generated hack/api-rule-violations.txt; do
  diff --recursive --unified --new-file "$path" "$copy/$path" || status=1
done
if ((status)); then
  echo "Generated code is not current: run hack/update-codegen.sh" >&2
fi
exit "$status"
