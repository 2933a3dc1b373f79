package kindtest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Text is rows as text, by table and key: a line for the row, then one for each column that is neither empty nor
// external_ids, and one for each column that holds the row.
func Text(rows []storage.Row) string {
	sorted := slices.Clone(rows)
	slices.SortFunc(sorted, func(a, b storage.Row) int { return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Key, b.Key)) })
	var b strings.Builder
	for _, row := range sorted {
		fmt.Fprintf(&b, "%s %s\n", row.Table, row.Key)
		for _, column := range slices.Sorted(maps.Keys(row.Columns)) {
			value := string(row.Columns[column])
			if column == "external_ids" || value == `["map",[]]` || value == `["set",[]]` || value == `""` {
				continue
			}
			fmt.Fprintf(&b, "  %s: %s\n", column, value)
		}
		for _, p := range row.Parents {
			fmt.Fprintf(&b, "  in %s.%s\n", p.Table, p.Column)
		}
	}
	return b.String()
}
