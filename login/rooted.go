package login

import (
	"net/url"
	"strings"
)

// rooted returns path if it is a rooted path of our own origin, else "/". What
// a browser may read as another host (two slashes, a backslash, a control
// character that it leaves out) is none.
func rooted(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
		return "/"
	}
	for _, r := range path {
		if r <= ' ' || r == '\\' || r >= 0x7f {
			return "/"
		}
	}
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "/"
	}
	// Decoded it must not become one either: a proxy may decode on its way.
	if strings.HasPrefix(u.Path, "//") || strings.ContainsAny(u.Path, "\\\t\r\n\x00") {
		return "/"
	}
	return path
}
