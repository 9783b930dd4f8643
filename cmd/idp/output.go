package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/text/width"
)

// print writes a result: as JSON for scripts, or as text by show for people.
func (c *cli) print(cmd *cobra.Command, result any, show func(out *table)) error {
	if c.json {
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		return enc.Encode(result)
	}
	var t table
	show(&t)
	_, err := io.WriteString(cmd.OutOrStdout(), t.String())
	return err
}

// table aligns columns by what a terminal shows: a Chinese character takes two
// places there.
type table struct{ rows [][]string }

func (t *table) row(cells ...any) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		switch v := cell.(type) {
		case time.Time:
			row[i] = moment(v)
		case []string:
			row[i] = strings.Join(v, " ")
		default:
			row[i] = oneLine(fmt.Sprint(v))
		}
	}
	t.rows = append(t.rows, row)
}

// String pads every cell but a row's last one; a column is as wide as its
// widest cell in rows that follow each other and have it.
func (t *table) String() string {
	var out strings.Builder
	widths := make([]int, 0, 16)
	for i, row := range t.rows {
		for col := range len(row) - 1 {
			if len(widths) <= col {
				widths = append(widths, 0)
			}
			if i == 0 || len(t.rows[i-1])-1 <= col {
				widths[col] = t.width(i, col)
			}
			out.WriteString(row[col] + strings.Repeat(" ", widths[col]-places(row[col])+2))
		}
		if len(row) > 0 {
			out.WriteString(row[len(row)-1])
		}
		out.WriteString("\n")
	}
	return out.String()
}

func (t *table) width(from, col int) int {
	most := 0
	for _, row := range t.rows[from:] {
		if len(row)-1 <= col {
			break
		}
		most = max(most, places(row[col]))
	}
	return most
}

// places is how many places of a terminal's line the text takes.
func places(s string) int {
	n := 0
	for _, r := range s {
		switch kind := width.LookupRune(r).Kind(); {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
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
	return t.Local().Format("2006-01-02 15:04:05 -07:00")
}
