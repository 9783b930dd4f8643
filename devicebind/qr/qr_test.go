package qr

import (
	"strings"
	"testing"

	"github.com/skip2/go-qrcode"
)

const link = "https://id.example.gov.taipei/phone/q/"

// sample is lower case, so that the library finds nothing shorter than bytes.
func sample(n int) string { return (link + strings.Repeat("abcdefghijklmnopqrstuvwxyz", 10))[:n] }

// maskOf reads the mask out of a symbol's format information.
func maskOf(modules [][]bool) int {
	value := 0
	for i, x := range []int{2, 3, 4} { // bits 12, 11 and 10 of the format
		if modules[8][x] {
			value |= 4 >> i
		}
	}
	return value ^ 0b101 // as 0x5412 masks it
}

// Module by module what the library draws, for every length and version.
func TestEncode_LikeTheLibrary(t *testing.T) {
	seen := map[int]bool{}
	for n := 1; n <= versions()[10].capacity; n++ {
		text := sample(n)
		ours, ok := Encode(text)
		if !ok {
			t.Fatal(n)
		}
		lib, err := qrcode.New(text, qrcode.Medium)
		if err != nil {
			t.Fatal(err)
		}
		lib.DisableBorder = true
		theirs := lib.Bitmap()
		if len(theirs) != ours.Size {
			t.Fatalf("%d bytes: size %d, the library's %d", n, ours.Size, len(theirs))
		}
		mask := maskOf(theirs)
		seen[mask] = true
		number := (ours.Size - 17) / 4
		same := versions()[number].encode(text, number, mask)
		for y, row := range theirs {
			for x, dark := range row {
				if dark != (same.Rows[y]>>x&1 == 1) {
					t.Fatalf("%d bytes, version %d, mask %d: module %d,%d", n, number, mask, x, y)
				}
			}
		}
	}
	if len(seen) < 6 {
		t.Fatalf("only masks %v were compared", seen)
	}
}

func TestEncode_TooLong(t *testing.T) {
	if _, ok := Encode(strings.Repeat("x", versions()[10].capacity+1)); ok {
		t.Fatal("it can't fit")
	}
}

func BenchmarkEncode(b *testing.B) {
	text := sample(122)
	for b.Loop() {
		Encode(text)
	}
}
