#!/usr/bin/env bash
# Checks what needs no test to be seen: generated code is current, formatting, vet, staticcheck, the direction of imports.
# All checks run; the status is 0 when all of them passed.
set -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
failed=()

check() {
  local name=$1
  shift
  echo "== $name"
  "$@" || failed+=("$name")
}

formatted() {
  local files
  files=$(find cmd hack pkg test -name '*.go' -print0 | xargs -0 gofmt -l) || return
  [[ -z $files ]] || { printf 'not formatted: %s\n' "$files"; return 1; }
}

# Generated code follows its generators' taste.
static() { go list ./... | grep -v '/pkg/generated/' | xargs go tool staticcheck; }

check 'generated code is current' hack/verify-codegen.sh
check 'gofmt' formatted
check 'go vet' go vet ./...
check 'staticcheck' static
check 'direction of imports' go test -count=1 ./test

if ((${#failed[@]})); then
  printf 'FAILED: %s\n' "${failed[@]}"
  exit 1
fi
