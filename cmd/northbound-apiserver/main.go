// Command northbound-apiserver serves OVN networks as Kubernetes API objects.
package main

import (
	"os"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register" // --logging-format=json

	"github.com/northbound-ovn/northbound/pkg/apiserver"
)

func main() {
	os.Exit(cli.Run(apiserver.NewCommand(genericapiserver.SetupSignalContext())))
}
