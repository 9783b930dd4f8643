package ad

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// Check looks at a password: it finds the one entry by a service connection,
// then binds as it, once, over a connection of its own.
func (d *Directory) Check(ctx context.Context, account idp.Account, password string) error {
	if strings.TrimSpace(password) == "" || strings.ContainsRune(password, 0) || len(password) > directory.MaxPassword {
		return directory.ErrWrong // RFC 4513 section 5.1.2
	}
	ctx, cancel := context.WithTimeout(ctx, d.o.Login)
	defer cancel()
	known, err := d.known(ctx, account)
	if err != nil {
		return fmt.Errorf("%w: %w", directory.ErrNotLooked, err)
	}
	e, at, err := d.who(ctx, account, known)
	if err != nil && !errors.Is(err, directory.ErrWrong) {
		return fmt.Errorf("%w: %w", directory.ErrNotLooked, err)
	}
	if err != nil || account.PersonID == "" {
		return d.decoy(ctx, at)
	}
	if until, locked := d.lock(ctx, e); locked {
		return &directory.LockedError{Until: until}
	}
	err = d.bind(ctx, at, e.DN, password)
	var locked *directory.LockedError
	var lost *lostError
	switch {
	case errors.As(err, &lost):
		return d.settle(ctx, lost, at, e)
	case errors.As(err, &locked):
		return &directory.LockedError{Until: d.lockedNow(ctx, e)}
	case err != nil:
		return err
	case e.Disabled: // a controller that has not heard of it yet
		return directory.ErrDisabled
	case d.o.Plain && e.MustChange:
		return directory.ErrMustChange
	}
	return d.remember(ctx, account, e, known)
}

// known is the identity of the account's entry, empty before its first login.
// Nobody's is asked for too: the same statements for everybody.
func (d *Directory) known(ctx context.Context, account idp.Account) (string, error) {
	if d.o.Identities == nil {
		return "", nil
	}
	id, err := d.o.Identities.Identity(ctx, d.o.Name, account.Name)
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		return "", fmt.Errorf("read identity: %w", err)
	}
	return id, nil
}

// who finds the entry that may log in by the account's name; directory.ErrWrong
// if there is none.
func (d *Directory) who(ctx context.Context, account idp.Account, known string) (*Entry, *server, error) {
	condition := d.byName(account.Name)
	if known != "" { // it may have been renamed there already
		byID, err := d.byID(known)
		if err != nil {
			return nil, nil, err
		}
		condition = "(|" + condition + byID + ")"
	}
	e, at, err := d.one(ctx, d.person(condition+d.o.Filter))
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return nil, nil, directory.ErrWrong
	case errors.Is(err, ErrAmbiguous):
		d.o.Logger.ErrorContext(ctx, "several entries may be one account", "directory", d.o.Name, "person", account.PersonID)
		return nil, nil, directory.ErrWrong
	case err != nil:
		return nil, nil, err
	case known != "" && e.ID != known:
		d.o.Logger.ErrorContext(ctx, "another entry has an account's name now", "directory", d.o.Name, "person", account.PersonID)
		return nil, at, directory.ErrWrong
	case known == "" && (account.Given || !sameName(e.Name, account.Name)):
		return nil, at, directory.ErrWrong // an account of ours has the entry that we made, and no other
	case e.Service:
		d.o.Logger.WarnContext(ctx, "a machine's or service's account does not log in", "directory", d.o.Name, "person", account.PersonID)
		return nil, at, directory.ErrWrong
	}
	return e, at, nil
}

// remember keeps whose entry it was, so that a name that is given to another
// entry opens nothing.
func (d *Directory) remember(ctx context.Context, account idp.Account, e *Entry, known string) error {
	if d.o.Identities == nil || known != "" {
		return nil
	}
	err := d.o.Identities.KeepIdentity(ctx, d.o.Name, account, e.ID, d.o.Now())
	if errors.Is(err, idp.ErrConflict) {
		d.o.Logger.ErrorContext(ctx, "an entry is another person's already", "directory", d.o.Name, "person", account.PersonID)
		return directory.ErrDisabled
	}
	if err != nil {
		return fmt.Errorf("keep identity: %w", err)
	}
	return nil
}

// bind sends the password to one server. A server that can't be reached has
// seen nothing, so the next one is tried; from the first byte of the bind on,
// there is no other try.
func (d *Directory) bind(ctx context.Context, first *server, dn, password string) error {
	return d.bindThen(ctx, first, dn, password, nil)
}

// bindThen does something more as the person who was let in.
func (d *Directory) bindThen(ctx context.Context, first *server, dn, password string, then func(context.Context, net.Conn) error) error {
	select {
	case d.binds <- struct{}{}:
		defer func() { <-d.binds }()
	case <-ctx.Done():
		return fmt.Errorf("%w: %w: too many logins at once", directory.ErrNotLooked, idp.ErrUnavailable)
	}
	servers := d.order()
	if first != nil {
		servers = append([]*server{first}, servers...)
	}
	var errs []error
	for _, s := range servers {
		conn, err := d.dial(ctx, s)
		if err != nil {
			s.failed(ctx)
			errs = append(errs, err)
			continue
		}
		return d.bindAt(ctx, s, conn, dn, password, then)
	}
	return fmt.Errorf("%s: %w: %w: %w", d.o.Name, directory.ErrNotLooked, directory.ErrUnreachable, errors.Join(errs...))
}

func (d *Directory) bindAt(ctx context.Context, s *server, conn net.Conn, dn, password string, then func(context.Context, net.Conn) error) error {
	defer conn.Close()
	answer, cancel := context.WithTimeout(ctx, d.o.Answer)
	defer cancel()
	code, diagnostic, err := simpleBind(answer, conn, dn, password)
	if err != nil {
		s.failed(ctx)
		return &lostError{s, err}
	}
	s.answered()
	if err := verdict(code, diagnostic); err != nil || then == nil {
		return err
	}
	return then(answer, conn)
}

// lostError says that a bind was sent, and no answer to it came.
type lostError struct {
	at  *server
	err error
}

func (e *lostError) Error() string {
	return e.at.address + ": the answer to a bind was lost: " + e.err.Error()
}

// Unwrap makes it idp.ErrUnavailable, and not directory.ErrNotLooked.
func (e *lostError) Unwrap() []error { return []error{idp.ErrUnavailable, e.err} }

// settle asks the controller that lost its answer whether it counted a wrong
// password: trouble with the network is no failure of the person's. Where it
// may still be thinking, or does not tell, the try counts, because there it may
// count too.
func (d *Directory) settle(ctx context.Context, lost *lostError, read *server, e *Entry) error {
	var late net.Error
	if d.o.Plain || lost.at != read || errors.As(lost.err, &late) && late.Timeout() {
		return lost
	}
	condition, err := d.byID(e.ID)
	if err != nil {
		return lost
	}
	c, err := d.openAt(ctx, lost.at)
	if err != nil {
		return lost
	}
	defer c.close()
	var now *Entry
	err = c.run(ctx, d.o.Answer, func(c *conn) error {
		found, err := d.single(c, d.person(condition))
		if err == nil {
			now, err = d.entry(found)
		}
		return err
	})
	if err != nil || now.BadPassword != e.BadPassword || now.badAt != e.badAt || now.Locked {
		return lost
	}
	return fmt.Errorf("%w: %w", directory.ErrNotLooked, lost)
}

// decoy takes the time of a wrong password without asking about anybody's.
func (d *Directory) decoy(ctx context.Context, at *server) error {
	err := d.bind(ctx, at, "CN="+rand.Text()+","+d.o.Base, rand.Text())
	if errors.Is(err, directory.ErrNotLooked) {
		return err
	}
	return directory.ErrWrong
}
