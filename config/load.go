package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"taipeion.internal/idp/cardreader/agent"
)

// ErrInvalid is in every error about what a configuration file says.
var ErrInvalid = errors.New("configuration is not valid")

const maxFile = 1 << 20

// Load reads and checks the configuration of `idp serve`.
func Load(path string) (*Config, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	c := Default()
	if err := decode(path, data, c); err != nil {
		return nil, err
	}
	if c.dir, err = filepath.Abs(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := c.Check(); err != nil {
		return nil, located(path, data, err)
	}
	return c, nil
}

// LoadAgent reads and checks the configuration of `idp agent`.
func LoadAgent(path string) (*agent.Config, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	c := &agent.Config{}
	if err := decode(path, data, c); err != nil {
		return nil, err
	}
	if err := c.Check(); err != nil {
		key, text, _ := strings.Cut(strings.TrimPrefix(err.Error(), "agent: "), ": ")
		return nil, located(path, data, faults{{key, text}})
	}
	return c, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: %w: over %d bytes", path, ErrInvalid, maxFile)
	}
	return data, nil
}

// decode is strict: an unknown key or one that is there twice is an error that
// names its line.
func decode(path string, data []byte, into any) error {
	var anything any
	if err := yaml.Unmarshal(data, &anything); err == nil && anything == nil {
		return nil // comments alone: decoding that would wipe the defaults
	}
	dec := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	err := dec.Decode(into)
	if errors.Is(err, io.EOF) {
		return nil // an empty file: all defaults
	}
	if err == nil {
		var more any
		if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
			return fmt.Errorf("%s:%d: %w: a second document begins here, and one is expected", path, secondDocument(data), ErrInvalid)
		}
		return nil
	}
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		return fmt.Errorf("%s: %w: %s", path, ErrInvalid, firstLine(err.Error()))
	}
	return fmt.Errorf("%s:%d: %w: %s", path, at.GetToken().Position.Line, ErrInvalid, message(at, data))
}

// secondDocument is the line where the second document begins (YAML 1.2.2, sections
// 9.1.2 and 9.2): at its "---", or with what follows the "..." of the first one.
func secondDocument(data []byte) int {
	begun, ended := false, false
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimRight(line, " \t\r")
		switch {
		case line == "" || line[0] == '#' || line[0] == '%':
		case ended, begun && marks(line, "---"):
			return i + 1
		default:
			begun, ended = true, marks(line, "...")
		}
	}
	return 1
}

// marks tells whether the line is a marker of documents, alone or with a comment.
func marks(line, marker string) bool {
	rest, ok := strings.CutPrefix(line, marker)
	return ok && (rest == "" || rest[0] == ' ' || rest[0] == '\t')
}

// message puts a fault into our words, with the key it is about.
func message(at yaml.Error, data []byte) string {
	text := strings.Replace(firstLine(at.GetMessage()), "unknown field", "unknown key", 1)
	value := at.GetToken().Value
	switch e := at.(type) { //nolint:errorlint // as decode found it
	case *yaml.TypeError:
		text = fmt.Sprintf("%q is not %s", value, kindOf(e.DstType))
	case *yaml.OverflowError:
		text = fmt.Sprintf("%q is out of range", value)
	case *yaml.UnexpectedNodeTypeError:
		text = fmt.Sprintf("%q is not %s", value, map[bool]string{true: "a list", false: "a section of keys"}[e.Expected == ast.SequenceType])
	}
	for key, where := range positions(data) {
		if *where == *at.GetToken().Position {
			return key + ": " + text
		}
	}
	return text
}

func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Struct:
		return "a section of keys"
	case reflect.String:
		return "a text"
	}
	return "a number"
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// Path makes a path of the file absolute.
func (c *Config) Path(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.dir, name)
}

// Secret reads a file that holds one secret. Others must not be able to.
func (c *Config) Secret(name string) (string, error) {
	path := c.Path(name)
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("secret file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("secret file %s: %w: mode %#o: it may be read by others: chmod 600", path, ErrInvalid, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("secret file: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
