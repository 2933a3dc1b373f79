package ovn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// database is one of the central's databases.
type database struct {
	name      string // of its files
	title     string
	schema    string
	args      []string
	clustered bool
	nice      int // as that of a process
}

// startDatabase creates the database when it is missing and starts its server.
func (c *Central) startDatabase(ctx context.Context, d database) error {
	file := c.path(d.name + ".db")
	existed := true
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		existed = false
		if err := c.create(ctx, d, file); err != nil {
			return err
		}
	}
	address := c.path(d.name + ".sock")
	p, err := c.process(d.name, "ovsdb-server", append([]string{file, "--remote=punix:" + address}, d.args...)...)
	if err != nil {
		return err
	}
	p.nice = d.nice
	p.ready = func(ctx context.Context) error {
		s, err := ovsdb.Dial(ctx, ovsdb.Options{Addresses: []string{"unix:" + address}, Database: d.title})
		if err != nil {
			return err
		}
		s.Close()
		return nil
	}
	if err := c.start(ctx, p); err != nil || !existed {
		return err
	}
	return c.upgrade(ctx, d, "unix:"+address)
}

func (c *Central) create(ctx context.Context, d database, file string) error {
	args := []string{"create", file, d.schema}
	if d.clustered {
		args = []string{"create-cluster", file, d.schema, c.RaftAddress()}
		if len(c.config.Join) > 0 {
			args = append([]string{"join-cluster", file, d.title, c.RaftAddress()}, c.config.Join...)
		}
	}
	_, err := c.config.Installation.run(ctx, c.env, "ovsdb-tool", args...)
	return err
}

// upgrade converts a database whose schema is older than the installed one, as ovn-ctl does. It never converts to an
// older one: that drops columns with what is in them.
func (c *Central) upgrade(ctx context.Context, d database, address string) error {
	in := c.config.Installation
	installed, err := in.run(ctx, c.env, "ovsdb-tool", "schema-version", d.schema)
	if err != nil {
		return err
	}
	current, err := in.run(ctx, c.env, "ovsdb-client", "get-schema-version", address, d.title)
	if err != nil {
		return err
	}
	newer, err := isNewer(installed, current)
	if err != nil || !newer {
		return err
	}
	c.logger.Info("Converting an OVN database to the installed schema", "database", d.title, "from", strings.TrimSpace(current), "to", strings.TrimSpace(installed))
	_, err = in.run(ctx, c.env, "ovsdb-client", "convert", address, d.schema)
	return err
}

// isNewer compares versions of schemas, <x>.<y>.<z> with numbers.
func isNewer(a, b string) (bool, error) {
	var x, y [3]int
	if _, err := fmt.Sscanf(a, "%d.%d.%d", &x[0], &x[1], &x[2]); err != nil {
		return false, fmt.Errorf("schema version %q: %w", a, err)
	}
	if _, err := fmt.Sscanf(b, "%d.%d.%d", &y[0], &y[1], &y[2]); err != nil {
		return false, fmt.Errorf("schema version %q: %w", b, err)
	}
	for i := range x {
		if x[i] != y[i] {
			return x[i] > y[i], nil
		}
	}
	return false, nil
}
