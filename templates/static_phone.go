package templates

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

const (
	phoneFolder = "static/phone"
	phoneWorker = "worker.js" // served by its own address: see PhoneWorker
)

// addPhone adds the app's files. Its scripts import each other by relative
// addresses, so all of them stand below one folder that is named by the hash of
// them all: what the app consists of is always of one version.
func (a *assets) addPhone() error {
	type entry struct {
		name string
		data []byte
	}
	var entries []entry
	sum := sha256.New()
	err := fs.WalkDir(staticFiles, phoneFolder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := staticFiles.ReadFile(name)
		if err != nil {
			return err
		}
		name = strings.TrimPrefix(name, phoneFolder+"/")
		fmt.Fprintf(sum, "%s %d\n", name, len(data))
		sum.Write(data)
		entries = append(entries, entry{name, data})
		return nil
	})
	if err != nil {
		return fmt.Errorf("static files: %w", err)
	}
	version := hex.EncodeToString(sum.Sum(nil)[:6])
	for _, e := range entries {
		kind := contentTypes[path.Ext(e.name)]
		if kind == "" {
			return fmt.Errorf("static files: %s is of no known type", e.name)
		}
		zipped, err := squeeze(e.data)
		if err != nil {
			return fmt.Errorf("static files: %w", err)
		}
		address := "/static/phone/" + version + "/" + e.name
		a.files[address] = file{contentType: kind, plain: e.data, zipped: zipped}
		a.paths["phone/"+e.name] = address
	}
	return nil
}

// PhoneWorker is the app's service worker. Its first lines name the version and
// all that it has to keep, so that it changes whenever one of these does.
func (r *Renderer) PhoneWorker() []byte {
	keep := []string{r.assets.paths["app.css"], r.assets.paths["app.js"], r.assets.paths["icons.svg"], r.assets.paths["mark.svg"]}
	for name, address := range r.assets.paths {
		if ext := path.Ext(name); strings.HasPrefix(name, "phone/") && name != "phone/"+phoneWorker && ext != "" {
			keep = append(keep, address)
		}
	}
	slices.Sort(keep)
	sum := sha256.Sum256([]byte(strings.Join(keep, "\n") + strings.Join(r.phoneShells(), "\n")))
	var b strings.Builder
	fmt.Fprintf(&b, "const VERSION = %q;\nconst FILES = [\n", hex.EncodeToString(sum[:6]))
	for _, address := range keep {
		fmt.Fprintf(&b, "  %q,\n", address)
	}
	b.WriteString("];\n")
	b.Write(r.assets.files[r.assets.paths["phone/"+phoneWorker]].plain)
	return []byte(b.String())
}

// phoneShells are the words of the app in each language: a change of one makes
// a new version of the page that is kept.
func (r *Renderer) phoneShells() []string {
	var out []string
	for _, lang := range languages {
		for _, key := range r.keys {
			if strings.HasPrefix(key, "phone.") {
				out = append(out, r.words.text(lang, key))
			}
		}
	}
	return out
}

// PhoneManifest is the app's web app manifest (W3C Web Application Manifest).
type PhoneManifest struct {
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	ShortName   string      `json:"short_name"`
	Description string      `json:"description"`
	Lang        string      `json:"lang"`
	Dir         string      `json:"dir"`
	Start       string      `json:"start_url"`
	Scope       string      `json:"scope"`
	Display     string      `json:"display"`
	Orientation string      `json:"orientation"`
	Theme       string      `json:"theme_color"`
	Background  string      `json:"background_color"`
	Icons       []PhoneIcon `json:"icons"`
}

// PhoneIcon is an icon of the app.
type PhoneIcon struct {
	Source  string `json:"src"`
	Sizes   string `json:"sizes"`
	Type    string `json:"type"`
	Purpose string `json:"purpose"`
}

// PhoneManifest is the manifest in a language.
func (r *Renderer) PhoneManifest(lang string) PhoneManifest {
	icon := func(name, sizes, purpose string) PhoneIcon {
		return PhoneIcon{Source: r.assets.paths["phone/"+name], Sizes: sizes, Type: "image/png", Purpose: purpose}
	}
	return PhoneManifest{
		ID: "/phone", Name: r.Word(lang, "phone.app"), ShortName: r.Word(lang, "phone.app.short"),
		Description: r.Word(lang, "phone.app.what"), Lang: lang, Dir: "ltr", Start: "/phone", Scope: "/phone",
		Display: "standalone", Orientation: "portrait", Theme: "#00756b", Background: "#f5f7f8",
		Icons: []PhoneIcon{
			icon("icon-192.png", "192x192", "any"), icon("icon-512.png", "512x512", "any"),
			icon("icon-maskable-512.png", "512x512", "maskable"),
		},
	}
}
