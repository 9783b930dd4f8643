package demo

import (
	"encoding/json"
	"fmt"
	"html/template"
	"time"

	"golang.org/x/text/language"
)

var matcher = language.NewMatcher([]language.Tag{language.MustParse("zh-Hant"), language.English})

// preferred picks a language by Accept-Language; zh-Hant unless English is
// what is asked for.
func preferred(header string) string {
	wanted, _, err := language.ParseAcceptLanguage(header)
	if err != nil || len(wanted) == 0 {
		return "zh-Hant"
	}
	if _, i, _ := matcher.Match(wanted...); i == 1 {
		return "en"
	}
	return "zh-Hant"
}

var templateFuncs = template.FuncMap{
	"t":    word,
	"time": func(t time.Time) string { return t.In(taipei).Format("2006/01/02 15:04") },
	"pick": func(lang, zh, en string) string {
		if lang == "en" {
			return en
		}
		return zh
	},
}

// The city has one time zone, without summer time since 1979.
var taipei = time.FixedZone("Asia/Taipei", 8*60*60)

func word(lang, key string) string {
	w, ok := words[key]
	switch {
	case !ok:
		return key // a method that we have no word for, such as a new amr value
	case lang == "en":
		return w[1]
	}
	return w[0]
}

// words are zh-Hant and English.
var words = map[string][2]string{
	"switch":         {"English", "中文"},
	"logout":         {"登出", "Log out"},
	"skip":           {"跳到主要內容", "Skip to the main content"},
	"main":           {"工作", "Work"},
	"how":            {"您如何登入", "How you logged in"},
	"level":          {"認證強度", "Strength"},
	"level.0":        {"未說明", "not stated"},
	"level.1":        {"密碼", "password"},
	"level.2":        {"手機，或密碼加一次性密碼", "phone, or password with a one-time code"},
	"level.3":        {"自然人憑證", "citizen card"},
	"methods":        {"方式", "Methods"},
	"amr.pwd":        {"密碼", "password"},
	"amr.sc":         {"晶片卡", "smart card"},
	"amr.hwk":        {"硬體金鑰", "key in hardware"},
	"amr.pin":        {"PIN 碼", "PIN"},
	"amr.mfa":        {"多重要素", "several factors"},
	"amr.otp":        {"一次性密碼", "one-time code"},
	"amr.user":       {"本人在場", "presence"},
	"when":           {"登入時間", "Logged in at"},
	"claims":         {"本系統得知的資料", "What this system learned"},
	"claim":          {"項目", "Claim"},
	"value":          {"內容", "Value"},
	"from":           {"來源", "From"},
	"api":            {"資料來自本系統的 API：以您的存取權杖呼叫，API 再向電子認證平臺查驗。", "This comes from the system's own API: called with your access token, which the API checks with the provider."},
	"api.until":      {"權杖有效至", "Token good until"},
	"api.scope":      {"權杖範圍", "Scopes"},
	"signoff":        {"簽核公文", "Sign off"},
	"signoff.lead":   {"簽核等同簽名，因此需要您的自然人憑證。", "Signing off is a signature, so it takes your card."},
	"signoff.ready":  {"已確認您的自然人憑證，可以簽核。", "Your card was checked. You can sign off."},
	"signoff.go":     {"核章", "Sign"},
	"signoff.done":   {"已核章，時間", "Signed at"},
	"back":           {"回到首頁", "Back to the first page"},
	"bye":            {"您已登出", "You are logged out"},
	"bye.detail":     {"要再次使用，請重新登入。", "Log in again to go on."},
	"login":          {"登入", "Log in"},
	"error":          {"無法登入", "You could not be logged in"},
	"error.state":    {"這次登入已使用過、逾時，或是在另一個瀏覽器開始的。請重新登入。", "This login was used already, took too long, or began in another browser. Log in again."},
	"error.provider": {"電子認證平臺沒有回應，請稍後再試。", "The provider does not answer. Try again in a moment."},
	"error.denied":   {"電子認證平臺沒有讓您進入本系統。", "The provider did not let you into this system."},
	"error.token":    {"電子認證平臺的回覆無法驗證，請重新登入。", "The provider's answer could not be verified. Log in again."},
	"error.level":    {"這項工作需要自然人憑證。", "This work needs your card."},
	"error.internal": {"系統發生問題，請稍後再試。", "Something went wrong here. Try again in a moment."},
}

// claimText shows times as times and everything else as it came.
func claimText(name string, value any) string {
	switch v := value.(type) {
	case string:
		return v
	case float64:
		switch name {
		case "exp", "iat", "auth_time", "nbf", "updated_at":
			return time.Unix(int64(v), 0).In(taipei).Format("2006/01/02 15:04:05")
		}
		return fmt.Sprint(v)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(raw)
}
