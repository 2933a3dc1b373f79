package apiserver

import "github.com/northbound-ovn/northbound/pkg/storage"

// EngineOptions are those of the engine of a server with these options, for a test that opens another one on its database.
func EngineOptions(o *Options, address string) (storage.Options, error) {
	return o.engineOptions(address)
}
