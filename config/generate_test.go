package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"

	"taipeion.internal/idp/cardreader"
)

var update = flag.Bool("update", false, "write the generated files")

// TestGenerated holds the example and the schema to the comments of the
// structures: `go generate ./config` writes them anew.
func TestGenerated(t *testing.T) {
	g := &generator{docs: fieldDocs(t, "config.go", "directory.go", "factors.go", "sync.go", "../cardreader/profile.go")}
	yaml := g.example()
	schema := g.schema(t)
	for file, want := range map[string][]byte{
		"example.yaml": yaml, "schema.json": schema, "../docs/config.schema.json": schema,
	} {
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not up to date: go generate ./config (%v)", file, err)
		}
	}
	for _, key := range g.missing {
		t.Errorf("%s has no comment", key)
	}
}

type generator struct {
	docs    map[string]string // "Type.Field": comment
	missing []string
}

func fieldDocs(t *testing.T, files ...string) map[string]string {
	t.Helper()
	docs := map[string]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				doc := ""
				for _, f := range s.Fields.List {
					// One comment may stand for the fields that follow it.
					if f.Doc != nil {
						doc = strings.TrimSpace(f.Doc.Text())
					}
					for _, name := range f.Names {
						docs[spec.Name.Name+"."+name.Name] = doc
					}
				}
			}
			return true
		})
	}
	return docs
}

func (g *generator) doc(owner reflect.Type, f reflect.StructField) string {
	doc := g.docs[owner.Name()+"."+f.Name]
	if doc == "" {
		g.missing = append(g.missing, owner.Name()+"."+f.Name)
	}
	return doc
}

// profileSamples are what an issuer's profile may say.
var profileSamples = map[string]string{
	"name": "another issuer", "issuers": "[fa9b3467090a9822f762488b8226a645c5c322a4]", "policies": "[2.16.886.101.0.3.3]",
	"key_usages": "[digitalSignature]", "ext_key_usages": "[1.3.6.1.5.5.7.3.2]", "algorithms": "[]",
	"subject_type_oid": "2.16.886.1.100.2.1", "subject_type": "2.16.886.1.100.3.1.1", "id_tail_oid": "2.16.886.1.100.2.51",
	"without_crl": "false",
}

// one writes one element of a list as a comment; sample is what a key may say.
func (g *generator) one(out *bytes.Buffer, indent, list string, typ reflect.Type, sample func(reflect.StructField) string) {
	fmt.Fprintf(out, "%s#%s:\n", indent, list)
	for i := range typ.NumField() {
		f := typ.Field(i)
		key, lead := f.Tag.Get("yaml"), "    "
		if i == 0 {
			lead = "  - "
		}
		if sample(f) == "" {
			g.missing = append(g.missing, "a sample of "+list+" "+key)
		}
		doc := g.doc(typ, f)
		if i == 0 || doc != g.doc(typ, typ.Field(i-1)) { // else it was said for both
			for line := range strings.SplitSeq(doc, "\n") {
				fmt.Fprintf(out, "%s#    # %s\n", indent, line)
			}
		}
		fmt.Fprintf(out, "%s#%s%s: %s\n", indent, lead, key, sample(f))
	}
}

// example writes every key with its comment: at its default, or, where there
// is none, as a comment with a value to follow.
func (g *generator) example() []byte {
	var out bytes.Buffer
	out.WriteString("# Configuration of the identity provider: idp serve --config FILE\n" +
		"# Keys that are left out have the values shown here; those behind a # are empty.\n")
	g.section(&out, reflect.ValueOf(*Default()), "")
	return out.Bytes()
}

func (g *generator) section(out *bytes.Buffer, v reflect.Value, indent string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := f.Tag.Get("yaml")
		if !f.IsExported() {
			continue
		}
		if indent == "" || i > 0 {
			out.WriteString("\n")
		}
		for line := range strings.SplitSeq(g.doc(v.Type(), f), "\n") {
			fmt.Fprintf(out, "%s# %s\n", indent, line)
		}
		sample := f.Tag.Get("example")
		switch value := v.Field(i); {
		case key == "profiles":
			g.one(out, indent, key, reflect.TypeFor[cardreader.Profile](), func(f reflect.StructField) string { return profileSamples[f.Tag.Get("yaml")] })
		case key == "sources":
			g.one(out, indent, key, reflect.TypeFor[SyncSource](), func(f reflect.StructField) string { return f.Tag.Get("example") })
		case key == "backends":
			g.one(out, indent, key, reflect.TypeFor[DirectoryBackend](), func(f reflect.StructField) string { return f.Tag.Get("example") })
		case key == "contacts":
			fmt.Fprintf(out, "%scontacts:\n", indent)
			for _, c := range value.Interface().([]Contact) {
				fmt.Fprintf(out, "%s  - {name: %q, name_en: %q, text: %q, text_en: %q}\n", indent, c.Name, c.NameEN, c.Text, c.TextEN)
			}
		case value.Kind() == reflect.Struct:
			fmt.Fprintf(out, "%s%s:\n", indent, key)
			g.section(out, value, indent+"  ")
		case sample != "" && (key == "issuer" || indent != "" && v.Type() == reflect.TypeFor[TLS]()):
			fmt.Fprintf(out, "%s%s: %s\n", indent, key, sample)
		case sample != "":
			fmt.Fprintf(out, "%s#%s: %s\n", indent, key, quote(sample))
		default:
			fmt.Fprintf(out, "%s%s: %s\n", indent, key, scalar(value))
		}
	}
}

func quote(s string) string {
	if strings.HasPrefix(s, "[") {
		return s
	}
	return fmt.Sprintf("%q", s)
}

func scalar(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case Duration:
		text, _ := x.MarshalText()
		return string(text)
	case []string:
		return "[" + strings.Join(x, ", ") + "]"
	case string:
		return x
	}
	return fmt.Sprint(v.Interface())
}

func (g *generator) schema(t *testing.T) []byte {
	t.Helper()
	s := g.object(reflect.TypeFor[Config]())
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Configuration of the identity provider"
	s["required"] = []string{"issuer"}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func (g *generator) object(typ reflect.Type) map[string]any {
	properties := map[string]any{}
	for i := range typ.NumField() {
		f := typ.Field(i)
		if !f.IsExported() {
			continue
		}
		p := g.kind(f.Type)
		p["description"] = strings.ReplaceAll(g.doc(typ, f), "\n", " ")
		properties[f.Tag.Get("yaml")] = p
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}

func (g *generator) kind(typ reflect.Type) map[string]any {
	switch {
	case typ == reflect.TypeFor[Duration]():
		return map[string]any{"type": "string", "pattern": "^([0-9]+d|([0-9.]+(ms|s|m|h))+|0s?)$"}
	case typ == reflect.TypeFor[cardreader.Algorithm]():
		return map[string]any{"type": "string"}
	case typ.Kind() == reflect.Struct:
		return g.object(typ)
	case typ.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": g.kind(typ.Elem())}
	case typ.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	case typ.Kind() == reflect.String:
		return map[string]any{"type": "string"}
	}
	return map[string]any{"type": "integer", "minimum": 0}
}
