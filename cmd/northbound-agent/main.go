// Command northbound-agent keeps a node of the overlay as the API says, and plugs its pods.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register" // --logging-format=json

	"github.com/northbound-ovn/northbound/pkg/agent"
)

// init keeps the main thread to main. A goroutine that is in a pod's network never leaves its thread, and would for good hold
// that network, and be what /proc/self and others take for the agent's, if it were the main one.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Run(agent.NewCommand(ctx)))
}
