package portal_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"

	"taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/devicebind/devicetest"
)

// passkeyOptions are what the page's script asks for.
func (w *factorWorld) passkeyOptions(b *browser) (attestation string, challenge, handle []byte) {
	w.Helper()
	a := b.post("/security/passkey/options")
	var o struct {
		Challenge, Attestation string
		User                   struct{ ID string }
	}
	if a.StatusCode != http.StatusOK || json.Unmarshal([]byte(a.body), &o) != nil {
		w.Fatalf("options: %d %s", a.StatusCode, a.body)
	}
	challenge, err := base64.RawURLEncoding.DecodeString(o.Challenge)
	w.must(err)
	handle, err = base64.RawURLEncoding.DecodeString(o.User.ID)
	w.must(err)
	return o.Attestation, challenge, handle
}

// Where the city allows certain models only, their maker has to vouch for them.
func TestT144_OnlyAllowedModels(t *testing.T) {
	withFactors(t, func(w *factorWorld) {
		listed, other := [16]byte{1, 2, 3}, [16]byte{4, 5, 6}
		maker, stranger := devicetest.NewMaker("Maker"), devicetest.NewMaker("Maker")
		rule := w.portal.Factors.Passkeys.(*devicebind.Passkeys)
		rule.Attestation, rule.Models, rule.Roots = devicebind.AttestationAllow, [][]byte{listed[:]}, x509.NewCertPool()
		rule.Roots.AddCert(maker.Root)
		b := w.browser()
		b.in("ab1001", idp.MethodCard)
		for name, create := range map[string]func(a *devicetest.Authenticator, challenge []byte) []byte{
			"nobody vouches":             func(a *devicetest.Authenticator, c []byte) []byte { return a.Create(c) },
			"it vouches for itself":      func(a *devicetest.Authenticator, c []byte) []byte { return a.CreateSelf(c) },
			"another maker of that name": func(a *devicetest.Authenticator, c []byte) []byte { return stranger.Create(a, listed, c) },
			"the certificate of a model": func(a *devicetest.Authenticator, c []byte) []byte {
				a.AAGUID = other
				return maker.Create(a, listed, c)
			},
			"that of another model":      func(a *devicetest.Authenticator, c []byte) []byte { return maker.Create(a, other, c) },
			"a model that is not listed": func(a *devicetest.Authenticator, c []byte) []byte { a.AAGUID = other; return maker.Create(a, other, c) },
			"for another challenge": func(a *devicetest.Authenticator, c []byte) []byte {
				return maker.Create(a, listed, append([]byte{c[0] ^ 1}, c[1:]...))
			},
			"the user was not verified": func(a *devicetest.Authenticator, c []byte) []byte { a.Flags = 1; return maker.Create(a, listed, c) },
		} {
			attestation, challenge, handle := w.passkeyOptions(b)
			if attestation != "direct" {
				w.Fatalf("asked for attestation %q", attestation)
			}
			a := devicetest.New(origin, handle)
			a.AAGUID = listed
			if v := w.page(b.post("/security/passkey/add", "name", "鑰匙", "answer", string(create(a, challenge)))); v.Reason != devicebind.ReasonPasskey || len(v.Passkeys) != 0 {
				w.Errorf("%s: %q, %d passkeys", name, v.Reason, len(v.Passkeys))
			}
		}
		_, challenge, handle := w.passkeyOptions(b)
		a := devicetest.New(origin, handle)
		a.AAGUID = listed
		answer := string(maker.Create(a, listed, challenge))
		w.wantDone(b.post("/security/passkey/add", "name", "鑰匙", "answer", answer), "passkey")
		if list := w.page(b.get("/security")).Passkeys; len(list) != 1 || list[0].Name != "鑰匙" {
			w.Errorf("the list: %+v", list)
		}
		if v := w.page(b.post("/security/passkey/add", "name", "鑰匙", "answer", answer)); v.Reason == "" {
			w.Error("the same answer was taken twice")
		}
	})
}
