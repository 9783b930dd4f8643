package portal_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/templates"
)

func TestBindingInFiveSteps(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		card := w.newCard(0, "王小明", "0000000000001001", "6789")
		b := w.browser()
		b.in("ab1001", idp.MethodPassword)
		sid, token := b.current().Session.ID, b.cookies["idp-session"]

		w.wantBind(b.get("/card/bind"), 1, "")
		w.wantTo(b.post("/card/bind/start"), "/card/bind?step=1") // not ready
		w.wantTo(b.post("/card/bind/start", "ready", "yes"), "/card/bind?step=2")
		a := b.get("/card/bind?step=2")
		if v := w.wantBind(a, 2, ""); !v.OpensAgent || a.Header.Get("Cross-Origin-Opener-Policy") != "same-origin-allow-popups" {
			t.Errorf("%+v", v)
		}
		w.wantTo(b.post("/card/bind/check"), "/card/bind?step=3")
		w.wantBind(b.get("/card/bind?step=3"), 3, "")
		a = b.card(card)
		v := w.wantBind(a, 4, "")
		if v.Card == nil || v.Card.Name != "王小明" || v.Card.IDTail != "6789" || v.Pending == "" ||
			!strings.Contains(a.body, "0000000000001001") {
			t.Fatalf("%+v", v.Card)
		}
		if cards, _ := w.db.CardsOf(t.Context(), w.person["ab1001"].ID); len(cards) != 0 {
			t.Error("bound before the yes")
		}
		if a := b.post("/card/bind/confirm", "pending", v.Pending); a.StatusCode != 400 {
			t.Errorf("without a yes: %d", a.StatusCode)
		}
		w.later(4 * time.Minute)
		w.wantTo(b.post("/card/bind/confirm", "pending", v.Pending, "consent", "yes"), "/card/bind?step=5")
		w.wantBind(b.get("/card/bind?step=5"), 5, "")
		c := b.current()
		if c.Session.ID != sid || b.cookies["idp-session"] == token || len(c.Session.Evidence) != 2 {
			t.Errorf("%+v", c.Session)
		}
		if v := w.wantBind(b.get("/card/bind"), 1, ""); !v.AlreadyBound {
			t.Error("who has a card is not told so")
		}
		home := b.get("/").view.(templates.Home)
		if !home.CardBound || !home.CardEnds.Equal(card.cert.NotAfter) || home.Level != idp.LevelCard {
			t.Errorf("%+v", home)
		}
		owner, person, err := w.db.CardByHolder(t.Context(), keyID(card), "0000000000001001")
		if err != nil || person.Username != "ab1001" || owner.ID != c.Session.Evidence[0].Card {
			t.Errorf("%+v %+v %v", owner, person, err)
		}
	})
}

func keyID(c softCard) string { return fmt.Sprintf("%x", c.cert.AuthorityKeyId) }

func TestBindingOpensOnlyFromTheCity(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("ab1001", idp.MethodPassword)
	challenge := b.challenge()
	b.outside = true
	card := w.newCard(0, "王小明", "0000000000001001", "6789")
	for _, a := range []answer{
		b.get("/card/bind"), b.get("/card/bind?step=3"), b.get("/card/bind?step=5"), b.post("/card/bind/start", "ready", "yes"),
		b.post("/card/bind/check"), b.sendCard(card.sign(challenge)), b.post("/card/bind/confirm", "pending", "x", "consent", "yes"),
	} {
		if v, ok := a.view.(templates.Error); a.StatusCode != http.StatusForbidden || !ok || v.Reason != idp.ReasonOutside {
			t.Errorf("%d %+v", a.StatusCode, a.view)
		}
	}
	if a := b.post("/card/bind/challenge"); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "outside_network") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func TestBindingWantsTheFreshPassword(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	wantPassword := func(a answer) {
		t.Helper()
		f := b.wantFlow(a)
		if f.ReturnTo != "/card/bind" || f.Ask.Method != idp.MethodPassword || !f.Ask.PromptLogin {
			t.Errorf("%+v", f)
		}
	}
	wantPassword(b.get("/card/bind")) // nobody
	b.in("ab1001", idp.MethodCard)
	wantPassword(b.get("/card/bind")) // a card alone
	wantPassword(b.post("/card/bind/start", "ready", "yes"))
	if a := b.post("/card/bind/challenge"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("challenge: %d", a.StatusCode)
	}
	b.in("ab1001", idp.MethodPassword)
	w.later(10 * time.Minute)
	w.wantBind(b.get("/card/bind"), 1, "")
	w.later(time.Second)
	wantPassword(b.get("/card/bind"))
	wantPassword(b.sendCard(nil))
	wantPassword(b.post("/card/bind/confirm", "consent", "yes"))
}

func TestBindingRefusals(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.in("ab1001", idp.MethodPassword)
	for reason, card := range map[idp.Reason]softCard{
		idp.ReasonCardMismatch: w.newCard(0, "陳怡君", "0000000000001001", "0000"),
		idp.ReasonCardName:     w.newCard(1, "陳怡君", "0000000000001001", "6789"),
		idp.ReasonCardID:       w.newCard(2, "王小明", "0000000000001001", "0000"),
	} {
		a := b.card(card)
		w.wantBind(a, 3, reason)
		if strings.Contains(a.body, "0000000000001001") {
			t.Errorf("%s: the page says whose card it is", reason)
		}
	}
	good := w.newCard(3, "王小明", "0000000000001001", "6789")
	cms := good.sign(b.challenge())
	w.wantBind(b.sendCard([]byte("no message")), 3, idp.ReasonCardInvalid)
	w.wantBind(b.sendCard(cms), 3, idp.ReasonChallengeUsed)
	cms = good.sign(b.challenge())
	w.later(cardreader.ChallengeLife + time.Second)
	w.wantBind(b.sendCard(cms), 3, idp.ReasonChallengeUsed)
	w.revoked["0000000000001001"] = true
	w.wantBind(b.card(good), 3, idp.ReasonCardUnusable)
	w.revoked = map[string]bool{}

	// A card that waits is its session's, for five minutes, once.
	pending := w.wantBind(b.card(good), 4, "").Pending
	other := w.browser()
	other.in("ab1001", idp.MethodPassword)
	w.wantBind(other.post("/card/bind/confirm", "pending", pending, "consent", "yes"), 4, idp.ReasonChallengeUsed)
	w.later(5*time.Minute + time.Second)
	w.wantBind(b.post("/card/bind/confirm", "pending", pending, "consent", "yes"), 4, idp.ReasonChallengeUsed)
	w.wantBind(b.post("/card/bind/confirm", "pending", "", "consent", "yes"), 4, idp.ReasonChallengeUsed)
}

func TestT102_ChallengeBelongsToSessionAndPurpose(t *testing.T) {
	w := newWorld(t)
	card := w.newCard(0, "王小明", "0000000000001001", "6789")
	a, b := w.browser(), w.browser()
	a.in("ab1001", idp.MethodPassword)
	b.in("ab1003", idp.MethodPassword) // of the same name and tail
	a.challenge()
	w.wantBind(a.sendCard(card.sign(b.challenge())), 3, idp.ReasonCardInvalid)

	// Signed to log in.
	hash := cardreader.FlowHash(a.cookies["idp-flow"])
	c := cardreader.Challenge{
		Origin: "http://localhost:8080", Purpose: cardreader.PurposeLogin, Flow: hash, Nonce: cardreader.NewNonce(),
		IssuedAt: w.clock(), ExpiresAt: w.clock().Add(time.Minute),
	}
	a.challenge()
	w.wantBind(a.sendCard(card.sign(c.Sign(w.desk().Key))), 3, idp.ReasonCardInvalid)

	// In a browser that changed hands the challenge is void.
	cms := card.sign(a.challenge())
	a.in("ab1003", idp.MethodPassword)
	w.wantBind(a.sendCard(cms), 3, idp.ReasonChallengeUsed)
}

func TestT114_RacedBindings(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		// Two people of one name and one tail, one card, 32 confirmations at once.
		card := w.newCard(0, "王小明", "0000000000001001", "6789")
		type try struct {
			b       *browser
			pending string
		}
		var tries []try
		for i := range 32 {
			b := w.browser()
			b.in([]string{"ab1001", "ab1003"}[i%2], idp.MethodPassword)
			tries = append(tries, try{b, w.wantBind(b.card(card), 4, "").Pending})
		}
		answers := make([]answer, len(tries))
		var wg sync.WaitGroup
		for i, x := range tries {
			wg.Go(func() { answers[i] = x.b.post("/card/bind/confirm", "pending", x.pending, "consent", "yes") })
		}
		wg.Wait()
		first, second := 0, 0
		for _, account := range []string{"ab1001", "ab1003"} {
			cards, err := w.db.CardsOf(t.Context(), w.person[account].ID)
			if err != nil {
				t.Fatal(err)
			}
			if account == "ab1001" {
				first = len(cards)
			} else {
				second = len(cards)
			}
		}
		if first+second != 1 {
			t.Errorf("bound to the one %d times and to the other %d times", first, second)
		}
		for i, a := range answers {
			won := a.StatusCode == http.StatusSeeOther
			if won && i%2 == 0 && first == 0 || won && i%2 == 1 && second == 0 {
				t.Errorf("%d was told that it won", i)
			}
			if !won && a.StatusCode != 200 {
				t.Errorf("%d: %d", i, a.StatusCode)
			}
		}
		// The loser is told.
		loser := "ab1001"
		if first == 1 {
			loser = "ab1003"
		}
		b := w.browser()
		b.in(loser, idp.MethodPassword)
		pending := w.wantBind(b.card(card), 4, "").Pending
		w.wantBind(b.post("/card/bind/confirm", "pending", pending, "consent", "yes"), 4, idp.ReasonCardTaken)
	})
}

func TestASecondCardIsNotBound(t *testing.T) {
	w := newWorld(t)
	b, c := w.browser(), w.browser()
	b.in("ab1001", idp.MethodPassword)
	c.in("ab1001", idp.MethodPassword)
	one := w.wantBind(b.card(w.newCard(0, "王小明", "0000000000001001", "6789")), 4, "").Pending
	two := w.wantBind(c.card(w.newCard(1, "王小明", "0000000000001002", "6789")), 4, "").Pending
	w.wantTo(b.post("/card/bind/confirm", "pending", one, "consent", "yes"), "/card/bind?step=5")
	if v := w.wantBind(c.post("/card/bind/confirm", "pending", two, "consent", "yes"), 1, ""); !v.AlreadyBound {
		t.Errorf("%+v", v)
	}
	if cards, _ := w.db.CardsOf(t.Context(), w.person["ab1001"].ID); len(cards) != 1 {
		t.Errorf("%+v", cards)
	}
}
