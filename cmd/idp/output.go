package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// print writes a result: as JSON for scripts, or as text by show for people.
func (c *cli) print(cmd *cobra.Command, result any, show func(out *table)) error {
	if c.json {
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		return enc.Encode(result)
	}
	t := &table{tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)}
	show(t)
	return t.w.Flush()
}

// table aligns columns.
type table struct{ w *tabwriter.Writer }

func (t *table) row(cells ...any) {
	for i, cell := range cells {
		if i > 0 {
			fmt.Fprint(t.w, "\t")
		}
		switch v := cell.(type) {
		case time.Time:
			fmt.Fprint(t.w, moment(v))
		case []string:
			fmt.Fprint(t.w, strings.Join(v, " "))
		default:
			fmt.Fprint(t.w, oneLine(fmt.Sprint(v)))
		}
	}
	fmt.Fprintln(t.w)
}

// oneLine keeps control characters of stored text off the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
