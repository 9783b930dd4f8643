package devicebind

import (
	"fmt"
	"math/bits"
	"strconv"

	"github.com/skip2/go-qrcode"

	"taipeion.internal/idp/devicebind/qr"
)

const (
	quiet = 4   // modules around a QR code (ISO/IEC 18004 section 9.1)
	maxQR = 512 // bytes: what a camera still reads off a screen
)

// QRSVG draws a text as a QR code (ISO/IEC 18004, error correction M): an SVG
// of one path, with the quiet zone, black on white, without a size of its own.
func QRSVG(text string) ([]byte, error) {
	s, err := symbol(text)
	if err != nil {
		return nil, err
	}
	side := strconv.Itoa(len(s) + 2*quiet)
	out := make([]byte, 0, 16<<10)
	out = append(out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 `+side+" "+side+`" shape-rendering="crispEdges">`...)
	out = append(out, `<path fill="#fff" d="M0 0h`+side+"v"+side+"h-"+side+`z"/><path d="`...)
	for y, row := range s {
		out = drawRow(out, row, y+quiet)
	}
	return append(out, `"/></svg>`...), nil
}

// drawRow draws each run of dark modules as one rectangle.
func drawRow(out []byte, row modules, y int) []byte {
	for x := row.next(0, true); x < row.size; {
		end := row.next(x, false)
		out = append(out, 'M')
		out = strconv.AppendInt(out, int64(x+quiet), 10)
		out = append(out, ' ')
		out = strconv.AppendInt(out, int64(y), 10)
		out = append(out, 'h')
		out = strconv.AppendInt(out, int64(end-x), 10)
		out = append(out, "v1h-"...)
		out = strconv.AppendInt(out, int64(end-x), 10)
		out = append(out, 'z')
		x = row.next(end, true)
	}
	return out
}

// QRModules draws a text as rows of modules, true for dark, with the quiet
// zone; for terminals and pictures.
func QRModules(text string) ([][]bool, error) {
	s, err := symbol(text)
	if err != nil {
		return nil, err
	}
	rows := make([][]bool, len(s)+2*quiet)
	for y := range rows {
		rows[y] = make([]bool, len(rows))
	}
	for y, row := range s {
		for x := range row.size {
			rows[y+quiet][x+quiet] = row.dark(x)
		}
	}
	return rows, nil
}

// modules is one row of a symbol.
type modules struct {
	size  int
	low   uint64 // of a small symbol,
	large []bool // or of a large one
}

func (m modules) dark(x int) bool {
	if m.large != nil {
		return m.large[x]
	}
	return m.low>>x&1 == 1
}

// next is the first module from x on that is dark, or light; size without one.
func (m modules) next(x int, dark bool) int {
	if m.large == nil {
		row := m.low
		if !dark {
			row = ^row
		}
		return min(x+bits.TrailingZeros64(row>>x), m.size)
	}
	for x < m.size && m.large[x] != dark {
		x++
	}
	return x
}

// symbol takes the fast way for what fits in it, and the library for the rest.
func symbol(text string) ([]modules, error) {
	if len(text) > maxQR {
		return nil, fmt.Errorf("%d bytes don't fit in a QR code of ours", len(text))
	}
	if s, ok := qr.Encode(text); ok {
		rows := make([]modules, s.Size)
		for y := range rows {
			rows[y] = modules{size: s.Size, low: s.Rows[y]}
		}
		return rows, nil
	}
	code, err := qrcode.New(text, qrcode.Medium)
	if err != nil {
		return nil, fmt.Errorf("draw QR code: %w", err)
	}
	code.DisableBorder = true
	bitmap := code.Bitmap()
	rows := make([]modules, len(bitmap))
	for y := range rows {
		rows[y] = modules{size: len(bitmap), large: bitmap[y]}
	}
	return rows, nil
}
