package qr

// Encode makes the symbol of a text, of the smallest version; ok is false if it
// does not fit in version 10.
func Encode(text string) (s Symbol, ok bool) {
	for n := 1; n <= 10; n++ {
		if v := versions()[n]; len(text) <= v.capacity {
			return v.encode(text, n, -1), true
		}
	}
	return Symbol{}, false
}

// encode makes the symbol with a mask, or with the best one for -1.
func (v *version) encode(text string, n, mask int) Symbol {
	codewords := v.interleave(v.pack(text, n))
	plain := make([]uint64, v.size)
	copy(plain, v.pattern)
	for i, p := range v.path {
		if i>>3 == len(codewords) {
			break // remainder bits stay light
		}
		plain[p.y] |= uint64(codewords[i>>3]>>(7-i&7)&1) << p.x
	}
	var best []uint64
	least := 0
	for m := range v.masks {
		if mask >= 0 && m != mask {
			continue
		}
		rows := make([]uint64, v.size)
		for y := range rows {
			rows[y] = plain[y] ^ v.masks[m][y]
		}
		v.format(rows, m)
		if score := penalty(rows, v.size); best == nil || score < least {
			best, least = rows, score
		}
	}
	return Symbol{v.size, best}
}

// pack writes mode, length, text and padding (section 7.4).
func (v *version) pack(text string, n int) []byte {
	size := 0
	for _, b := range v.blocks {
		size += b
	}
	out := make([]byte, size)
	at := 0
	put := func(value, width int) {
		for i := width - 1; i >= 0; i-- {
			out[at>>3] |= byte(value>>i&1) << (7 - at&7)
			at++
		}
	}
	put(0b0100, 4) // bytes
	if n < 10 {
		put(len(text), 8)
	} else {
		put(len(text), 16)
	}
	for i := range len(text) {
		put(int(text[i]), 8)
	}
	// Mode and length leave half a byte for the terminator.
	for i, pad := at/8+1, byte(0xec); i < size; i, pad = i+1, pad^0xec^0x11 {
		out[i] = pad
	}
	return out
}

// interleave adds error correction and mixes the blocks (section 7.6).
func (v *version) interleave(data []byte) []byte {
	longest := v.blocks[len(v.blocks)-1]
	out := make([]byte, 0, len(data)+len(v.blocks)*v.ecc)
	blocks, corrections := make([][]byte, len(v.blocks)), make([][]byte, len(v.blocks))
	for i, size := range v.blocks {
		blocks[i], data = data[:size], data[size:]
		corrections[i] = remainder(blocks[i], v.divisor)
	}
	for i := range longest {
		for _, b := range blocks {
			if i < len(b) {
				out = append(out, b[i])
			}
		}
	}
	for i := range v.ecc {
		for _, c := range corrections {
			out = append(out, c[i])
		}
	}
	return out
}

// The field of 256 elements modulo x^8 + x^4 + x^3 + x^2 + 1 (section 7.5.2).
var power, logarithm = func() (power [510]byte, logarithm [256]byte) {
	x := 1
	for i := range 255 {
		power[i], power[i+255], logarithm[x] = byte(x), byte(x), byte(i)
		if x <<= 1; x > 255 {
			x ^= 0x11d
		}
	}
	return power, logarithm
}()

func multiply(a, b byte) byte {
	if a == 0 || b == 0 {
		return 0
	}
	return power[int(logarithm[a])+int(logarithm[b])]
}

// generator is the polynomial of that degree (annex A), without its leading 1.
func generator(degree int) []byte {
	g := make([]byte, degree)
	g[degree-1] = 1
	root := byte(1)
	for range degree {
		for j := range g {
			g[j] = multiply(g[j], root)
			if j+1 < degree {
				g[j] ^= g[j+1]
			}
		}
		root = multiply(root, 2)
	}
	return g
}

func remainder(data, divisor []byte) []byte {
	out := make([]byte, len(divisor))
	for _, b := range data {
		factor := b ^ out[0]
		copy(out, out[1:])
		out[len(out)-1] = 0
		for i, d := range divisor {
			out[i] ^= multiply(d, factor)
		}
	}
	return out
}
