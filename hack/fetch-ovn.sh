#!/bin/bash
# fetch-ovn.sh [RELEASE]: unpack the OVN and OVS of another Debian release (trixie by default), with the libraries that they
# need, below the user's cache. `OVN=<version> go test ...` runs tests with it. Nothing of the system changes: apt works on
# state of its own, as the calling user. Does nothing when that release is unpacked already; --force unpacks it again.
set -euo pipefail

force=
if [ "${1:-}" = --force ]; then force=1; shift; fi
release=${1:-trixie}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/northbound
done_mark=$cache/ovn-$release.version

if [ -z "$force" ] && [ -s "$done_mark" ] && [ -d "$cache/ovn-$(cat "$done_mark")" ]; then
  echo "OVN $(cat "$done_mark") is in $cache/ovn-$(cat "$done_mark")"
  exit 0
fi
for tool in apt-get dpkg-deb tar; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: this needs Debian or a relative of it" >&2; exit 1; }
done

# The mirror that the system uses, if it is one of Debian's.
mirror=$(grep -hoE 'https?://[^] ]+/debian/?([[:space:]]|$)' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1 | tr -d '[:space:]' || true)
mirror=${mirror:-http://deb.debian.org/debian}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || { echo "$keyring is missing: install the package debian-archive-keyring" >&2; exit 1; }

mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists/partial,archives/partial,state,tree/usr/bin,tree/usr/sbin,tree/usr/lib,tree/usr/lib64}
: >"$work/status" # as if nothing were installed, so that all libraries come along
echo "deb [signed-by=$keyring] $mirror $release main" >"$work/sources.list"
apt=(apt-get -qq
  -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
  -o "Dir::State=$work/state" -o "Dir::State::Lists=$work/lists" -o "Dir::State::Status=$work/status"
  -o "Dir::Cache=$work" -o "Dir::Cache::Archives=$work/archives"
  -o APT::Install-Recommends=0 -o "APT::Sandbox::User=$(id -un)" -o Debug::NoLocking=1)
"${apt[@]}" update
"${apt[@]}" -y --download-only install ovn-central ovn-host openvswitch-switch

# A merged /usr, into which the packages' old paths are unpacked, too.
for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$work/tree/$dir"; done
for deb in "$work"/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$deb" | tar -C "$work/tree" -x --keep-directory-symlink --no-same-owner
done

loader=$(ls "$work"/tree/usr/lib/*/ld-linux*.so.* | head -n 1)
version=$("$loader" --library-path "$(dirname "$loader")" --argv0 ovn-northd "$work/tree/usr/bin/ovn-northd" --version |
  sed -n 's/^ovn-northd \([0-9]*\.[0-9]*\).*/\1/p')
[ -n "$version" ] || { echo "the unpacked ovn-northd does not run" >&2; exit 1; }

# Programs and data of OVN and OVS, and libraries: the rest of 200 MB is not needed.
rm -rf "$work/tree/usr/share/"{doc,man,locale,perl,zoneinfo,bash-completion,lintian} "$work/tree/usr/lib/python3"* "$work/tree/etc" "$work/tree/var"
rm -rf "$cache/ovn-$version"
mv "$work/tree" "$cache/ovn-$version"
echo "$version" >"$done_mark"
echo "OVN $version is in $cache/ovn-$version"
