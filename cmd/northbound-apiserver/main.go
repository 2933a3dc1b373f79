// Command northbound-apiserver serves OVN networks as Kubernetes API objects.
package main

import (
	"os"
	"runtime/debug"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register" // --logging-format=json

	"github.com/northbound-ovn/northbound/pkg/apiserver"
)

// gcPercent is twice Go's default, which collects after every few hundred requests while there are few objects. It costs memory for
// garbage as large as the objects themselves: some 6 KB for each. The environment variable GOGC overrides it.
const gcPercent = 200

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(cli.Run(apiserver.NewCommand(genericapiserver.SetupSignalContext())))
}
