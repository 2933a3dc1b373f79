// Package unixctl asks the daemons of Open vSwitch and OVN over their control sockets, as ovs-appctl(8) does: JSON-RPC with the
// command as method, its arguments as strings, and a text as result.
package unixctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrNotRunning is the error for a daemon that does not run.
var ErrNotRunning = errors.New("does not run")

// Client is a connection with a daemon. It is for one goroutine at a time.
type Client struct {
	name    string
	conn    net.Conn
	decoder *json.Decoder
	id      int
}

// Dial connects with a daemon, as "ovn-controller". Its socket is <dir>/<name>.<pid>.ctl, with the process identifier that is in
// <dir>/<name>.pid, or <dir>/<name>.ctl. ErrNotRunning says that there is no such file, or that nobody listens.
func Dial(ctx context.Context, dir, name string) (*Client, error) {
	path := filepath.Join(dir, name+".ctl")
	switch pid, err := os.ReadFile(filepath.Join(dir, name+".pid")); {
	case err == nil:
		if with := filepath.Join(dir, fmt.Sprintf("%s.%s.ctl", name, bytes.TrimSpace(pid))); exists(with) {
			path = with
		}
	case !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("%s %w: %w", name, ErrNotRunning, err)
	}
	return &Client{name: name, conn: conn, decoder: json.NewDecoder(conn)}, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Call runs a command and returns what it prints. After an error that is not the command's own, the connection is of no use.
func (c *Client) Call(ctx context.Context, command string, args ...string) (string, error) {
	if args == nil {
		args = []string{}
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	c.id++
	request, err := json.Marshal(map[string]any{"id": c.id, "method": command, "params": args})
	if err != nil {
		return "", err
	}
	if _, err := c.conn.Write(request); err != nil {
		return "", c.failed(ctx, command, err)
	}
	var reply struct {
		ID            int
		Result, Error *string
	}
	if err := c.decoder.Decode(&reply); err != nil {
		return "", c.failed(ctx, command, err)
	}
	switch {
	case reply.ID != c.id:
		return "", fmt.Errorf("%s %s: the answer is to call %d, not %d", c.name, command, reply.ID, c.id)
	case reply.Error != nil:
		return "", fmt.Errorf("%s %s: %s", c.name, command, strings.TrimSpace(*reply.Error))
	case reply.Result == nil:
		return "", nil
	}
	return strings.TrimSpace(*reply.Result), nil
}

func (c *Client) failed(ctx context.Context, command string, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	} else if errors.Is(err, io.EOF) {
		err = ErrNotRunning
	}
	return fmt.Errorf("%s %s: %w", c.name, command, err)
}

// Wait returns when the daemon has ended or the context is done. No call may be under way.
func (c *Client) Wait(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_, _ = c.conn.Read(make([]byte, 1)) // A daemon says nothing unasked: the read ends with the connection.
}
