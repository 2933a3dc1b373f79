//go:build cluster

package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// victims are the programs that the test kills, by what is in their command lines.
var victims = []string{
	"northbound-agent", "kube-ovn", "northbound-apiserver", "northbound-controller",
	"ovn-controller", "ovs-vswitchd", "ovn-northd", "/ovnnb.db", "/ovnsb.db", "/openvswitch/conf.db",
}

// harmless are those without which pods that run talk as before.
var harmless = map[string]bool{"northbound-agent": true, "northbound-apiserver": true, "northbound-controller": true}

// killed kills a program on a node, and says whether it was there.
func killed(ctx context.Context, node, program string) (bool, error) {
	script := `for p in /proc/[0-9]*; do
		[ "${p#/proc/}" != $$ ] && tr '\0' ' ' <$p/cmdline 2>/dev/null | grep -qF -e "$VICTIM" && kill -9 ${p#/proc/} && echo killed
	done; true`
	out, err := inNode(ctx, node, "env", "VICTIM="+program, "sh", "-c", script)
	return out != "", err
}

// TestKilledProgramsLeaveEveryPodWithItsNetwork kills each once; $NORTHBOUND_KILL_ROUNDS says otherwise.
func TestKilledProgramsLeaveEveryPodWithItsNetwork(t *testing.T) {
	rounds := len(victims)
	if text := os.Getenv("NORTHBOUND_KILL_ROUNDS"); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	before := leftovers(t)
	ns := namespace(t)
	started(t, ns, "fixed-1", node1, nil)
	target := started(t, ns, "fixed-2", node2, nil)
	random := rand.New(rand.NewPCG(uint64(os.Getpid()), 1))
	living := []string{"fixed-1", "fixed-2"}
	var order []int
	for round := range rounds {
		if len(order) == 0 {
			order = random.Perm(len(victims))
		}
		program := victims[order[0]]
		order = order[1:]
		node, other := node1, node2
		if random.IntN(2) == 0 {
			node, other = node2, node1
		}
		name := fmt.Sprintf("round-%d", round)
		start(t, ns, name, []string{node1, node2}[random.IntN(2)], nil)
		living = append(living, name)
		if round > 1 {
			gone := living[2]
			living = append(living[:2:2], living[3:]...)
			now := int64(0)
			if err := kube.CoreV1().Pods(ns).Delete(t.Context(), gone, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Duration(random.IntN(600)) * time.Millisecond) // the random instant
		begin := time.Now()
		found, err := killed(t.Context(), node, program)
		if err == nil && !found { // OVN's databases are on one node
			node = other
			found, err = killed(t.Context(), node, program)
		}
		if err != nil {
			t.Fatal(err)
		}
		if found && harmless[program] {
			if _, err := inNode(t.Context(), node1, "ping", "-c", "5", "-i", "0.2", "-W", "1", target); err != nil {
				t.Errorf("without %s on %s: %v", program, node, err)
			}
		}
		for _, pod := range living {
			address := ready(t, ns, pod)
			from := "fixed-1"
			if pod == from {
				from = "fixed-2"
			}
			answers(t, ns, from, "http://"+address+":8080/", pod)
		}
		t.Logf("%s on %s (%v): all is well after %v", program, node, found, time.Since(begin).Round(100*time.Millisecond))
	}
	eventually(t, "one address for each pod", func(ctx context.Context) error {
		ips, err := addresses(ctx, ns)
		if err != nil {
			return err
		}
		var errs []error
		for _, pod := range living {
			if _, ok := ips[pod+"."+ns]; !ok {
				errs = append(errs, errors.New(pod+" has no IP"))
			}
		}
		if len(ips) != len(living) {
			errs = append(errs, fmt.Errorf("there are the IPs %v of the pods %v", ips, living))
		}
		return errors.Join(errs...)
	})
	removeNamespace(t, ns)
	nothingLeft(t, before)
}
