//go:build cluster

package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
)

// processes are those in the network of a node: what is on it but its pods on the overlay.
type processes struct {
	node string
	// network is the node's network namespace, as links in /proc name it; root its file system.
	network, root string
	runtimes      []int // containerd
}

func processesOf(t *testing.T, node string) *processes {
	t.Helper()
	network, err := inNode(t.Context(), node, "readlink", "/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	p := &processes{node: node, network: network}
	if p.runtimes = p.running("containerd", ""); len(p.runtimes) == 0 {
		t.Fatalf("%s has no containerd", node)
	}
	p.root = fmt.Sprintf("/proc/%d/root", p.runtimes[0])
	return p
}

// running are the processes of a program of which an argument contains a text.
func (p *processes) running(program, argument string) []int {
	var found []int
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range lines {
		line, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		args := strings.Split(string(line), "\x00")
		if filepath.Base(args[0]) != program || !slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, argument) }) {
			continue
		}
		// A thread may be in another network for a moment.
		threads, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "task/*/ns/net"))
		if slices.ContainsFunc(threads, func(link string) bool {
			network, err := os.Readlink(link)
			return err == nil && network == p.network
		}) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			found = append(found, pid)
		}
	}
	return found
}

// kill kills a program, and says whether it was there.
func (p *processes) kill(t *testing.T, v victim) bool {
	t.Helper()
	found := false
	for _, pid := range p.running(v.program, v.argument) {
		err := unix.Kill(pid, unix.SIGKILL)
		if err != nil && !errors.Is(err, unix.ESRCH) {
			t.Fatal(err)
		}
		found = found || err == nil
	}
	return found
}

// killPlugin kills the next plugin that adds an interface, some time after its start. The function that is returned ends the
// hunt, and says when that was; zero when no plugin was caught.
func (p *processes) killPlugin(t *testing.T, after time.Duration) (end func() time.Time) {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	// Whoever starts a program opens its file.
	if _, err := unix.InotifyAddWatch(fd, filepath.Join(p.root, "opt/cni/bin"), unix.IN_OPEN); err != nil {
		t.Fatal(errors.Join(err, unix.Close(fd)))
	}
	opened := os.NewFile(uintptr(fd), "inotify")
	t.Cleanup(func() { _ = opened.Close() })
	caught := make(chan time.Time, 1)
	go func() {
		events := make([]byte, 1<<16)
		for {
			if _, err := opened.Read(events); err != nil {
				caught <- time.Time{} // it is closed
				return
			}
			if pid := p.addition(); pid != 0 {
				time.Sleep(after) // the random instant
				if isAddition(pid) && unix.Kill(pid, unix.SIGKILL) == nil {
					caught <- time.Now()
					return
				}
			}
		}
	}()
	return func() time.Time {
		_ = opened.Close()
		return <-caught
	}
}

// addition is a plugin's process that adds an interface; 0 when none appears within a moment.
func (p *processes) addition() int {
	for deadline := time.Now().Add(100 * time.Millisecond); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for _, runtime := range p.runtimes {
			files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", runtime))
			for _, file := range files {
				children, _ := os.ReadFile(file)
				for child := range strings.FieldsSeq(string(children)) {
					if pid, _ := strconv.Atoi(child); isAddition(pid) {
						return pid
					}
				}
			}
		}
	}
	return 0
}

// isAddition says whether a process is running, and is a plugin's that adds an interface. One that has ended has no environment.
func isAddition(pid int) bool {
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && slices.ContainsFunc(bytes.Split(environment, []byte{0}), func(v []byte) bool { return string(v) == "CNI_COMMAND=ADD" })
}

// place is the network of the node itself.
func (p *processes) place(t *testing.T) *place {
	t.Helper()
	return openPlace(t, fmt.Sprintf("/proc/%d/ns/net", p.runtimes[0]), nodes[p.node])
}

// podPlace is the network of a pod. Its address does not say which that is: a pod that is deleted by force may have
// had it, and run a moment longer.
func podPlace(t *testing.T, pod *corev1.Pod) *place {
	t.Helper()
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range groups {
		if groups, err := os.ReadFile(file); err == nil && strings.Contains(string(groups), string(pod.UID)) {
			return openPlace(t, filepath.Join(filepath.Dir(file), "ns/net"), pod.Status.PodIP)
		}
	}
	t.Fatalf("pod %s has no process", pod.Name)
	return nil
}

func openPlace(t *testing.T, path, address string) *place {
	t.Helper()
	h, err := host.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return &place{h, address}
}
