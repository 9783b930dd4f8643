package login_test

import (
	"crypto/ed25519"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
	"taipeion.internal/idp/templates"
)

func TestCardLogin(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		card := w.cardOf("ab1001", 0, true)
		b := w.browser()
		flow := b.begin(documents)
		page := b.get("/login/card?flow=" + flow)
		if got := page.Header.Get("Cross-Origin-Opener-Policy"); got != "same-origin-allow-popups" {
			t.Errorf("COOP %q", got)
		}
		w.wantNext(b.card(flow, card), flow)
		b.wantDone(flow)
		s := b.wantWho("ab1001")
		if len(s.Evidence) != 1 || s.Evidence[0].Method != idp.MethodCard || s.Evidence[0].Card == "" {
			t.Errorf("%+v", s.Evidence)
		}
	})
}

func TestT102_ChallengeBelongsToItsFlowAndPurpose(t *testing.T) {
	w := newWorld(t)
	card := w.cardOf("ab1001", 0, true)
	a, b := w.browser(), w.browser()
	mine, others := a.begin(documents), b.begin(documents)

	// Of another flow of the same browser, and of another browser's.
	second := a.begin(documents)
	a.challenge(mine)
	w.wantReason(a.sendCard(mine, card.sign(a.challenge(second))), idp.ReasonCardInvalid)
	a.challenge(mine)
	w.wantReason(a.sendCard(mine, card.sign(b.challenge(others))), idp.ReasonCardInvalid)

	// Signed to bind, or for another origin, or for another relying system.
	key := w.desk(w.db).Key
	hash := func(b *browser) string { return cardreader.FlowHash(b.cookies["idp-flow"]) }
	for name, change := range map[string]func(*cardreader.Challenge){
		"purpose": func(c *cardreader.Challenge) { c.Purpose = cardreader.PurposeBind },
		"origin":  func(c *cardreader.Challenge) { c.Origin = "https://id.evil.test" },
		"client":  func(c *cardreader.Challenge) { c.Client = "survey" },
		"flow":    func(c *cardreader.Challenge) { c.Flow = hash(b) },
		"nonce":   func(c *cardreader.Challenge) { c.Nonce = cardreader.NewNonce() },
	} {
		c, err := cardreader.ParseChallenge(a.challenge(mine), key.Public().(ed25519.PublicKey), w.clock())
		if err != nil {
			t.Fatal(err)
		}
		change(&c)
		if got := a.sendCard(mine, card.sign(c.Sign(key))); got.StatusCode != 200 {
			t.Errorf("%s: %d to %q", name, got.StatusCode, got.to())
		} else {
			w.wantReason(got, idp.ReasonCardInvalid)
		}
	}
	if who, _ := a.current(); who != "" {
		t.Errorf("%s is logged in", who)
	}
}

func TestT103_ChallengeIsUsedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		card := w.cardOf("ab1001", 0, true)
		b := w.browser()
		flow := b.begin(documents)

		// 32 answers at once, to two nodes: one of them logs in.
		nodes := []http.Handler{w.mux, w.secondNode()}
		cms := card.sign(b.challenge(flow))
		var in atomic.Int32
		var wg sync.WaitGroup
		for i := range 32 {
			c := w.browser()
			c.node = nodes[i%2]
			c.cookies["idp-flow"] = b.cookies["idp-flow"]
			wg.Go(func() {
				if c.sendCard(flow, cms); c.cookies["idp-session"] != "" {
					in.Add(1)
				}
			})
		}
		wg.Wait()
		if in.Load() != 1 {
			t.Errorf("one answer logged in %d times", in.Load())
		}
		b.node = nodes[1]
		w.wantReason(b.sendCard(flow, cms), idp.ReasonChallengeUsed) // again, on the other node
		b.node = nil

		// After a failure it is used up too.
		cms = card.sign(b.challenge(flow))
		w.wantReason(b.sendCard(flow, []byte("no message")), idp.ReasonCardInvalid)
		w.wantReason(b.sendCard(flow, cms), idp.ReasonChallengeUsed)

		// Nor does it live longer than two minutes.
		cms = card.sign(b.challenge(flow))
		w.later(cardreader.ChallengeLife + time.Second)
		w.wantReason(b.sendCard(flow, cms), idp.ReasonChallengeUsed)

		// A newer one voids it.
		cms = card.sign(b.challenge(flow))
		b.challenge(flow)
		w.wantReason(b.sendCard(flow, cms), idp.ReasonCardInvalid)

		// In another browser it is nothing.
		c := w.browser()
		other := c.begin(documents)
		c.challenge(other)
		w.wantReason(c.sendCard(other, card.sign(b.challenge(flow))), idp.ReasonCardInvalid)
		if who, _ := c.current(); who != "" {
			t.Error("logged in in another browser")
		}
	})
}

func TestT105_OnlyTheExactBytes(t *testing.T) {
	w := newWorld(t)
	card := w.cardOf("ab1001", 0, true)
	b := w.browser()
	flow := b.begin(documents)
	for name, sign := range map[string]func(jws string) []byte{
		"other content": func(jws string) []byte { return card.sign(jws + " ") },
		"empty content": func(string) []byte { return card.sign("") },
		"detached": func(jws string) []byte {
			return cardtest.Message{Content: []byte(jws), Key: card.key, Certificate: card.cert.Raw, Detached: true}.DER()
		},
		"trailing bytes": func(jws string) []byte { return append(card.sign(jws), 0) },
		"too large":      func(jws string) []byte { return append(card.sign(jws), make([]byte, 64<<10)...) },
		"nothing":        func(string) []byte { return nil },
	} {
		if a := b.sendCard(flow, sign(b.challenge(flow))); a.StatusCode != 200 {
			t.Errorf("%s: %d", name, a.StatusCode)
		} else {
			w.wantReason(a, idp.ReasonCardInvalid)
		}
	}
	b.challenge(flow)
	w.wantReason(b.post("/login/card", "flow", flow, "cms", "***"), idp.ReasonCardInvalid)
	if a := b.sendCard(flow, make([]byte, 1<<20)); a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a megabyte: %d", a.StatusCode)
	}
}

func TestT113_ReissuedCard(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		p := w.person["ab1001"]
		leaf := cardtest.Leaf{Name: p.Name, SubjectSerial: "0000000000001001", IDTail: p.IDTail}
		older := w.newCard(0, leaf)
		w.bind("ab1001", older)
		leaf.NotBefore, leaf.NotAfter = w.clock().Add(-time.Hour), older.cert.NotAfter.Add(365*24*time.Hour)
		newer := w.newCard(1, leaf)

		b := w.browser()
		flow := b.begin(documents)
		w.wantNext(b.card(flow, newer), flow) // same holder, ends later
		b.wantWho("ab1001")
		c := w.browser()
		flow = c.begin(documents)
		w.wantReason(c.card(flow, older), idp.ReasonCardUnusable) // refused at once
		w.wantNext(c.card(flow, newer), flow)
		cards, err := w.db.CardsOf(t.Context(), p.ID)
		if err != nil || len(cards) != 1 || cards[0].ID != "card-ab1001" || !cards[0].NotAfter.Equal(newer.cert.NotAfter) {
			t.Errorf("%+v, %v", cards, err)
		}
	})
}

func TestT121_AnotherCardDoesNotStepUp(t *testing.T) {
	w := newWorld(t)
	mine, others := w.cardOf("ab1001", 0, true), w.cardOf("ab1002", 1, true)
	b := w.browser()
	b.in("ab1001")
	token := b.cookies["idp-session"]
	ask := documents
	ask.MinLevel = idp.LevelCard
	flow := b.begin(ask)
	w.wantReason(b.card(flow, others), idp.ReasonOtherPerson)
	if s := b.wantWho("ab1001"); len(s.Evidence) != 1 || b.cookies["idp-session"] != token {
		t.Errorf("%+v", s)
	}
	w.wantNext(b.card(flow, mine), flow)
	sid := b.wantWho("ab1001").ID

	// To log in anew is the other person's own session, never this one renewed.
	ask.PromptLogin = true
	w.later(time.Second)
	flow = b.begin(ask)
	w.wantNext(b.card(flow, others), flow)
	s := b.wantWho("ab1002")
	if s.ID == sid || len(s.Evidence) != 1 {
		t.Errorf("%+v", s)
	}
}

func TestCardsAreOff(t *testing.T) {
	w := newWorld(t)
	w.login.Settings.AgentOrigin = ""
	b := w.browser()
	a := b.get("/login/card?flow=" + b.begin(documents))
	if v, ok := a.view.(templates.Login); !ok || a.StatusCode != 200 || v.OpensAgent {
		t.Errorf("%d %+v", a.StatusCode, a.view)
	}
}
