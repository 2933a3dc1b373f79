#!/bin/sh
# Puts eth1 into a bridge that has the node's tunnel address, and keeps it so.
set -eu
while :; do
  ovs-vsctl --may-exist add-br br-phy -- set bridge br-phy datapath_type=netdev -- --may-exist add-port br-phy eth1
  ip address replace "172.31.0.$((${HOST_IP##*.} - 10))/24" dev br-phy
  ip link set br-phy up
  sleep 5
done
