package store

import (
	"errors"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

func TestEffects_AreListedTriedAgainAndDropped(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		must(t, s.PutPerson(ctx, record("p2")))
		for i, kind := range []string{"create", "rename"} {
			must(t, s.all(ctx, []statement{with(addEffect, "p1", kind, kind, "ab1234", "", micros(noon.Add(time.Duration(i)*time.Second)))}))
		}
		must(t, s.SetPassword(ctx, directory.NewPassword{PersonID: "p2", Sealed: []byte("x"), At: noon, Deliveries: []directory.Delivery{
			{ID: "d", Target: "mail", Account: "cd5678", Secret: []byte("x"), EndsAt: noon.Add(time.Hour)},
		}}))
		later := noon.Add(time.Minute)
		taken, err := s.TakeEffects(ctx, "l", later, later.Add(time.Minute), 10)
		if err != nil || len(taken) != 1 || taken[0].ID != "create" {
			t.Fatal(taken, err)
		}
		if err := s.RetryEffect(ctx, "create", later); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("somebody is at it: %v", err)
		}
		must(t, s.EffectFailed(ctx, "create", "l", "taken"))
		all, err := s.ListEffects(ctx, "", false, 10)
		must(t, err)
		if len(all) != 3 {
			t.Fatalf("%+v", all)
		}
		failed, err := s.ListEffects(ctx, "p1", true, 10)
		must(t, err)
		if len(failed) != 1 || failed[0].Fault != "taken" || failed[0].Tries != 1 || failed[0].State != "failed" || failed[0].Account != "ab1234" {
			t.Fatalf("%+v", failed)
		}
		of, err := s.ListEffects(ctx, "p2", false, 10)
		must(t, err)
		if len(of) != 1 || of[0].Kind != directory.EffectMailbox {
			t.Fatalf("%+v", of)
		}
		must(t, s.RetryEffect(ctx, "create", later, idp.Event{At: noon, Kind: "sync.effect_retry", PersonID: "p1", Actor: "operator:x"}))
		if taken, err = s.TakeEffects(ctx, "l", later, later.Add(time.Minute), 10); err != nil || len(taken) != 1 || taken[0].ID != "create" || taken[0].Tries != 1 {
			t.Fatal(taken, err)
		}
		must(t, s.EffectFailed(ctx, "create", "l", "taken"))
		for _, id := range []string{"create", "rename", "d"} {
			must(t, s.DropEffect(ctx, id, later))
			if err := s.DropEffect(ctx, id, later); !errors.Is(err, idp.ErrNotFound) {
				t.Errorf("%s, again: %v", id, err)
			}
		}
		if all, err = s.ListEffects(ctx, "", false, 10); err != nil || len(all) != 0 {
			t.Fatalf("%+v %v", all, err)
		}
		waiting, lost, err := s.DeliveryCounts(ctx)
		if err != nil || waiting != 0 || lost != 0 {
			t.Error(waiting, lost, err)
		}
		events, err := s.Events(ctx, EventFilter{PersonID: "p1", Limit: 10})
		if err != nil || len(events) != 1 || events[0].Kind != "sync.effect_retry" {
			t.Error(events, err)
		}
	})
}
