package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"
)

// clockTick is the unit of times in /proc: USER_HZ, which is 100 on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// settle waits until the target's processes have used next to no CPU for half a second, so that one's leftover work
// (compaction, ovn-northd) is not taken from the other. It gives up, silently, after the timeout: work that does not end
// belongs to the measurement.
func settle(ctx context.Context, timeout time.Duration, targets ...*target) error {
	const period = 250 * time.Millisecond
	deadline := time.Now().Add(timeout)
	tick := time.NewTicker(period)
	defer tick.Stop()
	before, quiet := busy(targets), 0
	for quiet < 2 && time.Now().Before(deadline) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		after := busy(targets)
		if after-before <= period/10 {
			quiet++
		} else {
			quiet = 0
		}
		before = after
	}
	return nil
}

// busy is the CPU time that the targets' processes have used so far.
func busy(targets []*target) (total time.Duration) {
	for _, t := range targets {
		for _, pid := range t.processes() {
			total += cpuTime(pid)
		}
	}
	return total
}

// cpuTime of a process, 0 when it has ended.
func cpuTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The second field is the name, in brackets, and may hold anything; utime and stime are the 14th and 15th.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(string(fields[11]))
	system, _ := strconv.Atoi(string(fields[12]))
	return time.Duration(user+system) * clockTick
}
