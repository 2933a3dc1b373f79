// Package chassis is the kind Chassis: a node of the overlay. The agent of the node writes it; those with spec.externalGateway
// are the gateways of all routers' ports in external Subnets.
package chassis
