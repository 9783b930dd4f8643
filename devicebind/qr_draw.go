package devicebind

import (
	"fmt"
	"math/bits"
)

// LoginModules draws the link of a login code like QRModules, but twenty times
// as fast: every login page needs one. It writes bytes in error correction M
// with mask 0 and doesn't look for the best mask; readers take any (ISO/IEC
// 18004 section 7.8).
func LoginModules(text string) ([][]bool, error) {
	for _, v := range qrVersions {
		if len(text)+v.header() <= v.room() {
			return v.draw(v.codewords(text)), nil
		}
	}
	return nil, fmt.Errorf("%d bytes don't fit in a login code", len(text))
}

// qrVersion is a size of QR codes in error correction M (table 9).
type qrVersion struct {
	number int
	check  int // check bytes of each block
	blocks int // with data bytes each
	data   int
	longer int // blocks with one data byte more
}

var qrVersions = []qrVersion{
	{3, 26, 1, 44, 0}, {4, 18, 2, 32, 0}, {5, 24, 2, 43, 0}, {6, 16, 4, 27, 0}, {7, 18, 4, 31, 0}, {8, 22, 2, 38, 2},
	{9, 22, 3, 36, 2}, {10, 26, 4, 43, 1}, {11, 30, 1, 50, 4}, {12, 22, 6, 36, 2}, {13, 22, 8, 37, 1},
}

const qrQuiet = 4 // modules around the code

func (v qrVersion) room() int { return v.blocks*v.data + v.longer*(v.data+1) }
func (v qrVersion) size() int { return 17 + 4*v.number }

// header is how many bytes mode, length and end take.
func (v qrVersion) header() int {
	if v.number < 10 {
		return 2
	}
	return 3
}

// codewords are the data and check bytes in the order in which they are drawn.
func (v qrVersion) codewords(text string) []byte {
	all := make([]byte, 0, v.room())
	half := byte(4) << 4 // byte mode; all that follows is shifted by half a byte
	put := func(b byte) {
		all = append(all, half|b>>4)
		half = b << 4
	}
	if v.number >= 10 {
		put(byte(len(text) >> 8))
	}
	put(byte(len(text)))
	for i := range len(text) {
		put(text[i])
	}
	all = append(all, half)
	for i := 0; len(all) < v.room(); i++ {
		all = append(all, [2]byte{236, 17}[i%2])
	}
	generator := qrGenerator(v.check)
	count := v.blocks + v.longer
	blocks, checks := make([][]byte, count), make([][]byte, count)
	for i, at := 0, 0; i < count; i++ {
		size := v.data
		if i >= v.blocks {
			size++
		}
		blocks[i] = all[at : at+size]
		checks[i] = qrCheck(blocks[i], generator)
		at += size
	}
	out := make([]byte, 0, v.room()+count*v.check)
	for i := range v.data + 1 {
		for _, b := range blocks {
			if i < len(b) {
				out = append(out, b[i])
			}
		}
	}
	for i := range v.check {
		for _, c := range checks {
			out = append(out, c[i])
		}
	}
	return out
}

// The field of 256 elements (section 7.5.2).
var qrExp, qrLog = func() (exp [510]byte, log [256]byte) {
	x := 1
	for i := range 255 {
		exp[i], exp[i+255], log[x] = byte(x), byte(x), byte(i)
		if x <<= 1; x > 255 {
			x ^= 0x11d
		}
	}
	return exp, log
}()

func qrTimes(a, b byte) byte {
	if a == 0 || b == 0 {
		return 0
	}
	return qrExp[int(qrLog[a])+int(qrLog[b])]
}

func qrGenerator(n int) []byte {
	g := []byte{1}
	for i := range n {
		next := append(append(make([]byte, 0, len(g)+1), g...), 0)
		for j, c := range g {
			next[j+1] ^= qrTimes(c, qrExp[i])
		}
		g = next
	}
	return g
}

func qrCheck(data, generator []byte) []byte {
	rest := make([]byte, len(data)+len(generator)-1)
	copy(rest, data)
	for i := range data {
		if factor := rest[i]; factor != 0 {
			for j, c := range generator {
				rest[i+j] ^= qrTimes(c, factor)
			}
		}
	}
	return rest[len(data):]
}

// qrCanvas is a code being drawn.
type qrCanvas struct {
	n           int
	dark, fixed [][]bool
}

func (c *qrCanvas) set(row, column int, dark bool) {
	if row >= 0 && column >= 0 && row < c.n && column < c.n {
		c.dark[row][column], c.fixed[row][column] = dark, true
	}
}

// pattern draws squares around a module, by their distance from it.
func (c *qrCanvas) pattern(row, column int, rings ...bool) {
	half := len(rings) - 1
	for i := -half; i <= half; i++ {
		for j := -half; j <= half; j++ {
			c.set(row+i, column+j, rings[max(i, -i, j, -j)])
		}
	}
}

func (v qrVersion) draw(words []byte) [][]bool {
	n := v.size()
	whole := make([][]bool, n+2*qrQuiet)
	c := &qrCanvas{n: n, dark: make([][]bool, n), fixed: make([][]bool, n)}
	for i := range whole {
		whole[i] = make([]bool, n+2*qrQuiet)
	}
	for i := range n {
		c.dark[i], c.fixed[i] = whole[i+qrQuiet][qrQuiet:qrQuiet+n], make([]bool, n)
	}
	v.drawFixed(c)
	c.drawWords(words)
	return whole
}

// drawFixed draws what does not depend on the text (section 6.3).
func (v qrVersion) drawFixed(c *qrCanvas) {
	n := c.n
	for _, at := range [][2]int{{3, 3}, {3, n - 4}, {n - 4, 3}} {
		c.pattern(at[0], at[1], true, true, false, true, false)
	}
	for i := 8; i < n-8; i++ {
		c.set(6, i, i%2 == 0)
		c.set(i, 6, i%2 == 0)
	}
	lines := []int{6, n - 7}
	if v.number >= 7 {
		lines = []int{6, 8 + 2*v.number, n - 7}
	}
	for _, row := range lines {
		for _, column := range lines {
			if !(row == 6 && (column == 6 || column == n-7) || row == n-7 && column == 6) {
				c.pattern(row, column, true, false, true)
			}
		}
	}
	format := qrBCH(0, 10, 0x537) ^ 0x5412 // level M, mask 0
	for i := range 15 {
		bit := format>>i&1 == 1
		row, column := i, n-1-i
		if i >= 6 {
			row++
		}
		if i >= 8 {
			row = n - 15 + i
			if column = 14 - i; i == 8 {
				column = 7
			}
		}
		c.set(row, 8, bit)
		c.set(8, column, bit)
	}
	c.set(n-8, 8, true)
	if v.number < 7 {
		return
	}
	version := qrBCH(v.number, 12, 0x1f25)
	for i := range 18 {
		bit := version>>i&1 == 1
		c.set(i/3, n-11+i%3, bit)
		c.set(n-11+i%3, i/3, bit)
	}
}

// qrBCH adds the check bits to a format or version (annexes C and D).
func qrBCH(value, check, polynomial int) int {
	rest := value << check
	for bits.Len(uint(rest)) > check {
		rest ^= polynomial << (bits.Len(uint(rest)) - bits.Len(uint(polynomial)))
	}
	return value<<check | rest
}

// drawWords writes the codewords in their zigzag, masked (section 7.7.3).
func (c *qrCanvas) drawWords(words []byte) {
	k, up := 0, true
	for right := c.n - 1; right > 0; right -= 2 {
		if right == 6 {
			right = 5
		}
		for i := range c.n {
			row := i
			if up {
				row = c.n - 1 - i
			}
			for column := right; column > right-2; column-- {
				if c.fixed[row][column] {
					continue
				}
				dark := k < len(words)*8 && words[k/8]>>(7-k%8)&1 == 1
				c.dark[row][column] = dark != ((row+column)%2 == 0)
				k++
			}
		}
		up = !up
	}
}
