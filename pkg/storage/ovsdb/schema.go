package ovsdb

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Schema describes the columns of a database: tables, then columns.
type Schema map[string]map[string]ColumnSchema

// ColumnSchema describes a column.
type ColumnSchema struct {
	// Scalar columns hold at most one atom: in an update of type Modify their value is the new one, not a difference.
	Scalar bool
	// Map columns hold pairs.
	Map bool
	// Optional scalar columns may be empty.
	Optional bool
	// Holds is the table to whose rows the column refers; "" if there is none, or if the column must hold a row.
	Holds string
	// Default is the value that the server leaves out of an update of type Insert.
	Default Value
}

// Column names a column of a table.
type Column struct{ Table, Column string }

// Holders returns the columns that may hold a row of a table, in order. The row can be deleted when none of them holds it strongly.
// The server should take it out of the others itself, but ovsdb-server 3.1 leaves it in a column that the same transaction changes.
func (s Schema) Holders(table string) (holders []Column) {
	for _, t := range slices.Sorted(maps.Keys(s)) {
		for _, c := range slices.Sorted(maps.Keys(s[t])) {
			if s[t][c].Holds == table {
				holders = append(holders, Column{Table: t, Column: c})
			}
		}
	}
	return holders
}

// HasTable reports whether the database has a table.
func (s Schema) HasTable(table string) bool { return s[table] != nil }

// HasColumn reports whether the database has a table with a column.
func (s Schema) HasColumn(table, column string) bool {
	_, ok := s[table][column]
	return ok
}

type databaseSchema struct {
	Tables map[string]struct {
		Columns map[string]struct {
			Type columnType `json:"type"`
		} `json:"columns"`
	} `json:"tables"`
}

// columnType is the <type> of RFC 7047 section 3.2: an atomic type's name, or an object.
type columnType struct {
	Key, Value baseType
	Min        *int
	Max        any // a number or "unlimited"
}

// baseType is a <base-type>: an atomic type's name, or an object.
type baseType struct{ Type, RefTable string }

func (t *columnType) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, &t.Key)
	}
	type plain columnType
	return json.Unmarshal(b, (*plain)(t))
}

func (t *baseType) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, &t.Type)
	}
	type plain baseType
	return json.Unmarshal(b, (*plain)(t))
}

func parseSchema(b []byte) (Schema, error) {
	var d databaseSchema
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	schema := make(Schema, len(d.Tables))
	for table, t := range d.Tables {
		columns := make(map[string]ColumnSchema, len(t.Columns))
		for column, c := range t.Columns {
			columns[column] = c.Type.describe()
		}
		schema[table] = columns
	}
	return schema, nil
}

func (t columnType) describe() ColumnSchema {
	n, isNumber := t.Max.(float64)
	c := ColumnSchema{Map: t.Value.Type != ""}
	c.Scalar = !c.Map && (t.Max == nil || isNumber && n == 1)
	c.Optional = c.Scalar && t.Min != nil && *t.Min == 0
	if !c.Map && t.Min != nil && *t.Min == 0 {
		c.Holds = t.Key.RefTable
	}
	switch {
	case c.Map:
		c.Default = mapPrefix + suffix
	case !c.Scalar || c.Optional:
		c.Default = Empty
	case t.Key.Type == "string":
		c.Default = `""`
	case t.Key.Type == "boolean":
		c.Default = "false"
	case t.Key.Type == "uuid":
		c.Default = Ref(UUID{})
	default:
		c.Default = "0"
	}
	return c
}
