package kindtest

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// schemaPath is where packages of OVN install the schema of the Northbound database.
const schemaPath = "/usr/share/ovn/ovn-nb.ovsschema"

// schema is the columns by table.
type schema map[string]map[string]json.RawMessage

// loadSchema reads the installed schema; without one the test is skipped, as it could not tell a row from nonsense.
func loadSchema(t testing.TB) schema {
	t.Helper()
	text, err := os.ReadFile(schemaPath)
	if err != nil {
		t.Skipf("OVN is not installed: %v", err)
	}
	var file struct {
		Tables map[string]struct {
			Columns map[string]json.RawMessage `json:"columns"`
		} `json:"tables"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatalf("%s: %v", schemaPath, err)
	}
	s := schema{}
	for name, table := range file.Tables {
		s[name] = table.Columns
	}
	return s
}

func (s schema) has(table, column string) bool {
	_, ok := s[table][column]
	return ok
}

// check says what the database would refuse about a row.
func (s schema) check(row storage.Row) error {
	if s[row.Table] == nil {
		return fmt.Errorf("the schema has no table %q", row.Table)
	}
	for column, value := range row.Columns {
		if !s.has(row.Table, column) {
			return fmt.Errorf("table %s has no column %q", row.Table, column)
		}
		if !json.Valid([]byte(value)) {
			return fmt.Errorf("column %s is not a value: %s", column, value)
		}
		if canonical, err := ovsdb.Canonical(string(value)); err != nil || canonical != value {
			return fmt.Errorf("column %s is not canonical: %s, want %s (%v)", column, value, canonical, err)
		}
	}
	for _, parent := range row.Parents {
		if !s.has(parent.Table, parent.Column) {
			return fmt.Errorf("parent %s has no column %q", parent.Table, parent.Column)
		}
		if parent.UUID.IsZero() {
			return fmt.Errorf("parent %s.%s is no row", parent.Table, parent.Column)
		}
	}
	return nil
}
