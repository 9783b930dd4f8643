package directory

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	idp "taipeion.internal/idp"
)

// Mailbox is a mail system that keeps passwords of its own.
type Mailbox interface {
	// Name tells connectors apart.
	Name() string
	// TakesHash tells whether Deliver is given an argon2id hash in PHC form
	// instead of the password.
	TakesHash() bool
	// Takes tells whether mailboxes of the agency are in it.
	Takes(agency string) bool
	// Deliver sets the password of the person's mailbox. It may be called again with
	// the same; idp.ErrNotFound: the mailbox is not there, or not yet;
	// ErrUndeliverable: trying again is of no use.
	Deliver(ctx context.Context, account idp.Account, secret string) error
}

// ErrUndeliverable says that a mail system will never take the password.
var ErrUndeliverable = errors.New("the mail system does not take it")

// The times of deliveries. The lease is longer than a try.
const (
	deliveryLife  = 24 * time.Hour
	deliveryTry   = 30 * time.Second
	deliveryLease = time.Minute
	deliveryBatch = 16
)

func deliveryContext(d *Delivery) string {
	return "password-delivery/" + d.Target + "/" + d.Account + "/" + d.ID
}

// deliveries are those to the person's mailboxes, each to the first mail system
// that its agency's are in. A start password is of a login that asks for another
// one, which a mail system does not: it gets one that nobody knows, until the
// owner has set theirs.
func (p *Passwords) deliveries(ctx context.Context, accounts []idp.Account, password string, h how, now time.Time) (list []Delivery, err error) {
	if h.start {
		password = rand.Text() + rand.Text() + "-aA1"
	}
	for _, a := range accounts {
		if a.Kind != idp.AccountMail || a.Closed {
			continue
		}
		agency := a.Agency
		if agency == "" {
			person, err := p.Gate.Accounts.Person(ctx, a.PersonID)
			if err != nil {
				return nil, fmt.Errorf("find agency: %w", err)
			}
			agency = person.Agency.Code
		}
		i := slices.IndexFunc(p.Mail, func(box Mailbox) bool { return box.Takes(agency) })
		if i < 0 {
			continue
		}
		d, err := p.delivery(ctx, p.Mail[i], a.Name, password, now)
		if err != nil {
			return nil, err
		}
		list = append(list, *d)
	}
	return list, nil
}

// delivery seals what the mailbox is to get: a hash where it takes one.
func (p *Passwords) delivery(ctx context.Context, box Mailbox, account, password string, now time.Time) (*Delivery, error) {
	d := &Delivery{ID: NewID(), Target: box.Name(), Account: account, State: DeliveryWaiting, MadeAt: now, EndsAt: now.Add(deliveryLife)}
	secret := password
	if box.TakesHash() {
		var err error
		if secret, err = p.Gate.Hasher.Hash(ctx, password); err != nil {
			return nil, fmt.Errorf("hash password: %w", err)
		}
	}
	d.Secret = p.Seal([]byte(secret), deliveryContext(d))
	return d, nil
}

// Postman brings passwords to the mail systems, on any number of nodes.
type Postman struct {
	Keeper PasswordKeeper
	Mail   []Mailbox
	Open   func(sealed []byte, context string) ([]byte, error)
	Every  time.Duration // how often it looks; 2 s if 0
	Now    func() time.Time
	Logger *slog.Logger
}

// Run delivers what is due until ctx ends.
func (m *Postman) Run(ctx context.Context) {
	every := m.Every
	if every <= 0 {
		every = 2 * time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if _, err := m.Once(ctx); err != nil && ctx.Err() == nil {
			m.Logger.WarnContext(ctx, "password deliveries", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Once wipes what is too old, delivers what is due now, and returns how many it
// took.
func (m *Postman) Once(ctx context.Context) (int, error) {
	now := m.Now()
	wiped, err := m.Keeper.WipeDeliveries(ctx, now)
	if err != nil {
		return 0, fmt.Errorf("wipe deliveries: %w", err)
	}
	if wiped > 0 {
		m.Logger.ErrorContext(ctx, "mail passwords not delivered in time", "count", wiped)
	}
	var random [16]byte
	rand.Read(random[:])
	lease := base64.RawURLEncoding.EncodeToString(random[:])
	list, err := m.Keeper.TakeDeliveries(ctx, lease, now, now.Add(deliveryLease), deliveryBatch)
	if err != nil {
		return 0, fmt.Errorf("take deliveries: %w", err)
	}
	// All at once, so that a slow mail system does not eat the lease of the others.
	var all sync.WaitGroup
	for i := range list {
		all.Go(func() { m.bring(context.WithoutCancel(ctx), lease, &list[i]) })
	}
	all.Wait()
	return len(list), nil
}

// bring tries one and settles it.
func (m *Postman) bring(ctx context.Context, lease string, d *Delivery) {
	state, due, fault := DeliveryDone, time.Time{}, ""
	if err := m.try(ctx, d); err != nil {
		state, due, fault = DeliveryWaiting, m.Now().Add(deliveryWait(d.Tries)), faultClass(err)
		if errors.Is(err, ErrUndeliverable) {
			state = DeliveryFailed
		}
		m.Logger.WarnContext(ctx, "mail password not delivered", "delivery", d.ID, "target", d.Target, "tries", d.Tries, "state", state, "error", err)
	}
	err := m.Keeper.SettleDelivery(ctx, d.ID, lease, state, due, fault)
	if err != nil && !errors.Is(err, idp.ErrConflict) { // replaced meanwhile: nothing to settle
		m.Logger.ErrorContext(ctx, "settle delivery", "delivery", d.ID, "error", err)
	}
}

func (m *Postman) try(ctx context.Context, d *Delivery) error {
	for _, box := range m.Mail {
		if box.Name() != d.Target {
			continue
		}
		secret, err := m.Open(d.Secret, deliveryContext(d))
		if err != nil {
			return fmt.Errorf("%w: its seal is broken", ErrUndeliverable)
		}
		ctx, cancel := context.WithTimeout(ctx, deliveryTry)
		defer cancel()
		return box.Deliver(ctx, idp.Account{Name: d.Account, Kind: idp.AccountMail, PersonID: d.PersonID}, string(secret))
	}
	return fmt.Errorf("no connector is called %q", d.Target)
}

// deliveryWait doubles with each try, up to half an hour.
func deliveryWait(tries int) time.Duration {
	return min(10*time.Second<<min(max(tries-1, 0), 8), 30*time.Minute)
}
