#!/bin/sh
# Runs a member of OVN's Northbound or Southbound database. usage: database.sh nb|sb PORT RAFT_PORT
# $OVN_CENTRAL is the list of all members' addresses. A member without a file joins the others; the first one on the list
# makes the cluster. (When the first has lost its disk, put another one first, and remove the lost one from the cluster.)
set -eu
db=$1 port=$2 raft=$3
file=/var/lib/ovn/ovn$db.db
case $db in nb) name=OVN_Northbound ;; sb) name=OVN_Southbound ;; esac
if [ ! -e "$file" ]; then
  first=${OVN_CENTRAL%% *}
  if [ "$HOST_IP" = "$first" ]; then
    ovsdb-tool create-cluster "$file.new" /usr/share/ovn/ovn-$db.ovsschema "tcp:$HOST_IP:$raft"
  else
    ovsdb-tool join-cluster "$file.new" $name "tcp:$HOST_IP:$raft" "tcp:$first:$raft"
  fi
  mv "$file.new" "$file"
fi
rm -f "$file.new" "/run/ovn/ovn${db}_db.pid"
exec ovsdb-server "$file" --remote=punix:/run/ovn/ovn${db}_db.sock --remote="ptcp:$port:[::]" \
  --unixctl=/run/ovn/ovn${db}_db.ctl --pidfile=/run/ovn/ovn${db}_db.pid --no-chdir -vconsole:info
