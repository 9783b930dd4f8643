package ad

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"taipeion.internal/idp/directory"
)

// maxOperation bounds what the answers to one operation may be, all in all.
const maxOperation = 8 << 20

// maxIdle is how long an unused connection is kept; controllers close theirs
// after 15 minutes.
const maxIdle = 2 * time.Minute

// conn is a connection of the service account.
type conn struct {
	raw    *bounded
	ldap   *ldap.Conn
	server *server
	used   time.Time
	reused bool
}

// bounded is a connection that ends when too much was read from it.
type bounded struct {
	net.Conn
	left atomic.Int64
}

var errTooMuch = errors.New("the answer is too long")

func (b *bounded) Read(p []byte) (int, error) {
	if b.left.Load() <= 0 {
		return 0, errTooMuch
	}
	n, err := b.Conn.Read(p)
	b.left.Add(-int64(n))
	return n, err
}

func (c *conn) close() {
	_ = c.raw.Close() // first: it ends what the library may be waiting for
	_ = c.ldap.Close()
}

// run does one operation on the connection, within the time for an answer.
func (c *conn) run(ctx context.Context, answer time.Duration, f func(*conn) error) error {
	if deadline, ok := ctx.Deadline(); ok {
		answer = min(answer, time.Until(deadline))
	}
	if answer <= 0 {
		return context.DeadlineExceeded
	}
	c.raw.left.Store(maxOperation)
	c.ldap.SetTimeout(answer)
	_ = c.raw.SetWriteDeadline(time.Now().Add(answer))
	stop := context.AfterFunc(ctx, func() { _ = c.raw.Close() })
	err := f(c)
	if !stop() {
		return errors.Join(context.Cause(ctx), err)
	}
	if err == nil && c.ldap.IsClosing() {
		return errors.New("the connection ended")
	}
	return err
}

// do runs f on a service connection. Where again is set, f only reads, and is
// run on the next server if one fails; a write is never repeated, and is
// directory.ErrUncertain if its answer was lost.
func (d *Directory) do(ctx context.Context, again bool, f func(*conn) error) error {
	var last error
	for range 2 * (len(d.servers) + 1) {
		c, err := d.get(ctx)
		if err != nil {
			return errors.Join(err, last)
		}
		if !again && c.reused { // may have died unnoticed: a write needs to know
			if err := c.run(ctx, d.o.Answer, probe); trouble(err) {
				d.put(ctx, c, err)
				last = err
				continue
			}
		}
		err = c.run(ctx, d.o.Answer, f)
		d.put(ctx, c, err)
		if !trouble(err) {
			return meaning(err)
		}
		last = err
		if !again {
			last = fmt.Errorf("%w: %w", directory.ErrUncertain, err)
		}
		if !again || ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("%s: %w: %w", d.o.Name, directory.ErrUnreachable, last)
}

// probe asks for nothing of the root, which every server answers.
func probe(c *conn) error {
	_, err := c.ldap.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"1.1"}, nil))
	return err
}

// get takes an idle connection or makes one; it waits while all are in use.
func (d *Directory) get(ctx context.Context) (*conn, error) {
	select {
	case d.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: all connections are in use: %w", d.o.Name, directory.ErrUnreachable)
	}
	for {
		c := d.pop()
		if c == nil {
			break
		}
		if !c.ldap.IsClosing() && time.Since(c.used) < maxIdle && c.server.good(time.Now()) {
			c.reused = true
			return c, nil
		}
		c.close()
	}
	c, err := d.open(ctx)
	if err != nil {
		<-d.slots
		return nil, err
	}
	return c, nil
}

func (d *Directory) pop() *conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.idle) == 0 {
		return nil
	}
	c := d.idle[len(d.idle)-1]
	d.idle = d.idle[:len(d.idle)-1]
	return c
}

// put gives a connection back. After trouble it is closed, and its server is
// asked after the others for a while, unless it merely died while idle.
func (d *Directory) put(ctx context.Context, c *conn, err error) {
	defer func() { <-d.slots }()
	if trouble(err) {
		var late net.Error
		if !c.reused || errors.As(err, &late) && late.Timeout() || isCode(err, ldap.LDAPResultBusy, ldap.LDAPResultUnavailable) || timedOut(err) {
			c.server.failed(ctx)
		}
		c.close()
		return
	}
	c.server.answered()
	c.used, c.reused = time.Now(), false
	d.mu.Lock()
	keep := !d.closed
	if keep {
		d.idle = append(d.idle, c)
	}
	d.mu.Unlock()
	if !keep {
		c.close()
	}
}

// open connects the service account to the first server that takes it.
func (d *Directory) open(ctx context.Context) (*conn, error) {
	if d.refusedNow(d.secret(ctx)) {
		return nil, fmt.Errorf("%s: %w: the service account was refused", d.o.Name, directory.ErrUnreachable)
	}
	var errs []error
	for _, s := range d.order() {
		c, err := d.openAt(ctx, s)
		if err == nil {
			return c, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", s.address, err))
		if errors.Is(err, errService) {
			break // another server would count it too
		}
		s.failed(ctx)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("%s: %w: %w", d.o.Name, directory.ErrUnreachable, errors.Join(errs...))
}

// refusedNow tells whether the service account was refused with that password a
// moment ago.
func (d *Directory) refusedNow(secret string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Now().Before(d.refusedUntil) && d.refused == secret
}

// secret is the service account's password as it is now. One that can't be read
// is the one before.
func (d *Directory) secret(ctx context.Context) string {
	if d.o.SecretNow == nil {
		return d.o.Secret
	}
	now, err := d.o.SecretNow()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil || now == "" {
		d.o.Logger.ErrorContext(ctx, "the password of the service account can't be read: the former one is used", "directory", d.o.Name, "error", err)
		return d.o.Secret
	}
	d.o.Secret = now
	return now
}

var errService = errors.New("the service account is refused")

// pause is how long nothing is tried after the service account was refused: it
// must not lock itself.
const pause = 30 * time.Second

func (d *Directory) openAt(ctx context.Context, s *server) (*conn, error) {
	tlsConn, err := d.dial(ctx, s)
	if err != nil {
		return nil, err
	}
	answer, cancel := context.WithTimeout(ctx, d.o.Answer)
	defer cancel()
	secret := d.secret(ctx)
	code, diagnostic, err := simpleBind(answer, tlsConn, d.o.BindDN, secret)
	if err == nil && code == ldap.LDAPResultInvalidCredentials {
		d.mu.Lock()
		d.refusedUntil, d.refused = time.Now().Add(pause), secret
		d.mu.Unlock()
		d.o.Logger.Error("the directory refuses the service account", "directory", d.o.Name, "subcode", subcode(diagnostic))
		err = errService
	}
	if err == nil && code != ldap.LDAPResultSuccess {
		err = fmt.Errorf("bind of the service account: result code %d", code)
	}
	if err != nil {
		return nil, errors.Join(err, tlsConn.Close())
	}
	raw := &bounded{Conn: tlsConn}
	raw.left.Store(maxOperation)
	c := &conn{raw: raw, ldap: ldap.NewConn(raw, true), server: s, used: time.Now()}
	c.ldap.Start()
	s.answered()
	return c, nil
}

// Ping asks a server, as the service account, for nothing.
func (d *Directory) Ping(ctx context.Context) error { return d.do(ctx, true, probe) }
