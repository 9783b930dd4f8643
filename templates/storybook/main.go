// Command storybook renders every page in every state, with invented data and
// in both languages, into a folder, so that pages can be looked at without a
// database.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"taipeion.internal/idp/templates"
)

func main() {
	out := flag.String("out", filepath.Join(os.TempDir(), "storybook"), "folder to write to")
	listen := flag.String("listen", "", "address to show the pages on; empty: only write them")
	roc := flag.Bool("roc", false, "years of the Republic of China")
	flag.Parse()
	if err := run(*out, *listen, *roc); err != nil {
		log.Fatal(err)
	}
}

func run(out, listen string, roc bool) error {
	r, err := templates.New(templates.Options{
		Contacts: contacts, ROCYears: roc, Now: now, AgentDownload: "https://example.gov.taipei/component",
	})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(out, "static"), 0o755); err != nil {
		return err
	}
	var index strings.Builder
	for _, story := range stories() {
		for _, lang := range []string{templates.Chinese, templates.English} {
			name := story.name + "." + lang + ".html"
			page := render(r, story, lang)
			if err := copyAssets(r, out, page); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(out, name), []byte(page), 0o644); err != nil {
				return err
			}
			fmt.Fprintln(&index, name)
		}
	}
	if err := os.WriteFile(filepath.Join(out, "index.txt"), []byte(index.String()), 0o644); err != nil {
		return err
	}
	if listen == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("/static/", r.Static())
	mux.Handle("/", http.FileServer(http.Dir(out)))
	fmt.Println("http://" + listen + "/")
	return http.ListenAndServe(listen, mux)
}

func render(r *templates.Renderer, s story, lang string) string {
	req := httptest.NewRequest(http.MethodGet, "/"+s.name+"?lang="+lang, nil)
	req.Header.Set("User-Agent", chromeOnWindows)
	answer := httptest.NewRecorder()
	r.Render(answer, req, http.StatusOK, s.view(lang))
	return answer.Body.String()
}

// copyAssets writes the static files that a page names, where a web server for
// plain files finds them.
func copyAssets(r *templates.Renderer, out, page string) error {
	for _, piece := range strings.Split(page, `"`) {
		address, _, _ := strings.Cut(piece, "#")
		if !strings.HasPrefix(address, "/static/") {
			continue
		}
		answer := httptest.NewRecorder()
		r.Static().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, address, nil))
		if err := os.WriteFile(filepath.Join(out, filepath.FromSlash(address)), answer.Body.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
