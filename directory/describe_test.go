package directory_test

import (
	"testing"

	"taipeion.internal/idp/directory"
)

func TestSplitName(t *testing.T) {
	for name, want := range map[string][2]string{
		"王大明": {"王", "大明"}, "李白": {"李", "白"}, "歐陽修": {"歐陽", "修"}, "歐陽": {"歐", "陽"}, "陳林美惠": {"陳林", "美惠"}, "陳𠮷": {"陳", "𠮷"},
		"王": {"王", ""}, "伊斯坦大·呼頌": {"伊斯坦大·呼頌", ""}, "John Smith": {"John Smith", ""}, "": {"", ""},
	} {
		if surname, given := directory.SplitName(name); surname != want[0] || given != want[1] {
			t.Errorf("%s: %q %q", name, surname, given)
		}
	}
}
