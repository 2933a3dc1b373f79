#!/bin/sh
# Puts eth1 into a bridge that has the node's tunnel address, and keeps it so. Open vSwitch, which is started at the same time, may come
# later, or go for a while.
set -u
address="172.31.0.$((${HOST_IP##*.} - 10))/24"
while :; do
  if ovs-vsctl --timeout=10 --may-exist add-br br-phy -- set bridge br-phy datapath_type=netdev -- --may-exist add-port br-phy eth1 &&
    ip address replace "$address" dev br-phy && ip link set br-phy up; then
    sleep 5
  else
    sleep 0.2
  fi
done
