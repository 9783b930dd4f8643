package store

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/keys"
)

func aKey(kid string, number int64, state keys.State) keys.Record {
	return keys.Record{KID: kid, Use: "token", Algorithm: "ES256", Number: number, State: state, Sealed: []byte("sealed"), Public: []byte("public"), CreatedAt: noon}
}

func TestSigningKeys_RacedFirstStart(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		nodes := []*Store{d.open(t), d.open(t)}
		succeeded, failed := split(together(32, func(i int) error {
			return nodes[i%2].Keys().AddSigningKey(t.Context(), aKey(fmt.Sprint("k", i), 1, keys.StateActive))
		}))
		if succeeded != 1 {
			t.Fatal(succeeded)
		}
		for _, err := range failed {
			if !errors.Is(err, idp.ErrConflict) {
				t.Fatal(err)
			}
		}
	})
}

func TestSigningKeys_Rotate(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		nodes := []*Store{d.open(t), d.open(t)}
		k := nodes[0].Keys()
		must(t, k.AddSigningKey(t.Context(), aKey("k1", 1, keys.StateActive)))
		must(t, k.AddSigningKey(t.Context(), aKey("k2", 2, keys.StateNext)))
		ends := noon.Add(time.Hour)
		succeeded, failed := split(together(32, func(i int) error {
			return nodes[i%2].Keys().Rotate(t.Context(), "k1", "k2", ends, aKey(fmt.Sprint("n", i), 3, keys.StateNext))
		}))
		if succeeded != 1 {
			t.Fatal(succeeded, failed)
		}
		for _, err := range failed {
			if !errors.Is(err, idp.ErrConflict) {
				t.Fatal(err)
			}
		}
		found, err := k.SigningKeys(t.Context(), noon)
		must(t, err)
		first := aKey("k1", 1, keys.StateRetired)
		first.EndsAt = ends
		if len(found) != 3 || !reflect.DeepEqual(found[0], first) || found[1].State != keys.StateActive || found[2].State != keys.StateNext {
			t.Fatalf("%+v", found)
		}
		// The next number is taken: nothing changes.
		if err := k.Rotate(t.Context(), "k2", found[2].KID, ends, aKey("x", 2, keys.StateNext)); !errors.Is(err, idp.ErrConflict) {
			t.Fatal(err)
		}
		found, err = k.SigningKeys(t.Context(), ends)
		must(t, err)
		if len(found) != 2 || found[0].KID != "k2" || found[0].State != keys.StateActive {
			t.Fatalf("%+v", found)
		}
	})
}
