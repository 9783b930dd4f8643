package idp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "taipeion.internal/idp"

// rows is the map of ARCHITECTURE.md, from the top: a package imports lower
// rows only. A folder below a package stands in its row and may import it.
var rows = [][]string{
	{"cmd/idp"},
	{"config", "server", "store", "demo"},
	{"oidc", "login", "phone", "portal", "admin"},
	{"cardreader", "devicebind", "directory"},
	{"policy", "keys", "session", "outbox", "templates"},
	{"."},
}

// apart stand beside the map: tools and tests of the whole product, which
// nothing imports but tests.
var apart = []string{"internal/testenv", "store/storetest", "internal/e2e", "internal/bench", "templates/storybook"}

// siblings may import each other although they share a folder's row: each with
// its reason.
var siblings = map[string]string{
	"cardreader/agent > cardreader/pkcs11": "the agent drives cards through it",
	"devicebind > devicebind/qr":           "it draws the codes",
	"directory/sync > directory/feed":      "a run reads its source",
	"directory/sync > directory/plan":      "a run makes its plan",
}

// owners: whoever needs one of these libraries asks its owner.
var owners = map[string][]string{
	"github.com/go-jose/go-jose/v4":       {"keys"},
	"github.com/ory/fosite":               {"oidc"},
	"go.mozilla.org/pkcs7":                {"cardreader"},
	"github.com/miekg/pkcs11":             {"cardreader/pkcs11"},
	"github.com/jackc/pgx/v5":             {"store", "internal/bench/floor"}, // the floor of the measurements is a program of its own
	"modernc.org/sqlite":                  {"store", "internal/bench/floor"},
	"github.com/pressly/goose/v3":         {"store"},
	"github.com/goccy/go-yaml":            {"config"},
	"github.com/prometheus/client_golang": {"server"},
	"github.com/coreos/go-oidc/v3":        {"demo"},
	"golang.org/x/oauth2":                 {"demo"},
	"github.com/spf13/cobra":              {"cmd/idp"},
	"golang.org/x/crypto":                 {"directory"}, // argon2; bcrypt of the portal
	"github.com/go-crypt/x":               {"directory"}, // SHA-512 crypt of the portal
	"github.com/go-webauthn/webauthn":     {"devicebind"},
	"github.com/pquerna/otp":              {"devicebind"},
	"github.com/skip2/go-qrcode":          {"devicebind"},
	"github.com/go-ldap/ldap/v3":          {"directory/ad"},
	"github.com/go-asn1-ber/asn1-ber":     {"directory/ad", "internal/testenv"}, // and the scripted server of its tests
	"golang.org/x/text":                   {"*"},
	// Tests only.
	"github.com/chromedp/chromedp":    {},
	"github.com/chromedp/cdproto":     {},
	"github.com/rogpeppe/go-internal": {},
}

type goPackage struct {
	ImportPath   string
	Dir          string
	Imports      []string
	TestImports  []string
	XTestImports []string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	CgoFiles     []string
}

func (p goPackage) name() string {
	name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
	if name == "" {
		return "."
	}
	return name
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// row finds the row of a package, by itself or by the folder it is in; -1 for
// what stands apart.
func row(t *testing.T, name string) int {
	t.Helper()
	for _, a := range apart {
		if name == a || strings.HasPrefix(name, a+"/") {
			return -1
		}
	}
	for i, r := range rows {
		for _, member := range r {
			if name == member || member != "." && strings.HasPrefix(name, member+"/") {
				return i
			}
		}
	}
	t.Errorf("%s is in no row: put it into ARCHITECTURE.md and the table here", name)
	return -1
}

func TestImportsGoDownwards(t *testing.T) {
	for _, p := range packages(t) {
		from := p.name()
		own := row(t, from)
		for _, path := range p.Imports {
			if path != module && !strings.HasPrefix(path, module+"/") {
				continue
			}
			to := goPackage{ImportPath: path}.name()
			if own == -1 {
				continue // tools and tests may use everything
			}
			target := row(t, to)
			switch {
			case target == -1:
				t.Errorf("%s imports %s, which is for tests", from, to)
			case target > own:
			case strings.HasPrefix(from, to+"/"): // a sub-folder its parent
			case siblings[from+" > "+to] != "":
			default:
				t.Errorf("%s imports %s: not a lower row", from, to)
			}
		}
	}
}

func TestRootImportsTheStandardLibraryOnly(t *testing.T) {
	for _, p := range packages(t) {
		if p.name() != "." {
			continue
		}
		for _, path := range p.Imports {
			if strings.Contains(path, ".") {
				t.Errorf("the root imports %s", path)
			}
		}
	}
}

func TestEachLibraryHasItsOwner(t *testing.T) {
	for _, p := range packages(t) {
		from := p.name()
		for _, path := range p.Imports {
			first, _, _ := strings.Cut(path, "/")
			if !strings.Contains(first, ".") || path == module || strings.HasPrefix(path, module+"/") {
				continue
			}
			found := false
			for library, names := range owners {
				if path == library || strings.HasPrefix(path, library+"/") {
					found = true
					if !slices.Contains(names, from) && !slices.Contains(names, "*") {
						t.Errorf("%s imports %s, which belongs to %v", from, path, names)
					}
				}
			}
			if !found {
				t.Errorf("%s imports %s: a new library needs an owner here and in ARCHITECTURE.md", from, path)
			}
		}
	}
}

func TestArchitectureShowsTheRows(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		var names []string
		for _, name := range r {
			if name == "." {
				name = "idp (root)"
			}
			names = append(names, name)
		}
		found := false
		for line := range strings.Lines(string(text)) {
			all := strings.HasPrefix(line, "    ")
			for _, name := range names {
				all = all && strings.Contains(line, name)
			}
			found = found || all
		}
		if !found {
			t.Errorf("ARCHITECTURE.md shows no row with %v", names)
		}
	}
	for library, names := range owners {
		short := path.Base(regexp.MustCompile(`/v[0-9]+$`).ReplaceAllString(library, ""))
		if len(names) > 0 && library != "golang.org/x/text" && !strings.Contains(string(text), short) {
			t.Errorf("ARCHITECTURE.md does not name %s", library)
		}
	}
}

// The budgets: what is longer is hard to read at once.
const (
	maxFile      = 400
	maxTestFile  = 600
	maxFunction  = 60
	maxInterface = 8
	maxParams    = 4 // of a constructor
)

// exceptions to the budgets, each with its reason.
var exceptions = map[string]string{}

func TestBudgets(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata" || d.Name() == "demo-data") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			checkBudgets(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkBudgets(t *testing.T, path string) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return
	}
	isTest := strings.HasSuffix(path, "_test.go")
	limit := maxFile
	if isTest {
		limit = maxTestFile
	}
	if n := set.File(file.FileStart).LineCount(); n > limit && exceptions[path] == "" {
		t.Errorf("%s has %d lines; at most %d", path, n, limit)
	}
	lines := func(n ast.Node) int { return set.Position(n.End()).Line - set.Position(n.Pos()).Line + 1 }
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if isTest {
				return true // a table of cases may be long
			}
			name := path + " " + n.Name.Name
			if exceptions[name] != "" {
				return true
			}
			if lines(n) > maxFunction {
				t.Errorf("%s has %d lines; at most %d", name, lines(n), maxFunction)
			}
			if strings.HasPrefix(n.Name.Name, "New") && n.Recv == nil && n.Type.Params.NumFields() > maxParams {
				t.Errorf("%s takes %d parameters; at most %d", name, n.Type.Params.NumFields(), maxParams)
			}
		case *ast.TypeSpec:
			i, ok := n.Type.(*ast.InterfaceType)
			if ok && i.Methods.NumFields() > maxInterface && exceptions[path+" "+n.Name.Name] == "" {
				t.Errorf("%s: interface %s has %d methods; at most %d", path, n.Name.Name, i.Methods.NumFields(), maxInterface)
			}
		}
		return true
	})
}

func TestEveryPackageSaysWhatItOwns(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles)+len(p.CgoFiles) == 0 {
			continue
		}
		set := token.NewFileSet()
		found := false
		for _, name := range append(p.GoFiles, p.CgoFiles...) {
			file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			found = found || file.Doc != nil
		}
		if !found {
			t.Errorf("%s has no package comment", p.name())
		}
		for _, bad := range []string{"utils", "common", "models", "helpers"} {
			if filepath.Base(p.Dir) == bad {
				t.Errorf("%s: the name says nothing", p.name())
			}
		}
	}
}
