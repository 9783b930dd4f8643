package demo

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// The list that scripts read.
type list struct {
	Issuer  string       `json:"issuer"`
	Agent   string       `json:"agent"`
	Staff   []listMember `json:"staff"`
	Clients []listClient `json:"clients"`
	Systems []listSystem `json:"systems"`
}

type listMember struct {
	Name     string `json:"name"`
	Account  string `json:"account"`
	Password string `json:"password"`
	CardPIN  string `json:"card_pin"`
	Agency   string `json:"agency"`
	Card     string `json:"card,omitempty"` // bound, unbound or foreign
}

type listClient struct {
	ClientID     string   `json:"client_id"`
	ClientSecret string   `json:"client_secret"`
	RedirectURIs []string `json:"redirect_uris"`
}

type listSystem struct {
	ClientID string `json:"client_id"`
	Name     string `json:"name"`
	URL      string `json:"url"`
}

// ListPath is the file that WriteList writes.
func (p *Plan) ListPath() string { return filepath.Join(p.Dir, "demo.json") }

// WriteList writes addresses, people and clients to DIR/demo.json.
func (p *Plan) WriteList() error {
	l := list{Issuer: p.Issuer, Agent: p.AgentURL}
	for _, m := range p.Staff {
		lm := listMember{Name: m.Name, Account: m.Account(), Password: m.Password, Agency: m.Agency}
		if m.Card != nil {
			lm.CardPIN, lm.Card = m.Card.PIN, m.cardState()
		}
		l.Staff = append(l.Staff, lm)
	}
	for _, c := range p.Clients {
		uris := c.RedirectURIs
		if uris == nil {
			uris = []string{}
		}
		l.Clients = append(l.Clients, listClient{ClientID: c.ID, ClientSecret: c.Secret, RedirectURIs: uris})
	}
	for _, s := range p.Systems {
		l.Systems = append(l.Systems, listSystem{ClientID: s.Kind.ID, Name: s.Kind.Name, URL: s.URL + "/"})
	}
	if err := writeJSON(p.ListPath(), l); err != nil {
		return fmt.Errorf("demo list: %w", err)
	}
	return nil
}

func (m *Member) cardState() string {
	switch {
	case m.Card == nil:
		return ""
	case m.Card.Holder != m.Name:
		return "foreign"
	case m.Card.Bound:
		return "bound"
	}
	return "unbound"
}

var cardWords = map[string]string{
	"bound":   "card bound 卡片已綁定",
	"unbound": "card not bound yet 卡片未綁定",
	"foreign": "holds the card of 持他人的卡：",
}

// Print tells a person what there is to try: the people first, for they are
// many, and where to begin last, where it stays in sight.
func (p *Plan) Print(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "\nThe demo is ready. 示範環境已就緒。\n\n")
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  ACCOUNT\tPASSWORD\tCARD PIN\tAGENCY\tNAME, CARD, ACCOUNTS")
	for _, m := range p.Staff {
		pin, about := "", m.Name
		if m.Card != nil {
			pin = m.Card.PIN
			about += "，" + cardWords[m.cardState()]
		}
		if m.cardState() == "foreign" {
			about += " " + m.Card.Holder
		}
		switch {
		case m.Single == "":
			about += "，not renamed yet 尚未更名"
		case m.TPEAD != "":
			about += "，keeps this or 有兩個帳號：" + m.TPEAD
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\n", m.Account(), m.Password, pin, m.Agency, about)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	out.WriteString("\n")
	for _, s := range p.Systems {
		fmt.Fprintf(&out, "  %s/  %s %s\n", s.URL, s.Kind.Name, s.Kind.NameEN)
	}
	fmt.Fprintf(&out, "  %s/  電子認證平臺 the provider\n  %s/  讀卡元件 the card agent\n", p.Issuer, p.AgentURL)
	fmt.Fprintf(&out, "  %s/phone  手機 App the app on the phone; mails to staff are in %s\n\n", p.Issuer, filepath.Join(p.Dir, "mails.txt"))
	if len(p.Staff) > 0 && len(p.Systems) > 0 {
		first := p.Staff[0]
		fmt.Fprintf(&out, "Begin 從這裡開始: open %s/ and log in as %s with %s,\nor by card: choose %s in the agent's window", p.Systems[0].URL, first.Account(), first.Password, first.Name)
		if first.Card != nil {
			fmt.Fprintf(&out, ", PIN %s", first.Card.PIN)
		}
		out.WriteString(".\n")
	}
	fmt.Fprintf(&out, "All of it is in %s, with the clients' secrets; commands take --config %s.\nCtrl-C ends the demo; a second start goes on.\n",
		p.ListPath(), filepath.Join(p.Dir, "idp.yaml"))
	_, err := io.WriteString(w, out.String())
	return err
}
