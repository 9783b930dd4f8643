package directory

import (
	"bufio"
	"bytes"
	"crypto/sha1" // the format of the lists: nothing relies on its strength
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// A list of leaked passwords is a file of sorted entries: the first ten bytes of
// the SHA-1 of each. Eighty bits tell a billion passwords apart.
const (
	leakedMagic = "idp leaked 1\n\n\n\n"
	leakedEntry = 10
)

// ErrLeakedFile says that a file is no list of leaked passwords.
var ErrLeakedFile = errors.New("not a list of leaked passwords")

// LeakedFile is a list of leaked passwords on disk: looking into it reads some
// dozen entries. A new list that takes the file's place is seen at once.
type LeakedFile struct {
	Path string

	mu   sync.Mutex
	file *os.File
	info os.FileInfo
	n    int64
}

// Look opens the file, and again when another took its place.
func (l *LeakedFile) Look() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.look()
}

func (l *LeakedFile) look() error {
	info, err := os.Stat(l.Path)
	if err != nil {
		return fmt.Errorf("leaked passwords: %w", err)
	}
	if l.file != nil && os.SameFile(info, l.info) && info.Size() == l.info.Size() {
		return nil
	}
	file, err := os.Open(l.Path)
	if err != nil {
		return fmt.Errorf("leaked passwords: %w", err)
	}
	head := make([]byte, len(leakedMagic))
	size := info.Size() - int64(len(head))
	if _, err := io.ReadFull(file, head); err != nil || string(head) != leakedMagic || size%leakedEntry != 0 {
		return errors.Join(fmt.Errorf("%s: %w", l.Path, ErrLeakedFile), file.Close())
	}
	if l.file != nil {
		_ = l.file.Close() // it was only read
	}
	l.file, l.info, l.n = file, info, size/leakedEntry
	return nil
}

// Has implements Leaked.
func (l *LeakedFile) Has(password string) (bool, error) {
	sum := sha1.Sum([]byte(password))
	want := sum[:leakedEntry]
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.look(); err != nil {
		return false, err
	}
	low, high := int64(0), l.n
	var entry [leakedEntry]byte
	for low < high {
		middle := low + (high-low)/2
		if _, err := l.file.ReadAt(entry[:], int64(len(leakedMagic))+middle*leakedEntry); err != nil {
			return false, fmt.Errorf("leaked passwords: %w", err)
		}
		switch bytes.Compare(entry[:], want) {
		case 0:
			return true, nil
		case -1:
			low = middle + 1
		default:
			high = middle
		}
	}
	return false, nil
}

// ErrUnsorted says that a list must be sorted by its hashes.
var ErrUnsorted = errors.New("not sorted by hash")

// LeakedWriter writes a list from sources that are sorted, one after the other.
type LeakedWriter struct {
	out   *bufio.Writer
	last  [leakedEntry]byte
	count int64
}

// NewLeakedWriter begins a list.
func NewLeakedWriter(w io.Writer) (*LeakedWriter, error) {
	l := &LeakedWriter{out: bufio.NewWriterSize(w, 1<<20)}
	_, err := l.out.WriteString(leakedMagic)
	return l, err
}

// Add reads lines in the form of the k-anonymous lists: 40 hexadecimal digits of
// a SHA-1, or, in a file of one range, the 35 that follow the prefix; then a colon
// and a count, which may be missing. A count of zero is padding, and left out.
func (l *LeakedWriter) Add(r io.Reader, prefix string) error {
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		digits, count, _ := strings.Cut(line, ":")
		if line == "" || strings.Trim(count, "0") == "" && count != "" {
			continue
		}
		if len(digits) == 35 {
			digits = prefix + digits
		}
		sum, err := hex.DecodeString(digits)
		if err != nil || len(sum) != sha1.Size {
			return fmt.Errorf("line %d: %w", number, ErrLeakedFile)
		}
		if err := l.put(sum[:leakedEntry]); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	return lines.Err()
}

func (l *LeakedWriter) put(entry []byte) error {
	if l.count > 0 {
		switch bytes.Compare(entry, l.last[:]) {
		case 0:
			return nil
		case -1:
			return ErrUnsorted
		}
	}
	copy(l.last[:], entry)
	l.count++
	_, err := l.out.Write(entry)
	return err
}

// Close ends the list and returns how many entries it has.
func (l *LeakedWriter) Close() (int64, error) { return l.count, l.out.Flush() }
