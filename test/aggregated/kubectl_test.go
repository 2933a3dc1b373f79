//go:build aggregated

package aggregated

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// kubectl runs kubectl as the administrator, with text as its input, and returns what it printed.
func kubectl(t *testing.T, input string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	return kubectlAs(t, cluster.AdminKubeconfig, input, args...)
}

func kubectlAs(t *testing.T, kubeconfig, input string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	command := kubectlCommand(ctx, kubeconfig, args...)
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(input), &out, &errs
	err = command.Run()
	return out.String(), errs.String(), err
}

// kubectlCommand has a cache of its own for each user: what kubectl knows of a server outlives both.
func kubectlCommand(ctx context.Context, kubeconfig string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, filepath.Join(cluster.Programs, "kubectl"), args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "KUBECACHEDIR="+kubeconfig+".cache", "KUBERC=off")
	return command
}

// must is kubectl that has to succeed; it returns the standard output.
func must(t *testing.T, input string, args ...string) string {
	t.Helper()
	stdout, stderr, err := kubectl(t, input, args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s%s", strings.Join(args, " "), err, stdout, stderr)
	}
	return stdout
}

// refused is kubectl that has to fail; it returns the standard error.
func refused(t *testing.T, input string, args ...string) string {
	t.Helper()
	stdout, stderr, err := kubectl(t, input, args...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("kubectl %s: got %v, want it refused\n%s%s", strings.Join(args, " "), err, stdout, stderr)
	}
	return stderr
}

// apply creates objects that are deleted when the test ends.
func apply(t *testing.T, manifest string) {
	t.Helper()
	must(t, manifest, "apply", "-f", "-")
	t.Cleanup(func() { remove(t, manifest) })
}

// remove runs after the test's own context has ended.
func remove(t *testing.T, manifest string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	command := kubectlCommand(ctx, cluster.AdminKubeconfig, "delete", "--ignore-not-found", "-f", "-")
	command.Stdin = strings.NewReader(manifest)
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("kubectl delete: %v\n%s", err, out)
	}
}

// contains reports every one of the wanted texts that got lacks.
func contains(t *testing.T, what, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%s lacks %q:\n%s", what, w, got)
		}
	}
}
