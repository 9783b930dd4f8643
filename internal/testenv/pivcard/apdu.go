package pivcard

import (
	"bytes"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
	"time"
)

// Status words (ISO/IEC 7816-4 section 5.6).
const (
	swOK          = 0x9000
	swNoPIN       = 0x6982
	swBlocked     = 0x6983
	swWrongData   = 0x6a80
	swNotFound    = 0x6a82
	swUnsupported = 0x6d00
	swLength      = 0x6700
)

// Instructions (SP 800-73-4 part 2, table 2).
const (
	insVerify       = 0x20
	insSelect       = 0xa4
	insGetResponse  = 0xc0
	insGetData      = 0xcb
	insAuthenticate = 0x87
	insPutChained   = 0x10 // in CLA: more parts follow
)

var (
	application = []byte{0xa0, 0x00, 0x00, 0x03, 0x08} // A000000308
	pix         = []byte{0x00, 0x00, 0x10, 0x00, 0x01, 0x00}
)

// session is the card's state from power on or reset to the next.
type session struct {
	*Card
	selected bool
	verified bool   // the PIN was right
	chained  []byte // of a command in parts
	rest     []byte // of the last response, for GET RESPONSE
}

// answer works one command. pulled tells that the card goes away instead.
func (c *session) answer(command []byte) (response []byte, pulled bool) {
	c.mu.Lock()
	faults := c.faults
	c.mu.Unlock()
	if len(command) < 4 {
		return status(nil, swLength), false
	}
	cla, ins := command[0], command[1]
	data, ok := body(command)
	if !ok {
		return status(nil, swLength), false
	}
	if cla&insPutChained != 0 {
		c.chained = append(c.chained, data...)
		return status(nil, swOK), false
	}
	data = append(c.chained, data...)
	c.chained = nil
	switch {
	case ins == insGetResponse:
		return c.more(), false
	case ins == insSelect && command[2] == 0x04:
		return c.doSelect(data), false
	case !c.selected:
		return status(nil, swNotFound), false
	case ins == insVerify:
		return c.verify(command[3], data), faults.PullAtVerify && len(data) > 0
	case ins == insGetData:
		return c.getData(data), false
	case ins == insAuthenticate:
		return c.authenticate(command[3], data, faults), faults.PullAtSign
	}
	return status(nil, swUnsupported), false
}

// body is the data of a short command.
func body(command []byte) ([]byte, bool) {
	if len(command) <= 5 {
		return nil, true
	}
	n := int(command[4])
	if len(command) < 5+n || len(command) > 6+n {
		return nil, false
	}
	return command[5 : 5+n], true
}

func status(data []byte, sw uint16) []byte {
	return binary.BigEndian.AppendUint16(bytes.Clone(data), sw)
}

// reply sends up to 256 bytes and keeps the rest for GET RESPONSE.
func (c *session) reply(data []byte) []byte {
	c.rest = data
	return c.more()
}

func (c *session) more() []byte {
	n := min(len(c.rest), 256)
	part := c.rest[:n]
	c.rest = c.rest[n:]
	switch left := len(c.rest); {
	case left == 0:
		return status(part, swOK)
	case left > 255:
		return status(part, 0x6100)
	default:
		return status(part, 0x6100|uint16(left))
	}
}

func (c *session) doSelect(aid []byte) []byte {
	if !bytes.HasPrefix(aid, application) {
		return status(nil, swNotFound)
	}
	c.selected, c.verified = true, false
	return c.reply(tlv(0x61, tlv(0x4f, pix), tlv(0x79, tlv(0x4f, application))))
}

// verify is VERIFY of the card's PIN: without data it tells the tries left.
func (c *session) verify(reference byte, pin []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if reference != 0x80 {
		return status(nil, 0x6a88)
	}
	left := MaxTries - c.wrong
	switch {
	case len(pin) == 0 && c.verified:
		return status(nil, swOK)
	case len(pin) == 0 && left > 0:
		return status(nil, 0x63c0|uint16(left))
	case len(pin) == 0:
		return status(nil, swBlocked)
	}
	c.verifies++
	if left == 0 {
		return status(nil, swBlocked)
	}
	padded := append([]byte(c.PIN), bytes.Repeat([]byte{0xff}, 8)...)[:8]
	if !bytes.Equal(pin, padded) {
		c.wrong++
		c.verified = false
		if c.wrong == MaxTries {
			return status(nil, swBlocked)
		}
		return status(nil, 0x63c0|uint16(MaxTries-c.wrong))
	}
	c.wrong, c.verified = 0, true
	return status(nil, swOK)
}

// getData is GET DATA of a data object (part 1, table 3).
func (c *session) getData(tag []byte) []byte {
	switch {
	case bytes.Equal(tag, []byte{0x5c, 0x03, 0x5f, 0xc1, 0x02}): // card holder unique identifier
		return c.reply(tlv(0x53,
			tlv(0x30, bytes.Repeat([]byte{0xd4}, 25)), tlv(0x34, c.guid()),
			tlv(0x35, []byte(time.Now().AddDate(5, 0, 0).Format("20060102"))), tlv(0x3e), tlv(0xfe)))
	case bytes.Equal(tag, []byte{0x5c, 0x03, 0x5f, 0xc1, 0x05}): // certificate for authentication
		return c.reply(tlv(0x53, tlv(0x70, c.Certificate), tlv(0x71, []byte{0}), tlv(0xfe)))
	case bytes.Equal(tag, []byte{0x5c, 0x01, 0x7e}): // discovery: the application's PIN only
		aid := append(bytes.Clone(application), pix...)
		return c.reply(tlv(0x7e, tlv(0x4f, aid), append([]byte{0x5f, 0x2f, 0x02}, 0x40, 0x00)))
	}
	return status(nil, swNotFound)
}

// authenticate is GENERAL AUTHENTICATE: the private key operation on a padded
// block (part 2, section 3.2.4).
func (c *session) authenticate(key byte, data []byte, f Faults) []byte {
	c.mu.Lock()
	c.signs++
	c.mu.Unlock()
	if key != 0x9a {
		return status(nil, swNotFound)
	}
	if !c.verified {
		return status(nil, swNoPIN)
	}
	block := find(find(data, 0x7c), 0x81)
	if len(block) != c.Key.Size() {
		return status(nil, swWrongData)
	}
	time.Sleep(f.SignDelay)
	k := c.Key
	if f.SignKey != nil {
		k = f.SignKey
	}
	m := new(big.Int).SetBytes(block)
	if m.Cmp(k.N) >= 0 {
		return status(nil, swWrongData)
	}
	s := m.Exp(m, k.D, k.N).FillBytes(make([]byte, k.Size()))
	return c.reply(tlv(0x7c, tlv(0x82, s)))
}

func tlv(tag byte, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	out := []byte{tag}
	switch n := len(content); {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	default:
		out = append(out, 0x82, byte(n>>8), byte(n))
	}
	return append(out, content...)
}

// find returns the content of the first element with the tag.
func find(data []byte, tag byte) []byte {
	for len(data) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(data, &v)
		if err != nil {
			return nil
		}
		if v.FullBytes[0] == tag {
			return v.Bytes
		}
		data = rest
	}
	return nil
}
