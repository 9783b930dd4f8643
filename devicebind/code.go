package devicebind

import (
	"encoding/binary"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	idp "taipeion.internal/idp"
)

// The times of QR codes.
const (
	CodeSlot    = 30 * time.Second  // a code's slot; it is good in the next one too
	AttemptLife = 120 * time.Second // from the start of the slot
)

// PC is what a code says about the browser that shows it, for the phone's page.
type PC struct {
	Browser string  `json:"browser"` // one of browsers, "" for another
	System  string  `json:"system"`  // one of systems, "" for another
	Network Network `json:"network"`
}

// Network is where a browser is.
type Network string

// The networks.
const (
	NetworkCity    Network = "city"    // the city's own
	NetworkGateway Network = "gateway" // a gateway of the city
	NetworkLocal   Network = "local"   // a private or loopback address that is not known as the city's
	NetworkOutside Network = "outside" // anywhere else
)

// What a code can say, by its place in these lists: it has two bytes for it.
var (
	browsers = []string{"", "Chrome", "Edge", "Firefox", "Safari", "Opera", "Samsung Internet"}
	systems  = []string{"", "Windows", "macOS", "Linux", "ChromeOS", "Android", "iOS"}
	networks = []Network{NetworkOutside, NetworkCity, NetworkGateway, NetworkLocal}
)

// PCOf reads a request: its User-Agent and its Origin.
func PCOf(r *http.Request) PC {
	agent := r.UserAgent()
	first := func(pairs ...string) string {
		for i := 0; i < len(pairs); i += 2 {
			if strings.Contains(agent, pairs[i]) {
				return pairs[i+1]
			}
		}
		return ""
	}
	o := idp.OriginFrom(r.Context())
	pc := PC{
		Browser: first("Edg/", "Edge", "EdgA/", "Edge", "OPR/", "Opera", "SamsungBrowser/", "Samsung Internet",
			"Firefox/", "Firefox", "FxiOS/", "Firefox", "CriOS/", "Chrome", "Chrome/", "Chrome", "Safari/", "Safari"),
		System: first("Windows", "Windows", "CrOS", "ChromeOS", "Android", "Android", "iPhone", "iOS", "iPad", "iOS",
			"Mac OS X", "macOS", "Linux", "Linux"),
		Network: networkOf(o.Address.Unmap()),
	}
	switch {
	case o.Gateway:
		pc.Network = NetworkGateway
	case o.City:
		pc.Network = NetworkCity
	}
	return pc
}

func networkOf(a netip.Addr) Network {
	if a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return NetworkLocal
	}
	return NetworkOutside
}

// Codes makes and opens the rotating codes of QR login. Nothing is kept: a code
// is a sealed value that any node opens.
type Codes struct {
	Keeper *Keeper
	Origin string
	Now    func() time.Time
}

// Code is what the page shows for one slot.
type Code struct {
	Text  string    // may be typed or pasted
	Link  string    // what the QR code holds: ORIGIN/phone/q/TEXT
	Until time.Time // the next slot starts: show a new one then
}

const (
	flowSize  = 32
	codePlain = flowSize + 4 + 2
	codeSize  = 12 + codePlain + 16 // nonce, sealed, tag
	codePath  = "/phone/q/"
	codeAhead = 2 * time.Second // a code is issued on a whole second, by a node's own clock
)

// Make returns the code of a flow (by the SHA-256 of its handle) for the
// present slot: the same one for the whole slot.
func (c *Codes) Make(flow []byte, pc PC) Code { return c.MakeAfter(flow, pc, time.Time{}) }

// MakeAfter is Make for a browser whose last login was closed then: within the
// slot its code is another one, since a code is good once.
func (c *Codes) MakeAfter(flow []byte, pc PC, closed time.Time) Code {
	slot := slotOf(c.Now())
	issued := slotStart(slot)
	if closed.After(issued) {
		issued = closed.Add(time.Second - time.Microsecond).Truncate(time.Second)
	}
	plain := make([]byte, 0, codePlain)
	plain = append(plain, flow...)
	plain = binary.BigEndian.AppendUint32(plain, uint32(issued.Unix()))
	plain = append(plain, at(browsers, pc.Browser)<<4|at(systems, pc.System), at(networks, pc.Network))
	// The nonce depends on all that is sealed: it repeats only with it, so a
	// page that is shown again in its slot shows the same code.
	out := make([]byte, 12, codeSize)
	copy(out, mac(c.Keeper.codeNonce, plain))
	text := b64(c.Keeper.code.Seal(out, out, plain, nil))
	return Code{Text: text, Link: c.Origin + codePath + text, Until: slotStart(slot + 1)}
}

func at[T comparable](list []T, v T) byte { return byte(max(slices.Index(list, v), 0)) }

func of[T any](list []T, i byte) (v T) {
	if int(i) < len(list) {
		v = list[i]
	}
	return v
}

// Opened is what a code says.
type Opened struct {
	Flow     []byte // SHA-256 of the flow's handle
	PC       PC
	IssuedAt time.Time // the start of its slot, or when the browser's last login was closed
}

// Open reads a code, or the link that holds it; idp.Denied{ReasonCodeOver} for
// one that is not ours or not of this slot or the one before.
func (c *Codes) Open(text string) (*Opened, error) {
	text = strings.TrimPrefix(strings.TrimSpace(text), c.Origin+codePath)
	sealed, err := unb64(text, codeSize)
	if err != nil {
		return nil, denied(ReasonCodeOver)
	}
	plain, err := c.Keeper.code.Open(nil, sealed[:12], sealed[12:], nil)
	if err != nil {
		return nil, denied(ReasonCodeOver)
	}
	issued := time.Unix(int64(binary.BigEndian.Uint32(plain[flowSize:])), 0).UTC()
	now := c.Now()
	if issued.After(now.Add(codeAhead)) || slotOf(issued)+1 < slotOf(now) {
		return nil, denied(ReasonCodeOver)
	}
	look := plain[flowSize+4:]
	return &Opened{
		Flow:     plain[:flowSize:flowSize],
		PC:       PC{Browser: of(browsers, look[0]>>4), System: of(systems, look[0]&15), Network: of(networks, look[1])},
		IssuedAt: issued,
	}, nil
}
