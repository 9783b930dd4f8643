package store

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// queries are all constants of type query in this package's source, complete
// statements only.
func queries(t *testing.T) map[string]string {
	t.Helper()
	set := token.NewFileSet()
	entries, err := fs.Glob(os.DirFS("."), "*.go")
	must(t, err)
	var files []*ast.File
	for _, name := range entries {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, 0)
		must(t, err)
		files = append(files, file)
	}
	// Imports are not there: only constants matter here.
	config := types.Config{Error: func(error) {}, FakeImportC: true, Importer: noImports{}}
	pkg, _ := config.Check("store", set, files, nil)
	found := map[string]string{}
	for _, name := range pkg.Scope().Names() {
		c, ok := pkg.Scope().Lookup(name).(*types.Const)
		if !ok || !strings.HasSuffix(c.Type().String(), ".query") {
			continue
		}
		text := constant.StringVal(c.Val())
		switch verb, _, _ := strings.Cut(text, " "); verb {
		case "SELECT", "INSERT", "UPDATE", "DELETE":
			found[name] = text
		}
	}
	return found
}

type noImports struct{}

func (noImports) Import(path string) (*types.Package, error) {
	p := types.NewPackage(path, path[strings.LastIndex(path, "/")+1:])
	p.MarkComplete()
	return p, nil
}

func TestStatements_AllPrepareOnBothEngines(t *testing.T) {
	all := queries(t)
	if len(all) < 60 {
		t.Fatalf("found only %d statements", len(all))
	}
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		s := d.open(t)
		for name, text := range all {
			var err error
			switch e := s.engine.(type) {
			case *liteEngine:
				p, prepareErr := e.readDB.Prepare(text)
				if err = prepareErr; err == nil {
					p.Close()
				}
			case *pgEngine:
				conn, acquireErr := e.pool.Acquire(t.Context())
				must(t, acquireErr)
				_, err = conn.Conn().Prepare(t.Context(), name, text)
				conn.Release()
			}
			if err != nil {
				t.Errorf("%s: %v\n%s", name, err, text)
			}
		}
	})
}

func TestStatements_PortableOnly(t *testing.T) {
	for name, text := range queries(t) {
		upper := strings.ToUpper(text)
		for _, foreign := range []string{"NOW()", "FOR UPDATE", "->", "::", "ARRAY", "?", "CURRENT_TIMESTAMP"} {
			if strings.Contains(upper, foreign) {
				t.Errorf("%s has %s", name, foreign)
			}
		}
	}
}

// Whatever changes a session or a person is told to those who remember them.
func TestStatements_EndsAreTold(t *testing.T) {
	changes := regexp.MustCompile(`\b(UPDATE|INSERT INTO|DELETE FROM) (sessions|persons)\b`)
	harmless := map[string]bool{"insertSession": true, "touchSession": true, "pruneSessions": true, "holdSession": true, "holdPerson": true}
	told := 0
	for name, text := range queries(t) {
		if changes.MatchString(text) && !harmless[name] {
			told++
			if !ends(query(text)) {
				t.Errorf("%s is not told", name)
			}
		}
	}
	if told < 10 || ends(touchSession) || ends(redeemCode) {
		t.Errorf("%d are told", told)
	}
}
