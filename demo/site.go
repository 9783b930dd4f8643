package demo

import (
	"bytes"
	"errors"
	"net/http"
	"sort"
	"time"

	idp "taipeion.internal/idp"
)

// view is what the pages show.
type view struct {
	Lang     string
	Other    string // the other language
	System   *System
	Self     string // this page, for the language switch
	Name     string // who is here; empty for nobody
	Username string
	Level    int
	Methods  []string // keys of words
	AuthTime time.Time
	Claims   []claimLine
	API      *apiAnswer
	Expires  time.Time
	Done     time.Time // when the sign-off was made
	Error    string    // key of words
	Detail   string
}

type claimLine struct {
	Name, Value, From string
}

// home shows who came, how they proved it, and what the API has for them.
func (s *System) home(w http.ResponseWriter, r *http.Request) {
	come, answer, ok := s.enter(w, r)
	if !ok {
		return
	}
	v := s.viewOf(w, r, come)
	v.API, v.Expires = answer, time.Unix(answer.Expires, 0)
	s.render(w, http.StatusOK, "home", v)
}

// enter finds the session and calls the API with its access token. Without a
// session, or where the provider says that its token is no longer good (it
// ran out, or one logged out elsewhere), it sends the browser to the provider.
func (s *System) enter(w http.ResponseWriter, r *http.Request) (*session, *apiAnswer, bool) {
	come, ok := s.sessions.get(s.cookie(r, "session"))
	if !ok {
		s.authorize(w, r, pending{returnTo: rooted(r.URL.Path)})
		return nil, nil, false
	}
	answer, err := s.callAPI(r.Context(), come.accessToken)
	if errors.Is(err, errInactive) {
		s.sessions.drop(s.cookie(r, "session"))
		s.authorize(w, r, pending{returnTo: rooted(r.URL.Path)})
		return nil, nil, false
	}
	if err != nil {
		s.fail(w, r, http.StatusBadGateway, "error.provider", err)
		return nil, nil, false
	}
	return &come, answer, true
}

// signOff is a page that only a card opens: whoever came with less is stepped
// up by the provider.
func (s *System) signOff(w http.ResponseWriter, r *http.Request) {
	come, _, ok := s.enter(w, r)
	if !ok {
		return
	}
	if come.level < idp.LevelCard {
		s.authorize(w, r, pending{returnTo: "/sign-off", level: idp.LevelCard})
		return
	}
	v := s.viewOf(w, r, come)
	v.Done = come.signedOff
	s.render(w, http.StatusOK, "signoff", v)
}

func (s *System) signOffDone(w http.ResponseWriter, r *http.Request) {
	come, _, ok := s.enter(w, r)
	if !ok {
		return
	}
	if come.level < idp.LevelCard {
		s.fail(w, r, http.StatusForbidden, "error.level", errors.New("signing off needs the card"))
		return
	}
	come.signedOff = s.Now()
	s.sessions.drop(s.cookie(r, "session"))
	s.setCookie(w, "session", s.sessions.add(*come), int((8 * time.Hour).Seconds()))
	http.Redirect(w, r, "/sign-off", http.StatusSeeOther)
}

func (s *System) loggedOut(w http.ResponseWriter, r *http.Request) {
	s.render(w, http.StatusOK, "loggedout", s.view(w, r))
}

// whoami tells scripts what the home page tells people.
func (s *System) whoami(w http.ResponseWriter, r *http.Request) {
	come, ok := s.sessions.get(s.cookie(r, "session"))
	if !ok {
		http.Error(w, "nobody is logged in", http.StatusUnauthorized)
		return
	}
	writeAnswer(w, map[string]any{"id_token": come.all, "userinfo": come.userinfo})
}

func (s *System) fail(w http.ResponseWriter, r *http.Request, status int, key string, cause error) {
	s.Logger.Warn("refused", "system", s.Kind.ID, "why", key, "error", cause)
	v := s.view(w, r)
	v.Error, v.Detail = key, cause.Error()
	s.render(w, status, "error", v)
}

func (s *System) view(w http.ResponseWriter, r *http.Request) *view {
	v := &view{Lang: s.language(w, r), System: s, Self: r.URL.Path}
	v.Other = map[string]string{"zh-Hant": "en", "en": "zh-Hant"}[v.Lang]
	if v.Self == "/callback" || v.Self == "/login" {
		v.Self = "/"
	}
	return v
}

func (s *System) viewOf(w http.ResponseWriter, r *http.Request, come *session) *view {
	v := s.view(w, r)
	v.Name, v.Username = come.claims.Name, come.claims.Username
	if v.Name == "" {
		v.Name = come.claims.Subject
	}
	v.Level = int(come.level)
	v.AuthTime = time.Unix(come.claims.AuthTime, 0)
	for _, method := range come.claims.AMR {
		v.Methods = append(v.Methods, "amr."+method)
	}
	v.Claims = append(claimLines(come.all, "ID Token"), claimLines(without(come.userinfo, come.all), "UserInfo")...)
	return v
}

func (s *System) render(w http.ResponseWriter, status int, page string, v *view) {
	var out bytes.Buffer
	if err := s.pages.ExecuteTemplate(&out, page+".html", v); err != nil {
		s.Logger.Error("page failed", "system", s.Kind.ID, "page", page, "error", err)
		http.Error(w, "this page can't be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // the reader went away: nobody to tell
}

func claimLines(claims map[string]any, from string) []claimLine {
	lines := make([]claimLine, 0, len(claims))
	for name, value := range claims {
		lines = append(lines, claimLine{name, claimText(name, value), from})
	}
	sort.Slice(lines, func(i, j int) bool { return lines[i].Name < lines[j].Name })
	return lines
}

func without(claims, seen map[string]any) map[string]any {
	left := map[string]any{}
	for name, value := range claims {
		if _, ok := seen[name]; !ok {
			left[name] = value
		}
	}
	return left
}

// The cookies of a system carry its name, because browsers share cookies
// between all ports of a host.
func (s *System) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(s.Kind.ID + "-" + name)
	if err != nil {
		return ""
	}
	return c.Value
}

func (s *System) setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: s.Kind.ID + "-" + name, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// browser returns the cookie that binds a login to this browser.
func (s *System) browser(w http.ResponseWriter, r *http.Request) string {
	if known := s.cookie(r, "login"); len(known) == 43 {
		return known
	}
	fresh := randomText()
	s.setCookie(w, "login", fresh, 0)
	return fresh
}

// language is what ?lang= says, and it is remembered; else the cookie, else
// what the browser asks for.
func (s *System) language(w http.ResponseWriter, r *http.Request) string {
	switch chosen := r.URL.Query().Get("lang"); chosen {
	case "zh-Hant", "en":
		if s.cookie(r, "lang") != chosen {
			s.setCookie(w, "lang", chosen, int((365 * 24 * time.Hour).Seconds()))
		}
		return chosen
	}
	if known := s.cookie(r, "lang"); known == "zh-Hant" || known == "en" {
		return known
	}
	return preferred(r.Header.Get("Accept-Language"))
}
