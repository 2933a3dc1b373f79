// Package providernetwork is the kind ProviderNetwork: a physical network that nodes are connected with through a bridge. It has
// no rows in the Northbound database: its name is the network_name of the localnet ports of underlay Subnets, which nodes map
// to the bridge.
package providernetwork
