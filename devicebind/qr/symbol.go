package qr

import (
	"math/bits"
	"sync"
)

// Symbol is a square of modules, without a quiet zone: bit x of Rows[y] is
// column x, 1 for dark.
type Symbol struct {
	Size int
	Rows []uint64
}

// version is what all codes of a version share.
type version struct {
	size     int
	ecc      int      // error correction codewords for each block
	blocks   []int    // data codewords of each block
	capacity int      // bytes of text
	fixed    []uint64 // which modules are function patterns
	pattern  []uint64 // the dark ones of these
	masks    [8][]uint64
	path     []position // where the bits of the codewords go, in order
	divisor  []byte     // generator polynomial
}

type position struct{ x, y uint8 }

// layout is table 9 of ISO/IEC 18004 for error correction M: codewords of error
// correction for each block, and how many blocks of how much data.
var layout = [11]struct {
	ecc    int
	groups [][2]int
	align  []int // annex E
}{
	1: {10, [][2]int{{1, 16}}, nil}, 2: {16, [][2]int{{1, 28}}, []int{6, 18}}, 3: {26, [][2]int{{1, 44}}, []int{6, 22}},
	4: {18, [][2]int{{2, 32}}, []int{6, 26}}, 5: {24, [][2]int{{2, 43}}, []int{6, 30}}, 6: {16, [][2]int{{4, 27}}, []int{6, 34}},
	7: {18, [][2]int{{4, 31}}, []int{6, 22, 38}}, 8: {22, [][2]int{{2, 38}, {2, 39}}, []int{6, 24, 42}},
	9: {22, [][2]int{{3, 36}, {2, 37}}, []int{6, 26, 46}}, 10: {26, [][2]int{{4, 43}, {1, 44}}, []int{6, 28, 50}},
}

// versions are made once.
var versions = sync.OnceValue(func() (all [11]*version) {
	for n := 1; n <= 10; n++ {
		all[n] = newVersion(n)
	}
	return all
})

func newVersion(n int) *version {
	l := layout[n]
	v := &version{size: 17 + 4*n, ecc: l.ecc, divisor: generator(l.ecc)}
	data := 0
	for _, g := range l.groups {
		for range g[0] {
			v.blocks = append(v.blocks, g[1])
			data += g[1]
		}
	}
	// Mode and length take 12 bits, from version 10 on 20.
	v.capacity = data - 2
	if n >= 10 {
		v.capacity = data - 3
	}
	v.fixed, v.pattern = make([]uint64, v.size), make([]uint64, v.size)
	v.drawPatterns(n, l.align)
	v.drawMasks()
	v.layPath()
	return v
}

func (v *version) set(x, y int, dark bool) {
	v.fixed[y] |= 1 << x
	v.pattern[y] &^= 1 << x
	if dark {
		v.pattern[y] |= 1 << x
	}
}

// drawPatterns draws finders, timing, alignment and version (section 6.3), and
// leaves room for the format.
func (v *version) drawPatterns(n int, align []int) {
	last := v.size - 1
	for i := range v.size {
		v.set(6, i, i%2 == 0)
		v.set(i, 6, i%2 == 0)
	}
	for _, c := range [][2]int{{3, 3}, {last - 3, 3}, {3, last - 3}} {
		for dy := -4; dy <= 4; dy++ {
			for dx := -4; dx <= 4; dx++ {
				x, y, ring := c[0]+dx, c[1]+dy, max(dx, -dx, dy, -dy)
				if x >= 0 && x < v.size && y >= 0 && y < v.size {
					v.set(x, y, ring != 2 && ring != 4)
				}
			}
		}
	}
	end := len(align) - 1
	for i, cx := range align {
		for j, cy := range align {
			if i == 0 && j == 0 || i == 0 && j == end || i == end && j == 0 {
				continue // a finder is there
			}
			for dy := -2; dy <= 2; dy++ {
				for dx := -2; dx <= 2; dx++ {
					v.set(cx+dx, cy+dy, max(dx, -dx, dy, -dy) != 1)
				}
			}
		}
	}
	for i := range 9 {
		v.fixed[8] |= 1 << i
		v.fixed[i] |= 1 << 8
	}
	for i := range 8 {
		v.fixed[8] |= 1 << (last - i)
		v.fixed[last-i] |= 1 << 8
	}
	v.set(8, v.size-8, true)
	if n < 7 {
		return
	}
	// Annex D: BCH (18, 6).
	info := n << 12
	for i, rest := 17, info; i >= 12; i-- {
		if rest>>i&1 == 1 {
			rest ^= 0x1f25 << (i - 12)
			info = n<<12 | rest&0xfff
		}
	}
	for i := range 18 {
		a, b, dark := v.size-11+i%3, i/3, info>>i&1 == 1
		v.set(a, b, dark)
		v.set(b, a, dark)
	}
}

// drawMasks prepares the eight masks (section 7.8.2) over the data region.
func (v *version) drawMasks() {
	for m := range v.masks {
		v.masks[m] = make([]uint64, v.size)
		for y := range v.size {
			for x := range v.size {
				if inverts(m, x, y) {
					v.masks[m][y] |= 1 << x
				}
			}
			v.masks[m][y] &^= v.fixed[y]
		}
	}
}

func inverts(mask, x, y int) bool {
	switch mask {
	case 0:
		return (x+y)%2 == 0
	case 1:
		return y%2 == 0
	case 2:
		return x%3 == 0
	case 3:
		return (x+y)%3 == 0
	case 4:
		return (x/3+y/2)%2 == 0
	case 5:
		return x*y%2+x*y%3 == 0
	case 6:
		return (x*y%2+x*y%3)%2 == 0
	}
	return ((x+y)%2+x*y%3)%2 == 0
}

// layPath follows the data region in its zigzag (section 7.7.3).
func (v *version) layPath() {
	for right := v.size - 1; right >= 1; right -= 2 {
		if right == 6 {
			right = 5
		}
		for step := range v.size {
			y := step
			if (right+1)&2 == 0 {
				y = v.size - 1 - step
			}
			for x := right; x >= right-1; x-- {
				if v.fixed[y]>>x&1 == 0 {
					v.path = append(v.path, position{uint8(x), uint8(y)})
				}
			}
		}
	}
}

// formats places the format information (section 7.9, annex C) of a mask.
func (v *version) format(rows []uint64, mask int) {
	value := mask // error correction M is 00
	rest := value << 10
	for i := 14; i >= 10; i-- {
		if rest>>i&1 == 1 {
			rest ^= 0x537 << (i - 10)
		}
	}
	info := (value<<10 | rest) ^ 0x5412
	put := func(x, y, i int) { rows[y] |= uint64(info>>i&1) << x }
	for i := range 6 {
		put(8, i, i)
		put(5-i, 8, i+9)
	}
	put(8, 7, 6)
	put(8, 8, 7)
	put(7, 8, 8)
	for i := range 8 {
		put(v.size-1-i, 8, i)
	}
	for i := 8; i < 15; i++ {
		put(8, v.size-15+i, i)
	}
}

// penalty is section 7.8.3, counted a row at a time.
func penalty(rows []uint64, size int) int {
	columns := transpose(rows, size)
	score := lines(rows, size) + lines(columns, size)
	dark := 0
	pairs := uint64(1)<<(size-1) - 1
	for y, row := range rows {
		dark += bits.OnesCount64(row)
		if y+1 < size {
			next := rows[y+1]
			same := ^(row ^ row>>1) & ^(next ^ next>>1) & ^(row ^ next) & pairs
			score += 3 * bits.OnesCount64(same)
		}
	}
	total := size * size
	off := dark*20 - total*10
	return score + max(off, -off)/total*10
}

// lines counts runs of five or more, and what looks like a finder.
func lines(rows []uint64, size int) (score int) {
	pairs := uint64(1)<<(size-1) - 1
	whole := pairs<<1 | 1
	for _, row := range rows {
		same := ^(row ^ row>>1) & pairs
		runs := same & (same >> 1) & (same >> 2) & (same >> 3)
		score += bits.OnesCount64(runs) + 2*bits.OnesCount64(runs&^(runs<<1))
		light := ^row & whole
		finder := row & (light >> 1) & (row >> 2) & (row >> 3) & (row >> 4) & (light >> 5) & (row >> 6)
		after := (light >> 7) & (light >> 8) & (light >> 9) & (light >> 10)
		before := (light << 1) & (light << 2) & (light << 3) & (light << 4)
		score += 40 * (bits.OnesCount64(finder&after) + bits.OnesCount64(finder&before))
	}
	return score
}

func transpose(rows []uint64, size int) []uint64 {
	out := make([]uint64, size)
	for y, row := range rows {
		for row != 0 {
			x := bits.TrailingZeros64(row)
			out[x] |= 1 << y
			row &= row - 1
		}
	}
	return out
}
