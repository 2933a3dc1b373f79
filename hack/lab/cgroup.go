package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// hierarchies are the mount points of the cgroup hierarchies: one for each controller of version 1, one of version 2.
func hierarchies() ([]string, error) {
	f, err := os.Open("/proc/mounts")
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var all []string
	s := bufio.NewScanner(f)
	for s.Scan() {
		fields := strings.Fields(s.Text())
		if (fields[2] == "cgroup" || fields[2] == "cgroup2") && !slices.Contains(all, fields[1]) {
			all = append(all, fields[1])
		}
	}
	return all, s.Err()
}

// makeCgroup makes a group in every hierarchy, as the kubelet expects it of its root.
func makeCgroup(name string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		group := filepath.Join(h, name)
		if err := os.MkdirAll(group, 0o755); err != nil {
			return err
		}
		controllers, err := os.ReadFile(filepath.Join(h, "cgroup.controllers"))
		if errors.Is(err, fs.ErrNotExist) {
			if err := copyCpuset(h, group); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		// Version 2: a group has the controllers that its parent passes on. Some cannot be, for as long as the parent has
		// processes of its own; the kubelet says which it misses.
		for c := range strings.FieldsSeq(string(controllers)) {
			for _, d := range []string{h, group} {
				_ = os.WriteFile(filepath.Join(d, "cgroup.subtree_control"), []byte("+"+c), 0)
			}
		}
	}
	return nil
}

// copyCpuset fills a new group of version 1's cpuset, which is empty and takes no processes before.
func copyCpuset(parent, group string) error {
	for _, f := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, f))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(group, f), value, 0); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroups ends what runs in the groups of a cluster's nodes, in every hierarchy, and removes them.
func removeCgroups(prefix string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	var errs []error
	for _, h := range all {
		groups, err := filepath.Glob(filepath.Join(h, prefix+"*"))
		if err != nil {
			return err
		}
		for _, g := range groups {
			errs = append(errs, removeCgroup(g))
		}
	}
	return errors.Join(errs...)
}

func removeCgroup(group string) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		var folders []string
		err := filepath.WalkDir(group, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				folders = append(folders, path)
			}
			return nil // a group may go away meanwhile
		})
		if err != nil || len(folders) == 0 {
			return err
		}
		slices.Reverse(folders)
		for _, f := range folders {
			procs, _ := os.ReadFile(filepath.Join(f, "cgroup.procs"))
			for pid := range strings.FieldsSeq(string(procs)) {
				if p, _ := strconv.Atoi(pid); p > 0 { // 0 is a process of a namespace that is not below this one
					_ = syscall.Kill(p, syscall.SIGKILL)
				}
			}
			_ = os.Remove(f)
		}
		if _, err := os.Stat(group); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("cgroup %s cannot be removed", group)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
