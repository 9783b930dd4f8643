package devicebind_test

import (
	"reflect"
	"strings"
	"testing"

	"taipeion.internal/idp/devicebind"
)

// maskOf reads the mask out of a code's format bits (ISO/IEC 18004 annex C), with
// the quiet zone around it.
func maskOf(code [][]bool) int {
	row := code[4+8]
	mask := 0
	for i := 2; i <= 4; i++ { // of the data bits: level, level, mask, mask, mask
		mask <<= 1
		if row[4+i] {
			mask |= 1
		}
	}
	return mask ^ 0b101
}

// TestLoginModules compares with the library, wherever that chose mask 0 too:
// for texts that it writes as bytes alone, the codes are the same.
func TestLoginModules(t *testing.T) {
	sizes := map[int]bool{}
	letters := "abcdefghijklmnopqrstuvwxyz_"
	for n := 20; n < 320; n++ {
		for turn := range 24 {
			var b strings.Builder
			for i := range n {
				b.WriteByte(letters[(i*7+turn*turn*5+n*i)%len(letters)])
			}
			want, err := devicebind.QRModules(b.String())
			if err != nil {
				t.Fatal(err)
			}
			if maskOf(want) != 0 {
				continue
			}
			got, err := devicebind.LoginModules(b.String())
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(want) {
				break // the library has smaller sizes than we care for
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%d bytes: another code than the library's", n)
			}
			sizes[len(got)] = true
			break
		}
	}
	if len(sizes) < 10 {
		t.Errorf("only %d sizes were compared", len(sizes))
	}
	if _, err := devicebind.LoginModules(strings.Repeat("x", 400)); err == nil {
		t.Error("too long a text is drawn")
	}
}

func BenchmarkLoginModules(b *testing.B) {
	text := "https://id.example.gov.tw/phone/q/" + strings.Repeat("aB3_", 22)
	for b.Loop() {
		if _, err := devicebind.LoginModules(text); err != nil {
			b.Fatal(err)
		}
	}
}
