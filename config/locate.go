package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// located gives the faults of Check the lines of their keys.
func located(path string, data []byte, err error) error {
	var list faults
	if !errors.As(err, &list) {
		return fmt.Errorf("%s: %w", path, err)
	}
	where := positions(data)
	var out []error
	for _, f := range list {
		if line := lineOf(where, f.key); line > 0 {
			out = append(out, fmt.Errorf("%s:%d: %w: %w", path, line, ErrInvalid, f))
		} else { // what the file does not say
			out = append(out, fmt.Errorf("%s: %w: %w", path, ErrInvalid, f))
		}
	}
	return errors.Join(out...)
}

// lineOf finds a key, or the part of the file that it would be in.
func lineOf(where map[string]*token.Position, key string) int {
	for key != "" {
		if at := where[key]; at != nil {
			return at.Line
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return 0
}

// positions says where the value of each key stands: "session.idle",
// "pages.contacts[0].name".
func positions(data []byte) map[string]*token.Position {
	found := map[string]*token.Position{}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return found
	}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			ast.Walk(places(found), doc.Body)
		}
	}
	return found
}

type places map[string]*token.Position

// Visit implements ast.Visitor.
func (p places) Visit(node ast.Node) ast.Visitor {
	switch n := node.(type) {
	case *ast.MappingValueNode:
		p.put(n.Value)
	case *ast.SequenceNode:
		for _, v := range n.Values {
			p.put(v)
		}
	}
	return p
}

func (p places) put(value ast.Node) {
	key := strings.TrimPrefix(value.GetPath(), "$.")
	if at := value.GetToken(); key != "" && at != nil && p[key] == nil {
		p[key] = at.Position
	}
}
