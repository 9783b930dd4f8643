package store

import (
	"errors"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/outbox"
)

// Letters writes what a person is told by mail of an event; nothing if they are
// not. What is the account that it is about, empty for none.
type Letters func(e idp.Event, p *idp.Person, what string) []outbox.Message

// TellBy has people told of what happens to their cards and bindings, by
// whomever it is done. It is to be called before the Store is used by others.
func (s *Store) TellBy(l Letters) { s.letters = l }

// keepTold keeps events, and the mail about them to the person whom they concern, in
// the transaction of the change.
func (s *Store) keepTold(r runner, what string, events []idp.Event) error {
	if err := keep(r, events); err != nil {
		return err
	}
	for _, e := range events {
		if s.letters == nil || e.Result != "ok" || e.PersonID == "" {
			continue
		}
		p := &idp.Person{}
		err := r.row(with(personByID, e.PersonID), personInto(p)...)
		if errors.Is(translate(err), idp.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		for _, m := range s.letters(e, p, what) {
			if _, err := r.exec(insertMessage(m)); err != nil {
				return err
			}
		}
	}
	return nil
}
