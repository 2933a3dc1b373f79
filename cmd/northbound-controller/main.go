// Command northbound-controller keeps OVN networks in step with the pods, Services and namespaces of a cluster.
package main

import (
	"os"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register" // --logging-format=json

	"github.com/northbound-ovn/northbound/pkg/controller"
)

func main() {
	os.Exit(cli.Run(controller.NewCommand(genericapiserver.SetupSignalContext())))
}
