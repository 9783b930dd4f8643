package main

import "testing"

// TestTable_AlignsChinese: a Chinese character takes two places of a terminal.
func TestTable_AlignsChinese(t *testing.T) {
	var out table
	out.row("ID", "NAME", "STATE")
	out.row("documents", "公文系統", "enabled")
	out.row("mail", "Mail", []string{"a", "b"})
	out.row("a heading of its own")
	out.row("name", "王小明")
	want := "ID         NAME      STATE\n" +
		"documents  公文系統  enabled\n" +
		"mail       Mail      a b\n" +
		"a heading of its own\n" +
		"name  王小明\n"
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
