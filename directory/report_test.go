package directory_test

import (
	"bytes"
	"strings"
	"testing"

	"taipeion.internal/idp/directory"
)

func TestReports_AreSafeInSpreadsheetsAndBrowsers(t *testing.T) {
	for _, bad := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "　＝1", "＋1", "|cmd", "%0A"} {
		if got := directory.PlainCell(bad); !strings.HasPrefix(got, "'") {
			t.Errorf("%q became %q", bad, got)
		}
	}
	if got := directory.PlainCell("王;=1;小明; @x;\"=2"); got != "王;'=1;小明;' @x;'\"=2" {
		t.Errorf("%q", got)
	}
	if got := directory.PlainCell("王小明 <a>"); got != "王小明 <a>" {
		t.Errorf("%q", got)
	}
	table := directory.Table{Title: "t<", Columns: []string{"姓名"}, Rows: [][]string{{`=HYPERLINK("http://x")`}, {"<script>\r\n=1"}}}
	var csv, html bytes.Buffer
	if err := table.WriteCSV(&csv); err != nil {
		t.Fatal(err)
	}
	if want := "\ufeff\"姓名\"\r\n\"'=HYPERLINK(\"\"http://x\"\")\"\r\n\"<script>  =1\"\r\n"; csv.String() != want {
		t.Errorf("%q", csv.String())
	}
	if err := table.WriteHTML(&html); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(html.String(), "<script>") || strings.Contains(html.String(), "t<") {
		t.Error(html.String())
	}
}
