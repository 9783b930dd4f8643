package pivcard

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
)

// The protocol of vpcd: each message has two bytes of length, big-endian. One
// byte is a control of the reader, more is a command for the card. The controls
// 0 (power off), 1 (power on) and 2 (reset) have no answer.
const getATR = 4

// atr: T=1, no historical bytes but one (ISO/IEC 7816-3 section 8).
var atr = []byte{0x3b, 0x80, 0x80, 0x01, 0x01}

// reader is the connection to the virtual reader while the card is in it.
type reader struct {
	conn net.Conn
	done chan struct{}
	once sync.Once
}

// Insert puts the card into the virtual reader at the address.
func (c *Card) Insert(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return fmt.Errorf("pivcard: insert: %w", err)
	}
	c.insert(conn)
	return nil
}

func (c *Card) insert(conn net.Conn) {
	r := &reader{conn: conn, done: make(chan struct{})}
	c.mu.Lock()
	c.reader = r
	c.mu.Unlock()
	go func() {
		defer close(r.done)
		defer r.pull()
		c.serve(r)
	}()
}

// Pull takes the card out of the reader.
func (c *Card) Pull() {
	c.mu.Lock()
	r := c.reader
	c.reader = nil
	c.mu.Unlock()
	if r != nil {
		r.pull()
		<-r.done
	}
}

func (r *reader) pull() { r.once.Do(func() { _ = r.conn.Close() }) }

func (c *Card) serve(r *reader) {
	s := &session{Card: c}
	for {
		message, err := readMessage(r.conn)
		if err != nil {
			return
		}
		var answer []byte
		pulled := false
		switch {
		case len(message) == 1 && message[0] == getATR:
			answer = atr
		case len(message) == 1:
			*s = session{Card: c}
			continue
		default:
			answer, pulled = s.answer(message)
		}
		if pulled {
			return
		}
		if err := writeMessage(r.conn, answer); err != nil {
			return
		}
	}
}

func readMessage(r io.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(head[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}

func writeMessage(w io.Writer, message []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	return err
}
