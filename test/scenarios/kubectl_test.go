package scenarios

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/kubectl/pkg/cmd/apply"
	"k8s.io/kubectl/pkg/cmd/create"
	"k8s.io/kubectl/pkg/cmd/delete"
	"k8s.io/kubectl/pkg/cmd/describe"
	"k8s.io/kubectl/pkg/cmd/edit"
	"k8s.io/kubectl/pkg/cmd/get"
	"k8s.io/kubectl/pkg/cmd/patch"
	"k8s.io/kubectl/pkg/cmd/replace"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/kubectl/pkg/cmd/wait"
	"k8s.io/kubectl/pkg/validation"
)

// one is held by the command that runs: commands share the flags of their process.
var one sync.Mutex

// kubectl runs kubectl's own commands inside the test, which is many times faster than to start it for each.
type kubectl struct {
	factory cmdutil.Factory
	// output is what the running command has printed, on both streams.
	output *bytes.Buffer
}

// refusal is what a kubectl command ends with instead of os.Exit.
type refusal struct{ message string }

func init() {
	cmdutil.BehaviorOnFatal(func(message string, _ int) { panic(refusal{message}) })
}

func newKubectl(kubeconfig, cacheDir string) *kubectl {
	k := &kubectl{output: new(bytes.Buffer)}
	flags := genericclioptions.NewConfigFlags(true).WithDiscoveryBurst(300).WithDiscoveryQPS(-1)
	flags.KubeConfig, flags.CacheDir = &kubeconfig, &cacheDir
	flags.WithWrapConfigFn(func(c *rest.Config) *rest.Config {
		c.QPS = -1
		c.WarningHandlerWithContext = warnings{k.output}
		return c
	})
	k.factory = &factory{Factory: cmdutil.NewFactory(cmdutil.NewMatchVersionFlags(flags)), validators: map[string]validation.Schema{}}
	return k
}

// factory keeps what commands would otherwise find out anew from the server's whole OpenAPI document: whether it validates
// fields itself.
type factory struct {
	cmdutil.Factory
	validators map[string]validation.Schema
}

// Validator implements cmdutil.Factory.
func (f *factory) Validator(directive string) (validation.Schema, error) {
	if v := f.validators[directive]; v != nil {
		return v, nil
	}
	v, err := f.Factory.Validator(directive)
	if err == nil {
		f.validators[directive] = v
	}
	return v, err
}

// warnings prints warnings as kubectl does, but on the stream of this command and not of the whole process.
type warnings struct{ out *bytes.Buffer }

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (w warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	line := "Warning: " + text + "\n"
	if !strings.Contains(w.out.String(), line) { // kubectl says each once
		w.out.WriteString(line)
	}
}

// run is one command line without the word kubectl; files are those of the folder.
func (k *kubectl) run(ctx context.Context, folder string, args ...string) (output string, ok bool) {
	one.Lock()
	defer one.Unlock()
	k.output.Reset()
	streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: k.output, ErrOut: k.output}
	root := &cobra.Command{Use: "kubectl", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(apply.NewCmdApply("kubectl", k.factory, streams), create.NewCmdCreate(k.factory, streams),
		delete.NewCmdDelete(k.factory, streams), describe.NewCmdDescribe("kubectl", k.factory, streams),
		edit.NewCmdEdit(k.factory, streams), get.NewCmdGet("kubectl", k.factory, streams), patch.NewCmdPatch(k.factory, streams),
		replace.NewCmdReplace(k.factory, streams), wait.NewCmdWait(k.factory, streams))
	root.SetOut(k.output)
	root.SetErr(k.output)
	args = slices.Clone(args)
	for i := 1; i < len(args); i++ {
		if args[i-1] == "-f" {
			args[i] = filepath.Join(folder, args[i])
		}
	}
	root.SetArgs(args)
	ok = true
	func() {
		defer func() {
			switch r := recover().(type) {
			case nil:
			case refusal:
				fmt.Fprintln(k.output, strings.TrimSuffix(r.message, "\n"))
				ok = false
			default:
				panic(r)
			}
		}()
		cmdutil.CheckErr(root.ExecuteContext(ctx))
	}()
	return strings.ReplaceAll(k.output.String(), folder+"/", ""), ok
}
