package cardreader_test

import (
	"bytes"
	"testing"

	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
)

// reencode rebuilds a DER element, giving each of its elements to change; the
// encoding of a changed one stands as it is.
func reencode(der []byte, change func(depth int, der []byte) []byte) []byte {
	var walk func(depth int, der []byte) []byte
	walk = func(depth int, der []byte) []byte {
		if changed := change(depth, der); changed != nil {
			return changed
		}
		if der[0]&0x20 == 0 {
			return der
		}
		var parts [][]byte
		for _, e := range cardtest.Elements(der) {
			parts = append(parts, walk(depth+1, e))
		}
		return cardtest.TLV(der[0], parts...)
	}
	return walk(0, der)
}

// body is the content of an element.
func body(der []byte) []byte {
	if der[0]&0x20 != 0 {
		return bytes.Join(cardtest.Elements(der), nil)
	}
	whole := cardtest.Elements(cardtest.TLV(0x30, der))[0]
	n := 2
	if whole[1] >= 0x80 {
		n += int(whole[1] & 0x7f)
	}
	return whole[n:]
}

func TestT116_NotDER(t *testing.T) {
	v := verifier(t)
	good := message(issue())
	accepted(t, v, good)
	if !bytes.Equal(reencode(good, func(int, []byte) []byte { return nil }), good) {
		t.Fatal("the test's own encoder changes the message")
	}
	first := func(tag byte, change func(body []byte) []byte) []byte {
		done := false
		return reencode(good, func(_ int, der []byte) []byte {
			if done || der[0] != tag {
				return nil
			}
			done = true
			return change(body(der))
		})
	}
	long := func(tag byte, octets ...byte) func([]byte) []byte {
		return func(b []byte) []byte { return append(append([]byte{tag}, octets...), b...) }
	}
	for name, cms := range map[string][]byte{
		"trailing zero":           append(bytes.Clone(good), 0),
		"trailing message":        append(bytes.Clone(good), good...),
		"cut short":               good[:len(good)-1],
		"length of two octets":    first(0x02, func(b []byte) []byte { return append([]byte{0x02, 0x81, byte(len(b))}, b...) }),
		"length with zero":        first(0x06, func(b []byte) []byte { return append([]byte{0x06, 0x82, 0, byte(len(b))}, b...) }),
		"length of five octets":   first(0x02, long(0x02, 0x85, 0, 0, 0, 0, 1)),
		"length beyond the end":   first(0x02, long(0x02, 0x84, 0x7f, 0xff, 0xff, 0xff)),
		"length of 2^32-1":        first(0x02, long(0x02, 0x84, 0xff, 0xff, 0xff, 0xff)),
		"indefinite content":      first(0x31, func(b []byte) []byte { return append(append([]byte{0x31, 0x80}, b...), 0, 0) }),
		"indefinite, whole":       append(append([]byte{0x30, 0x80}, body(good)...), 0, 0),
		"octets in pieces":        first(0x04, func(b []byte) []byte { return cardtest.TLV(0x24, cardtest.TLV(0x04, b)) }),
		"sequence as primitive":   first(0x30, func(b []byte) []byte { return cardtest.TLV(0x10, b) }),
		"long tag":                first(0x02, func(b []byte) []byte { return append([]byte{0x1f, 0x02, byte(len(b))}, b...) }),
		"integer with zero":       first(0x02, func(b []byte) []byte { return cardtest.TLV(0x02, []byte{0}, b) }),
		"empty integer":           first(0x02, func([]byte) []byte { return []byte{0x02, 0} }),
		"null with content":       first(0x05, func([]byte) []byte { return []byte{0x05, 1, 0} }),
		"true as one":             first(0x01, func([]byte) []byte { return []byte{0x01, 1, 1} }),
		"bits not cleared":        first(0x03, func(b []byte) []byte { return cardtest.TLV(0x03, []byte{7}, b[1:len(b)-1], []byte{0xff}) }),
		"empty object identifier": first(0x06, func([]byte) []byte { return []byte{0x06, 0} }),
		"arc with leading zero":   first(0x06, func(b []byte) []byte { return cardtest.TLV(0x06, []byte{0x80}, b) }),
		"arc cut short":           first(0x06, func(b []byte) []byte { return cardtest.TLV(0x06, b[:len(b)-1], []byte{0x86}) }),
		"end of contents":         first(0x02, func([]byte) []byte { return []byte{0, 0} }),
	} {
		t.Run(name, func(t *testing.T) { refused(t, v, cms, cardreader.CauseDER) })
	}
	t.Run("set out of order", func(t *testing.T) {
		name := cardtest.Name(cardtest.TLV(0x31,
			cardtest.TLV(0x30, cardtest.OID("2.5.4.3"), cardtest.UTF8("王小明")),
			cardtest.TLV(0x30, cardtest.OID("2.5.4.6"), cardtest.Printable("TW"))))
		refused(t, v, message(issue(func(l *cardtest.Leaf) { l.Subject = name })), cardreader.CauseDER)
	})
}

func TestT116_SerialNumbers(t *testing.T) {
	v := verifier(t)
	for name, serial := range map[string][]byte{
		"negative":       {0x80, 1},
		"zero":           {0},
		"40 octets":      bytes.Repeat([]byte{0x11}, 40),
		"21 octets":      bytes.Repeat([]byte{0x11}, 21),
		"padded":         {0, 1},
		"padded minus 1": {0xff, 0xff},
		"empty":          {},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, v, message(issue(func(l *cardtest.Leaf) { l.Serial = serial })),
				cardreader.CauseCertificate, cardreader.CauseDER)
		})
	}
	for _, serial := range [][]byte{{1}, {0, 0xff}, bytes.Repeat([]byte{0x7f}, 20)} {
		accepted(t, v, message(issue(func(l *cardtest.Leaf) { l.Serial = serial })))
	}
}

// Nesting must not eat the stack: with 8 MB of it, the usual library kills the
// process past any recovering.
func TestT117_DeepNesting(t *testing.T) {
	v := verifier(t)
	nested := func(open []byte, n int) []byte { return bytes.Repeat(open, n) }
	for name, cms := range map[string][]byte{
		"indefinite":         nested([]byte{0x30, 0x80}, 30_000),
		"indefinite, long":   nested([]byte{0x30, 0x80}, 4<<20),
		"constructed octets": nested([]byte{0x24, 0x80}, 30_000),
	} {
		t.Run(name, func(t *testing.T) { refused(t, v, cms, cardreader.CauseDER, cardreader.CauseSize) })
	}
	t.Run("definite", func(t *testing.T) {
		der := cardtest.TLV(0x05)
		for range 10_000 {
			der = cardtest.TLV(0x30, der)
		}
		refused(t, v, der, cardreader.CauseDER)
	})
	t.Run("inside an extension", func(t *testing.T) {
		der := cardtest.TLV(0x05)
		for range 1000 {
			der = cardtest.TLV(0x30, der)
		}
		refused(t, v, message(issue(func(l *cardtest.Leaf) { l.SDA = der })), cardreader.CauseCertificate)
	})
}

func TestT110_Oversize(t *testing.T) {
	v := verifier(t)
	padding := func(n int) func(*cardtest.Message) {
		return func(m *cardtest.Message) { m.Content = append(bytes.Clone(content), make([]byte, n)...) }
	}
	refused(t, v, message(issue(), padding(64<<10)), cardreader.CauseSize)
	refused(t, v, message(issue(), padding(60<<10)), cardreader.CauseContent)
	refused(t, v, message(issue(), func(m *cardtest.Message) {
		m.Unsigned = cardtest.TLV(0xa1, make([]byte, 8<<20))
	}), cardreader.CauseSize)
}
