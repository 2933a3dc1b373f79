#!/bin/bash
# install-deps.sh [lab|e2e]: install the Debian packages that Northbound needs to run and to be tested, with "lab" also those of
# the nodes of "make cluster", with "e2e" besides these what "make test-e2e" puts into images; those that are missing. On Debian 12
# and 13 and on Ubuntu 24.04, as root or through sudo.
# Without anything missing it does not call apt at all.
# It leaves no service of what it installs running or enabled: Northbound and its tests start the programs themselves.
set -euo pipefail

packages=(
  ovn-central ovn-common           # ovn-northd, ovn-nbctl and the schemas
  ovn-host                         # ovn-controller
  openvswitch-switch openvswitch-common # ovsdb-server, ovsdb-tool, ovs-vswitchd
  iproute2 iputils-ping            # network namespaces of tests, and what they send
  nftables ethtool                 # what tests of the agent look at a node with
  gcc libc6-dev                    # the race detector of "go test -race" is linked through cgo
)
lab=(
  containerd runc containernetworking-plugins # container runtime; the plugin loopback
  busybox-static                   # the shell in images
  util-linux procps
)
e2e=(curl wget bind9-dnsutils netcat-openbsd) # what Kubernetes' tests call in containers
case ${1-} in
"") ;;
lab) packages+=("${lab[@]}") ;;
e2e) packages+=("${lab[@]}" "${e2e[@]}") ;;
*) echo "usage: install-deps.sh [lab|e2e]" >&2; exit 2 ;;
esac
policy=/usr/sbin/policy-rc.d

fail() { echo "install-deps.sh: $*" >&2; exit 1; }

check_go() {
  local want have
  want=$(sed -n 's/^go \([0-9.]*\)$/\1/p' "$(dirname "$0")/../go.mod")
  command -v go >/dev/null || fail "Go is missing: install Go $want or newer from https://go.dev/dl/ and put it into PATH"
  have=$(GOTOOLCHAIN=local go version | sed -n 's/^go version go\([0-9.]*\).*/\1/p')
  [ "$(printf '%s\n' "$want" "$have" | sort -V | head -n 1)" = "$want" ] ||
    fail "Go $have is too old: install Go $want or newer from https://go.dev/dl/"
}

missing_packages() {
  local p
  for p in "${packages[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null || true)" = installed ] || echo "$p"
  done
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Packages start their services when they are installed, unless this program forbids it; see invoke-rc.d(8).
forbid_services() {
  if [ -e "$policy" ] || [ -L "$policy" ]; then return; fi
  trap 'as_root rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
}

# Services of packages that were there before are not ours to touch.
disable_services() {
  local files units scripts
  files=$(dpkg -L "$@")
  mapfile -t units < <(sed -nE 's#^(/usr)?/lib/systemd/system/((ov|openvswitch|containerd|nftables)[^/@]*\.service)$#\2#p' <<<"$files" | sort -u)
  if [ ${#units[@]} -gt 0 ]; then
    if command -v systemctl >/dev/null; then
      as_root systemctl disable --quiet "${units[@]}"
    else # packages enable units for a systemd that may come later
      as_root env DPKG_MAINTSCRIPT_PACKAGE=ovn-central deb-systemd-helper disable "${units[@]}"
    fi
    if [ -d /run/systemd/system ]; then as_root systemctl stop "${units[@]}"; fi
  fi
  mapfile -t scripts < <(sed -nE 's#^/etc/init\.d/((ov|openvswitch|containerd).*)$#\1#p' <<<"$files")
  local script
  for script in "${scripts[@]}"; do as_root update-rc.d "$script" disable; done
}

check_go
command -v dpkg-query >/dev/null || fail "this is neither Debian nor a relative of it: install OVN 23.03 or newer and Open vSwitch in another way"
mapfile -t missing < <(missing_packages)
if [ ${#missing[@]} -eq 0 ]; then
  echo "Nothing is missing."
  exit 0
fi
[ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || fail "installing ${missing[*]} needs root, and there is no sudo"

forbid_services
as_root apt-get -qq update
as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}"
disable_services "${missing[@]}"
mapfile -t missing < <(missing_packages)
[ ${#missing[@]} -eq 0 ] || fail "still missing: ${missing[*]}"
echo "Everything is installed."
