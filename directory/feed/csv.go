package feed

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/text/encoding/traditionalchinese"
)

// The encodings of a file.
const (
	UTF8  = "utf-8"
	Big5  = "big5"       // as Windows writes it (code page 950), without its private characters
	HKSCS = "big5-hkscs" // with the Hong Kong extensions
)

var (
	// ErrChanged says that a file was written while it was read.
	ErrChanged = errors.New("the file was written while it was read")
	// ErrNoFile says that a path leads to something that is read for ever, such as a
	// pipe.
	ErrNoFile = errors.New("it is no ordinary file")
)

// CSV is a file of comma-separated values (RFC 4180) with the names of the
// columns in its first line.
type CSV struct {
	Path     string
	Encoding string // UTF8 if empty
	Comma    byte   // ',' if 0
}

const (
	maxLine   = 64 << 10
	maxJoined = 8 // lines that one quoted value may span
)

// Each implements Records. A quote that is never closed spoils its own line, not
// the rest of the file.
func (c CSV) Each(ctx context.Context, yield func(line int, values []string, fault string) error) error {
	before, err := os.Stat(c.Path)
	if err != nil {
		return fmt.Errorf("feed: %w", err)
	}
	if !before.Mode().IsRegular() {
		return fmt.Errorf("feed: %s: %w", c.Path, ErrNoFile)
	}
	f, err := os.Open(c.Path)
	if err != nil {
		return fmt.Errorf("feed: %w", err)
	}
	defer f.Close()
	if err := c.each(f, yield); err != nil {
		return err
	}
	// One that was replaced as a whole is read as it was; one that was written on
	// may be half of two.
	read, err := f.Stat()
	if err != nil {
		return fmt.Errorf("feed: %w", err)
	}
	if os.SameFile(before, read) && (read.Size() != before.Size() || !read.ModTime().Equal(before.ModTime())) {
		return fmt.Errorf("feed: %s: %w", c.Path, ErrChanged)
	}
	return nil
}

func (c CSV) each(from io.Reader, yield func(line int, values []string, fault string) error) error {
	if c.Comma == 0 {
		c.Comma = ','
	}
	l := &lines{in: bufio.NewReaderSize(from, maxLine)}
	decode := func(b []byte) string { return string(b) }
	if c.Encoding == Big5 || c.Encoding == HKSCS {
		d := traditionalchinese.Big5.NewDecoder()
		decode = func(b []byte) string {
			if c.Encoding == Big5 && private(b) {
				return "\ufffd"
			}
			d.Reset()
			out, err := d.Bytes(b)
			if err != nil {
				return "\ufffd"
			}
			return string(out)
		}
	}
	for {
		at := l.number + 1
		text, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, errLong) {
			if err := yield(at, nil, fmt.Sprintf("longer than %d bytes", maxLine)); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("feed: %w", err)
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		values, fault := c.split(text, l)
		decoded := make([]string, len(values))
		for i, v := range values {
			decoded[i] = decode(v)
		}
		if err := yield(at, decoded, fault); err != nil {
			return err
		}
	}
}

// private tells whether there is a character of the ranges that code page 950
// leaves to its users, each city its own: the decoder would read those of Hong Kong.
func private(b []byte) bool {
	for i := 0; i < len(b); i++ {
		lead := b[i]
		if lead < 0x80 {
			continue
		}
		if i++; i == len(b) {
			return false // cut: the decoder says so
		}
		switch {
		case lead <= 0xa0, lead >= 0xfa, lead == 0xc6 && b[i] >= 0xa1, lead == 0xc7, lead == 0xc8:
			return true
		}
	}
	return false
}

// split reads one record, which may go on in the following lines while a quote
// is open.
func (c CSV) split(text []byte, l *lines) ([][]byte, string) {
	values, fault := c.values(text)
	for ahead := 1; fault == openQuote && ahead <= maxJoined; ahead++ {
		more, ok := l.peek(ahead)
		if !ok {
			break
		}
		if joined, fault := c.values(append(bytes.Clone(text), more...)); fault == "" {
			l.skip(ahead)
			return joined, ""
		}
	}
	return values, fault
}

const openQuote = "a quote is not closed"

// values splits a record; text may hold line breaks within quotes.
func (c CSV) values(text []byte) (values [][]byte, fault string) {
	for {
		if len(text) > 0 && text[0] == '"' {
			value, rest, closed := quoted(text[1:])
			if !closed {
				return values, openQuote
			}
			values, text = append(values, value), rest
			if len(text) > 0 && text[0] != c.Comma {
				return values, "text after a closing quote"
			}
		} else {
			end := bytes.IndexByte(text, c.Comma)
			if end < 0 {
				end = len(text)
			}
			if bytes.IndexByte(text[:end], '"') >= 0 {
				return values, "a quote within a value that does not begin with one"
			}
			values, text = append(values, text[:end]), text[end:]
		}
		if len(text) == 0 {
			return values, ""
		}
		text = text[1:] // the comma
	}
}

func quoted(text []byte) (value, rest []byte, closed bool) {
	var b []byte
	for {
		end := bytes.IndexByte(text, '"')
		if end < 0 {
			return nil, nil, false
		}
		b = append(b, text[:end]...)
		text = text[end+1:]
		if len(text) == 0 || text[0] != '"' {
			return b, text, true
		}
		b = append(b, '"')
		text = text[1:]
	}
}

// lines reads lines and looks ahead.
type lines struct {
	in     *bufio.Reader
	number int // of the last line given out
	ahead  []peeked
	first  bool
}

type peeked struct {
	text []byte
	err  error
}

var errLong = errors.New("line too long")

func (l *lines) next() ([]byte, error) {
	l.number++
	if len(l.ahead) > 0 {
		p := l.ahead[0]
		l.ahead = l.ahead[1:]
		return p.text, p.err
	}
	return l.read()
}

// peek joins the next n lines, each after a line break.
func (l *lines) peek(n int) ([]byte, bool) {
	for len(l.ahead) < n {
		text, err := l.read()
		if err != nil {
			text = nil
		}
		l.ahead = append(l.ahead, peeked{text, err})
		if err != nil && !errors.Is(err, errLong) {
			break
		}
	}
	var joined []byte
	for i := range n {
		if i >= len(l.ahead) || l.ahead[i].err != nil {
			return nil, false
		}
		joined = append(append(joined, '\n'), l.ahead[i].text...)
	}
	return joined, true
}

func (l *lines) skip(n int) {
	l.ahead = l.ahead[n:]
	l.number += n
}

// read returns the next line without its break; the text is the caller's.
func (l *lines) read() ([]byte, error) {
	text, err := l.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = l.in.ReadSlice('\n')
		}
		return nil, errLong
	}
	if err != nil && (!errors.Is(err, io.EOF) || len(text) == 0) {
		return nil, err
	}
	if !l.first {
		l.first = true
		text = bytes.TrimPrefix(text, []byte("\ufeff"))
	}
	return bytes.Clone(bytes.TrimRight(text, "\r\n")), nil
}

// ParseEncoding reads an encoding's name.
func ParseEncoding(s string) (string, error) {
	switch strings.ToLower(s) {
	case "", "utf-8", "utf8":
		return UTF8, nil
	case "big5", "big-5", "cp950", "ms950":
		return Big5, nil
	case "big5-hkscs":
		return HKSCS, nil
	}
	return "", fmt.Errorf("%q is no encoding we read: utf-8, big5 or big5-hkscs", s)
}
