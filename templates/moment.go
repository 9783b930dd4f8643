package templates

import (
	"html/template"
	"strconv"
	"time"
)

var taipei = time.FixedZone("Asia/Taipei", 8*60*60) // no summer time since 1979

var durationUnits = []struct {
	name string
	size time.Duration
	upTo time.Duration
}{
	{"second", time.Second, time.Minute},
	{"minute", time.Minute, time.Hour},
	{"hour", time.Hour, 48 * time.Hour},
	{"day", 24 * time.Hour, 0},
}

// moment puts a time into words, in the machine-readable element.
func (r *Renderer) moment(lang string, t time.Time) template.HTML {
	local := t.In(r.opts.Location)
	text := local.Format("2006/01/02 15:04")
	if r.opts.ROCYears {
		text = r.words.format(lang, "time.roc", []any{local.Year() - 1911, int(local.Month()), local.Day(), local.Format("15:04")})
	}
	return template.HTML(`<time datetime="` + local.Format(time.RFC3339) + `">` + template.HTMLEscapeString(text) + `</time>`)
}

// span puts a duration into words, rounded up, so that nobody comes too early.
func (r *Renderer) span(lang string, d time.Duration) string {
	if d <= 0 {
		return r.words.text(lang, "duration.now")
	}
	for _, unit := range durationUnits {
		n := int64((d + unit.size - 1) / unit.size)
		if unit.upTo == 0 || time.Duration(n)*unit.size < unit.upTo {
			key := "duration." + unit.name
			if n != 1 {
				key += "s"
			}
			return r.words.format(lang, key, []any{strconv.FormatInt(n, 10)})
		}
	}
	return ""
}
