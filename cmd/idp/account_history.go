package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"taipeion.internal/idp/directory"
)

// maxChanges is how many changes of a person are shown.
const maxChanges = 20

// personChange is one change of a person, with who made it in words.
type personChange struct {
	At      time.Time               `json:"at"`
	Kind    string                  `json:"kind"`
	Actor   string                  `json:"actor"`
	By      string                  `json:"by"` // the actor, a person by their username
	Changes []directory.FieldChange `json:"changes"`
}

func (o *opened) changesOf(ctx context.Context, personID string) ([]personChange, error) {
	entries, err := o.store.History(ctx, personID, maxChanges)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	list := []personChange{}
	for _, e := range entries {
		shown := personChange{At: e.At, Kind: e.Kind, Actor: e.Actor, By: e.Actor, Changes: e.Fields}
		if id, ok := strings.CutPrefix(e.Actor, directory.ActorOf("")); ok {
			if p, err := o.store.Person(ctx, id); err == nil {
				shown.By = p.Username
			}
		}
		list = append(list, shown)
	}
	return list, nil
}

func (c personChange) row(out *table) {
	var fields []string
	for _, f := range c.Changes {
		fields = append(fields, fmt.Sprintf("%s: %s -> %s", f.Field, f.Old, f.New))
	}
	out.row("changed", fmt.Sprintf("%s %s by %s; %s", moment(c.At), c.Kind, c.By, strings.Join(fields, "; ")))
}
