package portal

import (
	"fmt"
	"net/http"
	"slices"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// notices are what the first page may say once, by the value of its parameter
// "done".
var notices = map[string]string{
	"session": templates.NoticeSessionEnded,
	"card":    templates.NoticeCardBound,
}

// home is the first page. Who is not logged in is sent to do so.
func (h *Handler) home(w http.ResponseWriter, r *http.Request) {
	c, err := h.Sessions.Current(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if c == nil {
		h.askLogin(w, r, idp.Ask{}, "/")
		return
	}
	view, err := h.homeView(r, c)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.Pages.Render(w, r, http.StatusOK, view)
}

func (h *Handler) homeView(r *http.Request, c *session.Current) (templates.Home, error) {
	p := c.Person
	v := templates.Home{
		Base: base(r, c), Name: p.Name, Agency: p.Agency.Name, Unit: p.Unit, Title: p.Title,
		Level:   policy.Decide(idp.Ask{}, policy.Have{Session: c.Session, Person: p}, h.Now()).ACR,
		LoginAt: c.Session.CreatedAt, Notice: notices[r.URL.Query().Get("done")], BindURL: "/card/bind",
	}
	clients, err := h.Store.Clients(r.Context())
	if err != nil {
		return v, fmt.Errorf("list systems: %w", err)
	}
	for _, client := range clients {
		if client.FirstParty && client.URI != "" {
			v.Systems = append(v.Systems, templates.Tile{Name: name(r, client), URI: client.URI})
		}
	}
	card, err := h.boundCard(r, p.ID)
	if err != nil {
		return v, err
	}
	if card != nil {
		v.CardBound, v.CardEnds = true, card.NotAfter
	}
	if h.Factors.Devices != nil && v.CardBound {
		devices, err := h.Factors.Devices.Of(r.Context(), p.ID)
		if err != nil {
			return v, fmt.Errorf("list phones: %w", err)
		}
		v.NoPhone = len(devices) == 0
	}
	if h.Binder != nil {
		rivals, err := h.Binder.MustChoose(r.Context(), p.ID)
		if err != nil {
			return v, err
		}
		v.Choose = len(rivals) > 0
	}
	if h.Roles != nil {
		roles, err := h.Roles(r.Context(), p.ID)
		if err != nil {
			return v, fmt.Errorf("read roles: %w", err)
		}
		v.Admin = len(roles) > 0
	}
	if v.Changes, err = h.changes(r.Context(), c); err != nil {
		return v, err
	}
	sessions, err := h.sessionsOf(r, p.ID)
	if err != nil {
		return v, err
	}
	for _, s := range sessions {
		v.Sessions = append(v.Sessions, templates.SessionRow{
			ID: s.ID, Agent: s.UserAgent, Address: s.Address, SeenAt: s.SeenAt, Current: s.ID == c.Session.ID,
		})
	}
	return v, nil
}

// boundCard is the card that is bound to the person now, nil for none.
func (h *Handler) boundCard(r *http.Request, personID string) (*idp.Card, error) {
	cards, err := h.Store.CardsOf(r.Context(), personID)
	if err != nil {
		return nil, fmt.Errorf("list cards: %w", err)
	}
	i := slices.IndexFunc(cards, func(c idp.Card) bool { return c.UnboundAt.IsZero() })
	if i < 0 {
		return nil, nil
	}
	return &cards[i], nil
}

// sessionsOf lists the sessions that still open something.
func (h *Handler) sessionsOf(r *http.Request, personID string) ([]idp.Session, error) {
	now := h.Now()
	sessions, err := h.Sessions.Store.PersonSessions(r.Context(), personID, now)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return slices.DeleteFunc(sessions, func(s idp.Session) bool {
		return now.Sub(s.SeenAt) > h.Sessions.Idle
	}), nil
}
