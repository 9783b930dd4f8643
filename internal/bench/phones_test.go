package bench

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/devicebind/app"
	"taipeion.internal/idp/devicebind/devicetest"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/store"
)

// handset is a bound phone with an authenticator of its own, so that an approval
// costs signatures and no password hash.
type handset struct {
	app.Phone
	person string // its ID
	auth   *devicetest.Authenticator
	last   time.Time
}

// bindPhones binds a phone to each of them, in the product's own store, as the
// wizard does.
func bindPhones(b testing.TB, in *installation, users []user) []*handset {
	b.Helper()
	ctx := idp.WithOrigin(context.Background(), idp.Origin{City: true})
	st, err := store.Open(ctx, in.options)
	check(b, err)
	defer st.Close()
	sealer, err := keys.OpenMaster(filepath.Join(in.dir, "master.key"), false)
	check(b, err)
	ca, err := keys.OpenDeviceCA(ctx, st.Keys(), sealer, time.Now())
	check(b, err)
	keeper, err := devicebind.NewKeeper(sealer)
	check(b, err)
	enroller := &devicebind.Enroller{
		Store: st, CA: ca, Keeper: keeper, Cards: st.CardsOf, Origin: "http://" + in.listen, Now: time.Now,
		Factors: &devicebind.Factors{Store: st, Now: time.Now},
	}
	var all []*handset
	for i, who := range peopleOf(b, st, users) {
		h := &handset{Phone: app.Phone{Name: fmt.Sprintf("phone %d", i)}, person: who.Person.ID}
		check(b, h.bind(ctx, enroller, who))
		all = append(all, h)
	}
	return all
}

// peopleOf are staff who have just logged in with a card.
func peopleOf(b testing.TB, st *store.Store, users []user) (out []devicebind.Who) {
	b.Helper()
	ctx := context.Background()
	for _, u := range users {
		account, err := st.Account(ctx, u.account)
		check(b, err)
		person, err := st.Person(ctx, account.PersonID)
		check(b, err)
		now := time.Now()
		card := &idp.Card{ID: "card-" + u.account, PersonID: person.ID, IssuerKeyID: "bench", SubjectSerial: u.account, Fingerprint: u.account,
			Name: person.Name, NotAfter: now.Add(24 * time.Hour), BoundAt: now}
		check(b, st.BindCard(ctx, card))
		_, token := session.NewHandle()
		s := &idp.Session{ID: "bench-" + u.account, PersonID: person.ID, CreatedAt: now, SeenAt: now, EndsAt: now.Add(time.Hour),
			Evidence: []idp.Evidence{{Method: idp.MethodCard, At: now, Card: card.ID}}}
		check(b, st.CreateSession(ctx, s, token, nil))
		out = append(out, devicebind.Who{Person: person, Session: s})
	}
	return out
}

func check(b testing.TB, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (h *handset) bind(ctx context.Context, e *devicebind.Enroller, who devicebind.Who) error {
	started, err := e.Begin(ctx, who)
	if err != nil {
		return err
	}
	link, err := app.ParseLink(started.Link)
	if err != nil {
		return err
	}
	h.Origin, h.DeviceID = link.Origin, link.ID
	if h.Key, err = app.NewKey(nil); err != nil {
		return err
	}
	claim, err := app.NewClaim(link, &h.Phone, "Android", "")
	if err != nil {
		return err
	}
	private, err := x509.ParsePKCS8PrivateKey(h.Key)
	if err != nil {
		return err
	}
	key, ok := private.(*ecdsa.PrivateKey)
	if !ok {
		return fmt.Errorf("a key of type %T", private)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	id := devicebind.EnrolKey(link.ID)
	h.auth = devicetest.New(link.Origin, id)
	claim.WebAuthn = h.auth.Create(devicebind.EnrolChallenge(id, public))
	claimed, err := e.Claim(ctx, link.ID, *claim)
	if err != nil {
		return err
	}
	if _, err := e.Confirm(ctx, who, link.ID); err != nil {
		return err
	}
	got, err := e.Collect(ctx, link.ID, claimed.StatusToken)
	if err != nil {
		return err
	}
	return h.Complete(got)
}

// scan reads the code of a page.
func (h *handset) scan(client *http.Client, base, code string) (*devicebind.Scanned, error) {
	now := time.Now()
	if !now.After(h.last.Add(time.Millisecond)) { // each scan is later than the one before
		now = h.last.Add(time.Millisecond)
	}
	h.last = now
	req, err := h.NewScan(code, now)
	if err != nil {
		return nil, err
	}
	got := &devicebind.Scanned{}
	return got, send(client, base+"/phone/api/scan", req, got)
}

// approve types the number and approves.
func (h *handset) approve(client *http.Client, base string, s *devicebind.Scanned, number string) error {
	req, err := h.NewDecision(s, devicebind.VerdictApprove, number, "", time.Now())
	if err != nil {
		return err
	}
	challenge := sha256.Sum256(devicebind.ApprovalBytes(h.Origin, s.Nonce, *req))
	req.WebAuthn = h.auth.Get(challenge[:])
	return send(client, base+"/phone/api/decide", req, nil)
}

func send(client *http.Client, address string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	w := worker{client: client}
	resp, answer, err := w.do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d %s", address, resp.StatusCode, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}
