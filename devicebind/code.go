package devicebind

import (
	"net/http"
	"time"
)

// The times of QR codes.
const (
	CodeSlot    = 30 * time.Second  // a code's slot; it is good in the next one too
	AttemptLife = 120 * time.Second // from the start of the slot
)

// PC is what a code says about the browser that shows it, for the phone's page.
type PC struct {
	Browser string // "Chrome", "Edge", "Firefox", "Safari" or ""
	System  string // "Windows", "macOS", "Linux", "ChromeOS", "Android", "iOS" or ""
	Network Network
}

// Network is where a browser is.
type Network string

// The networks.
const (
	NetworkCity    Network = "city"    // the city's own
	NetworkGateway Network = "gateway" // a gateway of the city
	NetworkLocal   Network = "local"   // a private or loopback address, not known as the city's
	NetworkOutside Network = "outside" // anywhere else
)

// PCOf reads a request: its User-Agent and its Origin.
func PCOf(r *http.Request) PC { return PC{} }

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

// Make returns the code of a flow (by the SHA-256 of its handle) for the
// present slot: the same one for the whole slot.
func (c *Codes) Make(flow []byte, pc PC) Code { return Code{} }

// Opened is what a code says.
type Opened struct {
	Flow     []byte // SHA-256 of the flow's handle
	PC       PC
	IssuedAt time.Time // the start of its slot
}

// Open reads a code, or the link or link's path that holds it;
// idp.Denied{ReasonCodeOver} for one that is not ours or not of this slot or
// the one before.
func (c *Codes) Open(text string) (*Opened, error) { return nil, errNotYet }
