package cniserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"k8s.io/klog/v2"

	"github.com/northbound-ovn/northbound/pkg/cni"
)

// Conflist is the configuration that tells the container runtime of the plugin.
type Conflist struct {
	// Path is where it is written, as /etc/cni/net.d/01-kube-ovn.conflist.
	Path string
	// Plugins is the folder in which the container runtime looks for plugins, as /opt/cni/bin. When portmap is there, which is not part of
	// this project, it is chained, and serves ports of pods on the node's addresses (hostPort).
	Plugins string
}

// portmap is the plugin for ports of pods on the node's addresses.
const portmap = "portmap"

// servesHostPorts reports whether the runtime has the plugin for ports of pods.
func (c Conflist) servesHostPorts() bool {
	if c.Plugins == "" {
		return false
	}
	info, err := os.Stat(filepath.Join(c.Plugins, portmap))
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// conflistName is the name of the network.
const conflistName = "kube-ovn"

// content is the configuration. Its version is the one that runtimes of containerd 1.6's age understand; newer ones find theirs in
// cniVersions, and with it STATUS and GC.
func (c Conflist) content(socket string) ([]byte, error) {
	plugins := []map[string]any{{"type": cni.Type, "server_socket": socket}}
	if c.servesHostPorts() {
		plugins = append(plugins, map[string]any{"type": portmap, "capabilities": map[string]bool{"portMappings": true}})
	}
	return json.MarshalIndent(map[string]any{
		"name": conflistName, "cniVersion": "1.0.0", "cniVersions": []string{"1.0.0", "1.1.0"}, "plugins": plugins,
	}, "", "  ")
}

// write puts the configuration in place, whole or not at all, readable by root alone. One that is as it should be is left alone.
func (c Conflist) write(socket string) (err error) {
	content, err := c.content(socket)
	if err != nil {
		return err
	}
	if now, err := os.ReadFile(c.Path); err == nil && bytes.Equal(now, append(content, '\n')) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(c.Path), 0o755); err != nil {
		return err
	}
	// Runtimes read files that end in conflist, conf or json.
	f, err := os.CreateTemp(filepath.Dir(c.Path), ".kube-ovn-*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(append(content, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), c.Path)
}

const (
	// announcePause is the time between attempts to announce the network: what it waits for is on the other side of three processes.
	announcePause = 200 * time.Millisecond
	// keepPause is the time between looks at what was announced.
	keepPause = time.Second
)

// announce writes the configuration as soon as interfaces can be added: a node is ready when it is there. From then on it is kept: whole, and
// with portmap when that is installed. It is never removed: pods run without the agent, and their deletion needs it.
func (s *Server) announce(ctx context.Context) {
	if s.config.Conflist.Path == "" {
		return
	}
	announced, reported := false, false
	for {
		pause := announcePause
		if announced || s.unready(ctx) == nil {
			err := s.config.Conflist.write(s.config.Socket)
			if err == nil {
				announced, pause = true, keepPause
			} else if !reported {
				klog.FromContext(ctx).Error(err, "The configuration for the container runtime cannot be written; trying again")
			}
			reported = err != nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}
