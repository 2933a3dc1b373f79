#!/bin/sh
# Runs the node's Open_vSwitch database.
set -eu
file=/etc/openvswitch/conf.db schema=/usr/share/openvswitch/vswitch.ovsschema
if [ ! -e "$file" ]; then
  ovsdb-tool create "$file.new" "$schema"
  ovsdb-tool transact "$file.new" '["Open_vSwitch", {"op": "insert", "table": "Open_vSwitch", "row": {}}]'
  mv "$file.new" "$file"
elif [ "$(ovsdb-tool needs-conversion "$file" "$schema")" = yes ]; then
  ovsdb-tool convert "$file" "$schema"
fi
rm -f /run/openvswitch/ovsdb-server.pid
exec ovsdb-server "$file" --remote=punix:/run/openvswitch/db.sock --unixctl=/run/openvswitch/ovsdb-server.ctl \
  --pidfile=/run/openvswitch/ovsdb-server.pid --no-chdir -vconsole:info
