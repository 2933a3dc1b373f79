// Package apiserver serves the API group kubeovn.io with the Northbound database as its storage: k8s.io/apiserver's
// request handling on top of pkg/storage's engine.
//
//	command.go    the command line
//	options.go    flags; config.go makes of them what the server needs
//	scheme.go     the types, and the media types they are served as
//	kinds.go      the table of kinds: the only place that knows all of them
//	rest.go       one resource over the engine; dryrun.go its dry run
//	server.go     the running server: engine, API, embedded database; the order in which they start and stop
//	defaults.go   the objects that exist from the first start
//	metrics.go    what /metrics says about the engine
//
// Nothing that a client needs for discovery (/apis, /openapi, /livez, /readyz) depends on the database: an aggregated group
// whose discovery fails keeps every namespace of the cluster from being deleted. /readyz/nb tells about the database.
package apiserver
