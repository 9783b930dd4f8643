package portal_test

import (
	"testing"

	"taipeion.internal/idp"
	"taipeion.internal/idp/devicebind/app"
	"taipeion.internal/idp/templates"
)

// A phone that may not be used still asks for its login; the page says so, and
// whom to ask, and the helpdesk opens the way.
func TestT147_WhoHasOnlyAnUnusablePhone(t *testing.T) {
	withFactors(t, func(w *factorWorld) {
		b := w.browser()
		b.in("ab1001", idp.MethodPassword)
		v := b.wizard(w)
		called := v.ID
		b.post("/device/bind/cancel", "id", called)
		if over := b.get("/device/bind?step=5&id=" + called).view.(templates.PhoneBind); !over.Called {
			w.Errorf("a binding that was called off: %+v", over)
		}
		phone := w.phone(b)
		person := w.person["ab1001"].ID
		cards, err := w.db.CardsOf(w.Context(), person)
		w.must(err)
		w.must(w.devices.SuspendFor(w.Context(), phone.DeviceID, true, "operator:chen", "lost"))
		b = w.browser()
		b.in("ab1001", idp.MethodCard)
		if w.page(b.get("/security")).Stuck {
			w.Error("who has a card can do it")
		}
		w.must(w.db.UnbindCard(w.Context(), cards[0].ID, w.clock()))
		b = w.browser()
		b.in("ab1001", idp.MethodPassword)
		if !w.page(b.get("/security")).Stuck {
			w.Error("the page does not say that nothing can be changed")
		}
		w.wantLogin(b.post("/security/otp/begin"))
		w.wantLogin(b.post("/security/device/revoke", "id", phone.DeviceID))
		w.must(w.devices.RevokeFor(w.Context(), phone.DeviceID, "operator:chen", "came to the counter"))
		if w.page(b.get("/security")).Stuck {
			w.Error("it still says so")
		}
		if w.page(b.post("/security/otp/begin")).Offer == nil {
			w.Error("nothing can be bound anew")
		}
	})
}

// phone binds one through the wizard.
func (w *factorWorld) phone(b *browser) *app.Phone {
	w.Helper()
	v := b.wizard(w)
	link, err := app.ParseLink(v.Link)
	w.must(err)
	phone, claim := w.claim(link)
	claimed, err := w.enroller.Claim(w.Context(), link.ID, *claim)
	w.must(err)
	b.post("/device/bind/confirm", "id", v.ID)
	got, err := w.enroller.Collect(w.Context(), link.ID, claimed.StatusToken)
	w.must(err)
	w.must(phone.Complete(got))
	return phone
}
