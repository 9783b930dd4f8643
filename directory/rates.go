package directory

import "strconv"

// AgencyRate is the binding rate 綁定率 of an agency, without who is missing.
type AgencyRate struct {
	Agency     string
	AgencyName string
	Bound      int
	Bindable   int
}

// RateTable is the binding rates as a report: a line for each agency, then one
// for each account that is missing.
func RateTable(rates []Rate) *Table {
	t := &Table{Title: "綁定率", Columns: []string{"機關代碼", "機關", "已綁定", "可綁定", "綁定率", "單位", "姓名", "未綁定帳號"}}
	for _, r := range rates {
		t.Rows = append(t.Rows, []string{r.Agency, r.AgencyName, strconv.Itoa(r.Bound), strconv.Itoa(r.Bindable), Percent(r.Bound, r.Bindable), "", "", ""})
		for _, m := range r.Missing {
			t.Rows = append(t.Rows, []string{r.Agency, r.AgencyName, "", "", "", m.Unit, m.Name, m.Former})
		}
	}
	return t
}

// Percent is a share in words, rounded down: all is only all.
func Percent(n, of int) string {
	if of == 0 {
		return "-"
	}
	tenths := n * 1000 / of
	text := strconv.Itoa(tenths / 10)
	if tenths%10 > 0 {
		text += "." + strconv.Itoa(tenths%10)
	}
	return text + " %"
}
