package templates

import (
	"strings"
	"testing"
)

func TestLetter(t *testing.T) {
	r := newRenderer(t)
	subject, text, ok := r.Letter("phone.bind", "王小明", "我的 {0} 手機", clock)
	if !ok || !strings.Contains(subject, "手機") {
		t.Errorf("subject %q", subject)
	}
	for _, want := range []string{"王小明", "我的 {0} 手機", "2026/11/21 08:30", "1999 轉 8585", "A phone was bound"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if _, _, ok := r.Letter("phone.scan", "", "", clock); ok {
		t.Error("a scan is told by mail")
	}
}
