package store

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/login"
)

func aFlow(handle string) *idp.Flow {
	age := int64(0)
	return &idp.Flow{Handle: []byte(handle), Browser: []byte("browser"), Request: "client_id=documents&state=%00", ReturnTo: "/", RedirectTo: "https://rp.example",
		Ask: idp.Ask{ClientID: "documents", MinLevel: idp.LevelTwo, MaxAge: &age, Scopes: []string{"openid"}, At: noon}, CreatedAt: noon, EndsAt: noon.Add(time.Hour)}
}

func TestFlow_ComesBackWhole(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		want := aFlow("h")
		must(t, s.CreateFlow(t.Context(), want))
		for mark, field := range map[login.Mark]*bool{login.MarkSelected: &want.Selected, login.MarkConsented: &want.Consented,
			login.MarkDeclined: &want.Declined, login.MarkCancelled: &want.Cancelled} {
			must(t, s.MarkFlow(t.Context(), want.Handle, want.Browser, mark, noon))
			*field = true
			got, err := s.Flow(t.Context(), want.Handle)
			must(t, err)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("after %s: %+v", mark, got)
			}
		}
	})
}

func TestFlow_OnlyItsBrowserAndInTime(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		f := aFlow("h")
		must(t, s.CreateFlow(t.Context(), f))
		foreign, late := []byte("foreign"), f.EndsAt
		for name, err := range map[string]error{
			"mark foreign":  s.MarkFlow(t.Context(), f.Handle, foreign, login.MarkConsented, noon),
			"mark no one":   s.MarkFlow(t.Context(), f.Handle, nil, login.MarkConsented, noon),
			"mark late":     s.MarkFlow(t.Context(), f.Handle, f.Browser, login.MarkConsented, late),
			"mark unknown":  s.MarkFlow(t.Context(), foreign, f.Browser, login.MarkConsented, noon),
			"mark nonsense": expired(s.MarkFlow(t.Context(), f.Handle, f.Browser, "request = ''", noon)),
		} {
			if !errors.Is(err, idp.ErrExpired) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, err := range map[string]error{
			"foreign": s.FinishFlow(t.Context(), f.Handle, foreign, noon),
			"late":    s.FinishFlow(t.Context(), f.Handle, f.Browser, late),
			"unknown": s.FinishFlow(t.Context(), foreign, f.Browser, noon),
		} {
			if !errors.Is(err, idp.ErrUsed) {
				t.Errorf("finish %s: %v", name, err)
			}
		}
		succeeded, failed := split(together(32, func(int) error { return s.FinishFlow(t.Context(), f.Handle, f.Browser, noon) }))
		if succeeded != 1 || !errors.Is(failed[0], idp.ErrUsed) {
			t.Errorf("finished %d times, %v", succeeded, failed[0])
		}
		if _, err := s.Flow(t.Context(), f.Handle); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("a finished flow: %v", err)
		}
	})
}

func expired(err error) error {
	if errors.Is(err, idp.ErrNotFound) {
		return idp.ErrExpired
	}
	return err
}

func TestUseAssertion_OncePerClient(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		long := strings.Repeat("長", 300_000)
		for _, jti := range []string{"j", "", "\x00\xff", long} {
			succeeded, failed := split(together(32, func(int) error { return s.UseAssertion(t.Context(), "a", jti, noon.Add(time.Minute)) }))
			if succeeded != 1 || !errors.Is(failed[0], idp.ErrUsed) {
				t.Errorf("used %d times, %v", succeeded, failed[0])
			}
			must(t, s.UseAssertion(t.Context(), "b", jti, noon.Add(time.Minute)))
		}
	})
}

func TestConsent_IsWhatWasSavedLast(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		must(t, s.PutClient(t.Context(), &idp.Client{ID: "c"}))
		none, err := s.Consent(t.Context(), "p1", "c")
		if err != nil || none != nil {
			t.Fatal(none, err)
		}
		must(t, s.SaveConsent(t.Context(), "p1", "c", []string{"openid"}, noon))
		must(t, s.SaveConsent(t.Context(), "p1", "c", []string{"openid", "email"}, noon, idp.Event{At: noon, Kind: "consent"}))
		got, err := s.Consent(t.Context(), "p1", "c")
		if err != nil || !reflect.DeepEqual(got, []string{"openid", "email"}) {
			t.Fatal(got, err)
		}
	})
}

func TestClients(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		want := &idp.Client{ID: "documents", Name: "公文", NameEN: "Documents", AuthMethods: []string{idp.AuthSecretBasic, idp.AuthSecretPost},
			SecretHash: []byte("secret"), JWKS: "{}", RedirectURIs: []string{"https://a/cb?x=1", "https://b/cb"}, PostLogoutURIs: []string{"https://a/out"},
			Origins: []string{"https://a"}, Scopes: []string{"openid"}, GrantTypes: []string{"authorization_code"}, Audience: []string{"x"}, PKCEOptional: true,
			IDTokenAlg: "ES256", JWTAccess: true, MinLevel: idp.LevelCard, FirstParty: true, MayIntrospect: true, URI: "https://a", CreatedAt: noon, UpdatedAt: noon}
		must(t, s.PutClient(t.Context(), want, idp.Event{At: noon, Kind: "client.create"}))
		got, err := s.Client(t.Context(), "documents")
		must(t, err)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v", got)
		}
		must(t, s.RotateSecret(t.Context(), "documents", []byte("new"), noon.Add(time.Hour)))
		got, err = s.Client(t.Context(), "documents")
		must(t, err)
		if string(got.SecretHash) != "new" || string(got.OldSecretHash) != "secret" || !got.OldSecretEnds.Equal(noon.Add(time.Hour)) {
			t.Fatalf("%+v", got)
		}
		must(t, s.PutClient(t.Context(), &idp.Client{ID: "public", AuthMethods: []string{idp.AuthNone}}))
		must(t, s.DisableClient(t.Context(), "public", true))
		enabled, err := s.Clients(t.Context())
		must(t, err)
		all, err := s.AllClients(t.Context())
		must(t, err)
		if len(enabled) != 1 || len(all) != 2 || enabled[0].ID != "documents" || !all[1].Disabled {
			t.Fatalf("%+v %+v", enabled, all)
		}
		for name, err := range map[string]error{
			"rotate unknown":  s.RotateSecret(t.Context(), "x", []byte("n"), noon),
			"rotate public":   s.RotateSecret(t.Context(), "public", []byte("n"), noon),
			"disable unknown": s.DisableClient(t.Context(), "x", true),
			"unknown":         second(s.Client(t.Context(), "x")),
			"NUL":             second(s.Client(t.Context(), "documents\x00")),
			"not UTF-8":       second(s.Client(t.Context(), "\xff")),
		} {
			if !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestEvents_NewestFirst(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		must(t, s.Record(t.Context()))
		for i := range 10 {
			person := []string{"p1", "p2"}[i%2]
			must(t, s.Record(t.Context(), idp.Event{At: noon.Add(time.Duration(i) * time.Second), Kind: "k", Result: "ok", PersonID: person, Actor: "a",
				ClientID: "c", SessionID: "s", Address: "192.0.2.1", RequestID: "r", Detail: string(rune('0' + i))}))
		}
		details := func(f EventFilter) (all string) {
			events, err := s.Events(t.Context(), f)
			must(t, err)
			for _, e := range events {
				all += e.Detail
			}
			return all
		}
		for want, f := range map[string]EventFilter{
			"9876543210": {},
			"97531":      {PersonID: "p1"},
			"86":         {PersonID: "p2", Limit: 2},
			"987":        {Since: noon.Add(7 * time.Second)},
		} {
			if f.PersonID != "" {
				f.PersonID = map[string]string{"p1": "p2", "p2": "p1"}[f.PersonID] // odd ones are p2's
			}
			if got := details(f); got != want {
				t.Errorf("%+v: %s, want %s", f, got, want)
			}
		}
	})
}
