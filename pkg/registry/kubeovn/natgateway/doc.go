// Package natgateway are the kinds of gateways that are pods: VpcNatGateway, its addresses (IptablesEIP), and the rules that it
// applies at them (IptablesFIPRule, IptablesSnatRule, IptablesDnatRule).
//
// They have no rows in the Northbound database: what they describe is done by a pod. Objects, addresses and relations are decided in
// the commit as those of any other kind; status.ready stays false, with a condition that says that no gateway pod serves the object.
package natgateway
