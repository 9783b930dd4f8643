package templates

import (
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	languageParam  = "lang"
	languageCookie = "idp-lang"
)

// Language chooses the language of a page: the lang parameter, else the cookie
// that remembers it, else Accept-Language, else Traditional Chinese.
func Language(req *http.Request) string { return LanguageFor(req, "") }

// LanguageFor is Language with the ui_locales of an authorization request
// (OpenID Connect Core 1.0 section 3.1.2.1), which weigh more than
// Accept-Language and less than what the person chose.
func LanguageFor(req *http.Request, locales string) string {
	if lang := chosen(req); lang != "" {
		return lang
	}
	if cookie, err := req.Cookie(languageCookie); err == nil {
		if lang := match(cookie.Value); lang != "" {
			return lang
		}
	}
	for _, tag := range strings.Fields(clip(locales)) {
		if lang := match(tag); lang != "" {
			return lang
		}
	}
	if lang := accepted(clip(req.Header.Get("Accept-Language"))); lang != "" {
		return lang
	}
	return Chinese
}

func chosen(req *http.Request) string {
	if req.URL == nil || !strings.Contains(req.URL.RawQuery, languageParam+"=") {
		return ""
	}
	return match(req.URL.Query().Get(languageParam))
}

func clip(header string) string {
	const limit = 512
	return header[:min(len(header), limit)]
}

// match maps a language tag (RFC 5646) to one of ours, or to nothing.
func match(tag string) string {
	primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
	switch primary {
	case "zh":
		return Chinese
	case "en":
		return English
	}
	return ""
}

// accepted reads Accept-Language (RFC 9110 section 12.5.4): ours with the
// highest weight, the earlier one of equals.
func accepted(header string) string {
	best, weight := "", 0.0
	for item := range strings.SplitSeq(header, ",") {
		tag, params, _ := strings.Cut(item, ";")
		lang := match(tag)
		q := 1.0
		if value, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			var err error
			if q, err = strconv.ParseFloat(value, 64); err != nil {
				continue
			}
		}
		if lang != "" && q > weight {
			best, weight = lang, q
		}
	}
	return best
}

// remember keeps a language that was chosen by the switch.
func remember(w http.ResponseWriter, req *http.Request) {
	lang := chosen(req)
	if lang == "" {
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: languageCookie, Value: lang, Path: "/", MaxAge: int((365 * 24 * time.Hour).Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: !onLoopback(req.Host),
	})
}

func onLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// switchURL is the address of this page in the other language. What answers a
// POST has no address of its own: there the view says where it can be had.
func switchURL(req *http.Request, v View, lang string) string {
	self := v.common().Self
	if self == "" && (req.Method == http.MethodGet || req.Method == http.MethodHead) {
		self = req.URL.EscapedPath() + "?" + req.URL.RawQuery
	}
	if own, ok := v.(interface{ self() string }); ok && self == "" {
		self = own.self()
	}
	path, query, _ := strings.Cut(self, "?")
	values, _ := url.ParseQuery(query)
	if values == nil {
		values = url.Values{}
	}
	values.Set(languageParam, lang)
	// One leading slash, and no backslash: never the address of another host.
	return "/" + strings.TrimLeft(path, `/\`) + "?" + values.Encode()
}

func (v Login) self() string   { return "/login/" + v.tab() + "?flow=" + url.QueryEscape(v.Flow) }
func (v Select) self() string  { return "/login?flow=" + url.QueryEscape(v.Flow) }
func (v Consent) self() string { return "/login?flow=" + url.QueryEscape(v.Flow) }
func (v Bind) self() string    { return "/card/bind" }

// self leaves the token out: what came in a body must not end in an address.
func (v LogoutConfirm) self() string {
	values := url.Values{}
	for name, value := range v.Hidden {
		if name != "id_token_hint" {
			values.Set(name, value)
		}
	}
	return "/oauth2/logout?" + values.Encode()
}
