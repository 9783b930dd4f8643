package devicebind

import (
	"fmt"
	"strconv"

	"github.com/skip2/go-qrcode"
)

// QRSVG draws a text as a QR code (ISO/IEC 18004, error correction M): an SVG
// of one path, with the quiet zone, black on white, without a size of its own.
func QRSVG(text string) ([]byte, error) {
	rows, err := QRModules(text)
	if err != nil {
		return nil, err
	}
	size := strconv.Itoa(len(rows))
	out := make([]byte, 0, 16<<10)
	out = append(out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 `...)
	out = append(out, size+" "+size...)
	out = append(out, `" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h`...)
	out = append(out, size+"v"+size+"h-"+size...)
	out = append(out, `z"/><path d="`...)
	for y, row := range rows {
		for x := 0; x < len(row); x++ {
			if !row[x] {
				continue
			}
			run := 1
			for x+run < len(row) && row[x+run] {
				run++
			}
			out = append(out, 'M')
			out = strconv.AppendInt(out, int64(x), 10)
			out = append(out, ' ')
			out = strconv.AppendInt(out, int64(y), 10)
			out = append(out, 'h')
			out = strconv.AppendInt(out, int64(run), 10)
			out = append(out, "v1h-"...)
			out = strconv.AppendInt(out, int64(run), 10)
			out = append(out, 'z')
			x += run
		}
	}
	return append(out, `"/></svg>`...), nil
}

// maxQR bounds a text: what fits in a code that a camera still reads.
const maxQR = 512

// QRModules draws a text as rows of modules, true for dark, with the quiet
// zone; for terminals and pictures.
func QRModules(text string) ([][]bool, error) {
	if len(text) > maxQR {
		return nil, fmt.Errorf("%d bytes don't fit in a QR code of ours", len(text))
	}
	code, err := qrcode.New(text, qrcode.Medium)
	if err != nil {
		return nil, fmt.Errorf("draw QR code: %w", err)
	}
	return code.Bitmap(), nil
}
