package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Duration is a time span, written like "90s", "15m", "12h" or "30d".
type Duration time.Duration

// D is the standard library's form.
func (d Duration) D() time.Duration { return time.Duration(d) }

// UnmarshalText reads the written form.
func (d *Duration) UnmarshalText(text []byte) error {
	s := strings.Trim(string(text), `"'`)
	if days, found := strings.CutSuffix(s, "d"); found {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36500 {
			return fmt.Errorf("%q is not a duration: write 90s, 15m, 12h or 30d", s)
		}
		*d = Duration(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration: write 90s, 15m, 12h or 30d", s)
	}
	*d = Duration(v)
	return nil
}

// UnmarshalYAML reads the written form, and says where it is wrong.
func (d *Duration) UnmarshalYAML(node ast.Node) error {
	text := node.GetToken().Value
	if _, plain := node.(ast.ScalarNode); !plain {
		text = node.String()
	}
	if err := d.UnmarshalText([]byte(text)); err != nil {
		return &yaml.SyntaxError{Message: err.Error(), Token: node.GetToken()}
	}
	return nil
}

// MarshalText writes the shortest such form.
func (d Duration) MarshalText() ([]byte, error) {
	v := time.Duration(d)
	for _, unit := range []struct {
		span time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if v != 0 && v%unit.span == 0 {
			return []byte(strconv.FormatInt(int64(v/unit.span), 10) + unit.name), nil
		}
	}
	return []byte(v.String()), nil
}
