package directory

import (
	"bufio"
	"context"
	"html/template"
	"io"
	"strings"
)

// Table is a report: who gets it decides the form.
type Table struct {
	Title   string
	Columns []string
	Rows    [][]string
}

// WriteCSV writes the table for spreadsheets: with a byte order mark, and no value
// that a spreadsheet would take for a formula.
func (t *Table) WriteCSV(to io.Writer) error {
	if _, err := io.WriteString(to, "\ufeff"); err != nil {
		return err
	}
	w := bufio.NewWriter(to)
	for _, row := range append([][]string{t.Columns}, t.Rows...) {
		for i, v := range row {
			if i > 0 {
				w.WriteByte(',')
			}
			// Each value in quotes: what separates values is the reader's setting.
			w.WriteString(`"` + strings.ReplaceAll(PlainCell(v), `"`, `""`) + `"`)
		}
		w.WriteString("\r\n")
	}
	return w.Flush() // a failure before is told here
}

// PlainCell makes a value one that no spreadsheet takes for a formula, in narrow
// or wide signs.
func PlainCell(v string) string {
	v = strings.ReplaceAll(strings.ReplaceAll(v, "\r", " "), "\n", " ")
	// Where ";" separates values, what is behind it is one.
	parts := strings.Split(v, ";")
	for i, part := range parts {
		if first := strings.TrimLeft(part, " \u3000\u00a0\""); first != "" && strings.ContainsRune("=+-@\t|%＝＋－＠", []rune(first)[0]) {
			parts[i] = "'" + part
		}
	}
	return strings.ReplaceAll(strings.Join(parts, ";"), "\t", " ")
}

var page = template.Must(template.New("report").Parse(`<!doctype html>
<html lang="zh-Hant"><head><meta charset="utf-8"><title>{{.Title}}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'"></head>
<body><h1>{{.Title}}</h1><table border="1"><thead><tr>{{range .Columns}}<th scope="col">{{.}}</th>{{end}}</tr></thead>
<tbody>{{range .Rows}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>
{{end}}</tbody></table></body></html>
`))

// WriteHTML writes the table as a page of its own.
func (t *Table) WriteHTML(to io.Writer) error { return page.Execute(to, t) }

// Rate is the binding rate 綁定率 of an agency.
type Rate struct {
	Agency     string    `json:"agency"`
	AgencyName string    `json:"agency_name"`
	Bound      int       `json:"bound"`
	Bindable   int       `json:"bindable"` // portal accounts of people; shared ones can't be bound
	Missing    []Outcome `json:"missing"`
}

// Rates counts, for each agency, bound accounts and those that can be bound, with
// who is missing. Empty agency: all.
func Rates(ctx context.Context, m Migration, agency string) ([]Rate, error) {
	rates := []Rate{}
	err := m.Bindings(ctx, agency, func(c Candidate) error {
		if c.Shared {
			return nil
		}
		if n := len(rates); n == 0 || rates[n-1].Agency != c.Agency.Code {
			rates = append(rates, Rate{Agency: c.Agency.Code, AgencyName: c.Agency.Name, Missing: []Outcome{}})
		}
		r := &rates[len(rates)-1]
		r.Bindable++
		if c.Bound {
			r.Bound++
			return nil
		}
		r.Missing = append(r.Missing, Outcome{
			Agency: c.Agency.Code, AgencyName: c.Agency.Name, Unit: c.Unit, Name: c.PersonName, Former: c.Portal, Result: "unbound",
		})
		return nil
	})
	return rates, err
}
