package cardreader

import (
	"bytes"
	"errors"
)

// maxDepth is far beyond what a certificate needs (about 12).
const maxDepth = 32

// element is one DER element: raw is all of it, body its content.
type element struct {
	tag  byte
	raw  []byte
	body []byte
}

// errDER says that bytes are not DER; which rule they break helps nobody.
var errDER = errors.New("not DER")

// readElement reads the header of the first element (X.690 section 8.1): low tag
// numbers only, a definite length in as few octets as will do, all within b.
func readElement(b []byte) (e element, rest []byte, err error) {
	if len(b) < 2 || b[0]&0x1f == 0x1f || b[0] == 0 {
		return element{}, nil, errDER
	}
	head, n := 2, int(b[1])
	if n >= 0x80 {
		octets := n & 0x7f
		if octets == 0 || octets > 4 || len(b) < 2+octets || b[2] == 0 {
			return element{}, nil, errDER
		}
		n = 0
		for _, o := range b[2 : 2+octets] {
			n = n<<8 | int(o)
		}
		if n < 0x80 {
			return element{}, nil, errDER
		}
		head += octets
	}
	if n < 0 || n > len(b)-head {
		return element{}, nil, errDER
	}
	return element{tag: b[0], raw: b[:head+n], body: b[head : head+n]}, b[head+n:], nil
}

// checkDER walks all of b, which must be exactly one element. It runs before
// anything else reads the bytes: no library here sees what it refuses.
func checkDER(b []byte) error {
	e, rest, err := readElement(b)
	if err != nil || len(rest) != 0 {
		return errDER
	}
	return e.check(maxDepth)
}

func (e element) check(depth int) error {
	if depth == 0 {
		return errDER
	}
	constructed := e.tag&0x20 != 0
	if e.tag&0xc0 == 0 { // universal
		set := e.tag&0x1f == 16 || e.tag&0x1f == 17 // SEQUENCE, SET
		if set != constructed || !set && !e.primitive() {
			return errDER
		}
	}
	if !constructed {
		return nil
	}
	var last []byte
	for rest := e.body; len(rest) > 0; {
		var child element
		var err error
		if child, rest, err = readElement(rest); err != nil {
			return err
		}
		if err := child.check(depth - 1); err != nil {
			return err
		}
		if e.tag == tagSet { // X.690 section 11.6
			if last != nil && bytes.Compare(last, child.raw) > 0 {
				return errDER
			}
			last = child.raw
		}
	}
	return nil
}

// primitive checks the contents of the universal types that DER gives one
// encoding only (X.690 sections 8 and 11).
func (e element) primitive() bool {
	b := e.body
	switch e.tag {
	case tagBoolean:
		return len(b) == 1 && (b[0] == 0 || b[0] == 0xff)
	case tagInteger, 0x0a: // ENUMERATED too
		return len(b) == 1 || len(b) > 1 && !(b[0] == 0 && b[1] < 0x80) && !(b[0] == 0xff && b[1] >= 0x80)
	case tagBitString:
		if len(b) == 0 || b[0] > 7 || len(b) == 1 && b[0] != 0 {
			return false
		}
		return len(b) == 1 || b[len(b)-1]&(1<<b[0]-1) == 0
	case tagNull:
		return len(b) == 0
	case tagOID:
		return validOID(b)
	}
	return true
}

// validOID checks that each arc is whole and has no leading zero octet.
func validOID(b []byte) bool {
	if len(b) == 0 || b[len(b)-1] >= 0x80 {
		return false
	}
	start := true
	for _, o := range b {
		if start && o == 0x80 {
			return false
		}
		start = o < 0x80
	}
	return true
}

// reader takes elements off the front of a content. After the first fault every
// further call fails too, so that callers ask once, with done.
type reader struct {
	rest []byte
	bad  bool
}

// read returns a reader of the content of b, which must be one element of the
// tag.
func read(b []byte, tag byte) *reader {
	e, rest, err := readElement(b)
	if err != nil || len(rest) != 0 || e.tag != tag {
		return &reader{bad: true}
	}
	return &reader{rest: e.body}
}

// next takes the next element, which must have the tag.
func (r *reader) next(tag byte) element {
	e, rest, err := readElement(r.rest)
	if r.bad || err != nil || e.tag != tag {
		r.bad = true
		return element{}
	}
	r.rest = rest
	return e
}

// any takes the next element of whatever tag.
func (r *reader) any() element {
	if r.bad || len(r.rest) == 0 {
		r.bad = true
		return element{}
	}
	return r.next(r.rest[0])
}

// has says whether the next element has the tag.
func (r *reader) has(tag byte) bool { return !r.bad && len(r.rest) > 0 && r.rest[0] == tag }

// in takes the next element, which must have the tag, and reads inside it.
func (r *reader) in(tag byte) *reader {
	e := r.next(tag)
	return &reader{rest: e.body, bad: r.bad}
}

// more says whether there is another element.
func (r *reader) more() bool { return !r.bad && len(r.rest) > 0 }

// done says whether everything was read, and without a fault.
func (r *reader) done() bool { return !r.bad && len(r.rest) == 0 }
