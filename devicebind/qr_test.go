package devicebind

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/skip2/go-qrcode"
)

// What the SVG draws is what the modules are, and for a long text what the
// library draws.
func TestQRSVG_DrawsTheModules(t *testing.T) {
	rect := regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-\d+z`)
	for _, n := range []int{1, 40, 122, 213, 214, 400, 512} {
		text := strings.Repeat("a", n)
		svg, err := QRSVG(text)
		if err != nil {
			t.Fatal(n, err)
		}
		if err := xml.Unmarshal(svg, new(struct{})); err != nil {
			t.Fatal(n, err)
		}
		want, err := QRModules(text)
		if err != nil {
			t.Fatal(n, err)
		}
		if n > 213 {
			lib, err := qrcode.New(text, qrcode.Medium)
			if err != nil {
				t.Fatal(err)
			}
			want = lib.Bitmap()
		}
		got := make([][]bool, len(want))
		for y := range got {
			got[y] = make([]bool, len(want))
		}
		for _, m := range rect.FindAllStringSubmatch(string(svg), -1) {
			var x, y, w int
			fmt.Sscan(m[1]+" "+m[2]+" "+m[3], &x, &y, &w)
			for i := range w {
				got[y][x+i] = true
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%d bytes: the picture differs", n)
		}
	}
	if _, err := QRSVG(strings.Repeat("a", 513)); err == nil {
		t.Fatal("too long")
	}
}

func BenchmarkQRSVG(b *testing.B) {
	text := "https://id.example.gov.taipei/phone/q/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-P0BB"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := QRSVG(text); err != nil {
			b.Fatal(err)
		}
	}
}
