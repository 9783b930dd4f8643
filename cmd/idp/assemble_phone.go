package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/login"
	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/outbox/mail"
	"taipeion.internal/idp/phone"
	"taipeion.internal/idp/portal"
	"taipeion.internal/idp/server"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/templates"
)

// factors are phones, one-time codes and passkeys, joined; what is switched off
// is nil.
type factors struct {
	keeper   *devicebind.Keeper
	changes  *devicebind.Factors
	notifier *devicebind.Notifier
	codes    *devicebind.Codes
	attempts *devicebind.Attempts
	devices  *devicebind.Devices
	enroller *devicebind.Enroller
	otp      *devicebind.OTP
	passkeys *devicebind.Passkeys
	box      *outbox.Box   // nil: no mail
	stop     chan struct{} // closed when the node stops
}

// newFactors joins them. It needs the gate for the cost of PINs and for locks.
func (h *house) newFactors(ctx context.Context, o assembleOptions, pages *templates.Renderer) (*factors, error) {
	c, now := h.config, o.Now
	keeper, err := devicebind.NewKeeper(h.sealer)
	if err != nil {
		return nil, err
	}
	h.gate.Codes = keeper.GuessKey
	f := &factors{keeper: keeper, stop: make(chan struct{})}
	f.changes = &devicebind.Factors{Store: h.store, Now: now}
	f.notifier = &devicebind.Notifier{Now: now, Every: 40 * time.Millisecond, Logger: h.logger}
	if c.Store.PostgreSQLFile != "" {
		f.notifier.Store = h.store // there may be other nodes
	}
	f.devices = &devicebind.Devices{Store: h.store, Factors: f.changes, Keeper: f.keeper, Hasher: h.gate.Hasher, Origin: c.Issuer, Now: now}
	if err := h.addMail(f, o, pages); err != nil {
		return nil, err
	}
	if c.Phones.Enabled {
		if err := h.addPhones(ctx, f, o); err != nil {
			return nil, err
		}
	}
	if c.Codes.Enabled {
		f.otp = &devicebind.OTP{
			Store: recordedStore{h.store, h.record}, Guesses: recordedStore{h.store, h.record}, Keeper: f.keeper, Factors: f.changes, Issuer: c.Codes.Issuer,
			Rules: h.gate.Rules, Now: now,
		}
	}
	if c.Passkeys.Enabled && namedHost(c.Issuer) {
		if f.passkeys, err = h.newPasskeys(f, o); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// addPhones joins what binds phones and logs in by them.
func (h *house) addPhones(ctx context.Context, f *factors, o assembleOptions) error {
	c, now := h.config, o.Now
	authority, err := keys.OpenDeviceCA(ctx, h.store.Keys(), h.sealer, now())
	if err != nil {
		return err
	}
	f.codes = &devicebind.Codes{Keeper: f.keeper, Origin: c.Issuer, Now: now}
	f.attempts = &devicebind.Attempts{
		Store: recordedStore{h.store, h.record}, Devices: h.store, Codes: f.codes, Keeper: f.keeper, Hasher: h.gate.Hasher, Notifier: f.notifier,
		Scanning: h.store, Client: h.clients.Client, Origin: c.Issuer, Logger: h.logger, Now: now,
	}
	if c.Lockout.All {
		f.attempts.Locked = locked(h.gate)
	}
	f.enroller = &devicebind.Enroller{
		Store: h.store, CA: authority, Keeper: f.keeper, Hasher: h.gate.Hasher, Cards: h.store.CardsOf, Factors: f.changes,
		Notifier: f.notifier, Origin: c.Issuer, Now: now,
		Rules: devicebind.EnrolRules{
			CardFresh: c.Phones.BindFresh.D(), AllowOTP: c.Phones.BindWithCode, DeviceAge: c.Phones.Life.D(),
		},
	}
	return nil
}

func locked(gate *directory.Gate) func(ctx context.Context, personID string) (bool, error) {
	return func(ctx context.Context, personID string) (bool, error) {
		until, err := gate.PersonLocked(ctx, personID)
		return !until.IsZero(), err
	}
}

// namedHost tells whether the issuer has a name: browsers refuse addresses as
// the identity of a relying party (Web Authentication Level 3 section 5.1.3).
func namedHost(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil {
		return false
	}
	_, err = netip.ParseAddr(u.Hostname())
	return err != nil
}

func (h *house) newPasskeys(f *factors, o assembleOptions) (*devicebind.Passkeys, error) {
	c := h.config.Passkeys
	p := &devicebind.Passkeys{
		Store: recordedStore{h.store, h.record}, Keeper: f.keeper, Factors: f.changes, Origin: h.config.Issuer, Name: c.Name,
		Attestation: devicebind.Attestation(c.Attestation), Now: o.Now,
	}
	if p.Attestation != devicebind.AttestationAllow {
		return p, nil
	}
	var err error
	if p.Models, err = config.AAGUIDs(c.Models); err != nil {
		return nil, err
	}
	p.Roots = x509.NewCertPool()
	for _, name := range c.Roots {
		file, err := os.ReadFile(h.config.Path(name))
		if err != nil {
			return nil, fmt.Errorf("passkeys.roots: %w", err)
		}
		certs, err := cardreader.ParseCertificates(file)
		if err != nil {
			return nil, fmt.Errorf("passkeys.roots: %s: %w: %w", name, config.ErrInvalid, err)
		}
		for _, cert := range certs {
			p.Roots.AddCert(cert)
		}
	}
	return p, nil
}

// addMail joins what tells people by mail. Without a server nobody is told, and
// nothing is kept to be told.
func (h *house) addMail(f *factors, o assembleOptions, pages *templates.Renderer) error {
	doer := o.Mail
	if m := h.config.Mail; m.Server != "" {
		sender := &mail.Sender{
			Address: m.Server, Security: m.Security, Username: m.Username, From: m.From, FromName: m.FromName,
			Hello: hostOf(h.config.Issuer), Now: o.Now,
		}
		if m.PasswordFile != "" {
			var err error
			if sender.Password, err = h.config.Secret(m.PasswordFile); err != nil {
				return err
			}
		}
		doer = sender
	}
	if doer == nil {
		h.logger.Warn("mail.server is not set: people are not told when a card, password, phone, code or passkey of theirs changes")
		return nil
	}
	f.box = &outbox.Box{Store: h.store, Doers: map[string]outbox.Doer{outbox.KindMail: doer}, Now: o.Now, Logger: h.logger}
	f.changes.Letters = letters(pages)
	h.passwords.Letters = passwordLetters(pages)
	h.store.TellBy(eventLetters(pages))
	return nil
}

// letters puts what is to be told into mails.
func letters(pages *templates.Renderer) func(n devicebind.Notice) []outbox.Message {
	return func(n devicebind.Notice) []outbox.Message {
		subject, text, ok := pages.Letter(n.Kind, n.Person.Name, n.Name, n.At)
		if !ok || n.Person.Email == "" {
			return nil
		}
		return []outbox.Message{outbox.NewMail(n.Person.Email, subject, text, n.At)}
	}
}

// letters are those of an operator's command: kept for the nodes to send, where
// a mail server is named.
func (o *opened) letters() (func(n devicebind.Notice) []outbox.Message, error) {
	pages, err := o.letterPages()
	if pages == nil || err != nil {
		return nil, err
	}
	return letters(pages), nil
}

// letterPages write the letters of a command; nil without a mail server.
func (o *opened) letterPages() (*templates.Renderer, error) {
	if o.config.Mail.Server == "" {
		return nil, nil
	}
	return templates.New(pageOptions(o.config, time.Now))
}

func hostOf(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// forLogin is what the login page offers.
func (h *house) forLogin(f *factors) login.Factors {
	out := login.Factors{
		People: h.store, Known: h.store, KnownFor: h.config.Phones.KnownFor.D(), Sealer: h.sealer, Names: names(h.config),
		Waits: login.WaitingLimits{
			All: h.config.Phones.MaxWaiting, Address: h.config.Phones.MaxWaitingAddress, Gateway: h.config.Phones.MaxWaitingGateway,
		},
		Stop: f.stop,
	}
	if f.attempts != nil {
		out.Attempts, out.Codes, out.Waiting = f.attempts, f.codes, f.notifier
	}
	if f.otp != nil {
		out.OTP = f.otp
	}
	if f.passkeys != nil {
		out.Passkeys = f.passkeys
	}
	return out
}

// forPortal is what a person manages.
func (h *house) forPortal(f *factors) portal.Factors {
	out := portal.Factors{Told: portal.Told{Events: h.changesOf, Mail: f.box != nil}, Fresh: f.changes, Holders: h.store, Lax: h.config.Phones.BindWithCode, Stop: f.stop}
	if f.enroller != nil {
		out.Enroller, out.Devices, out.Waiting = f.enroller, f.devices, f.notifier
		for _, app := range []portal.AppLink{
			{Name: templates.AppAndroid, URL: h.config.Phones.Android}, {Name: templates.AppIOS, URL: h.config.Phones.IOS},
		} {
			if app.URL == "" {
				app.URL = h.config.Issuer + "/phone"
			}
			out.Apps = append(out.Apps, app)
		}
	}
	if f.otp != nil {
		out.OTP = f.otp
	}
	if f.passkeys != nil {
		out.Passkeys = f.passkeys
	}
	return out
}

// mountPhone adds what a phone speaks to.
func (h *house) mountPhone(o assembleOptions, pages *templates.Renderer) {
	if h.factors.attempts == nil {
		return
	}
	(&phone.Handler{
		Enrolments: h.factors.enroller, Logins: h.factors.attempts, Devices: h.factors.devices, Pages: pages,
		History: phone.History{Events: h.decidedBy, Client: h.clients.Client}, Now: o.Now, Logger: h.logger,
	}).Mount(h.mounts)
}

// decidedBy is what a person's phones decided.
func (h *house) decidedBy(ctx context.Context, a phone.AskDecided) ([]idp.Event, error) {
	return h.store.Events(ctx, store.EventFilter(a))
}

// changesOf are what was done to a person's ways to log in.
func (h *house) changesOf(ctx context.Context, a portal.AskChanges) ([]idp.Event, error) {
	return h.store.NewestEvents(ctx, store.NewestFilter(a))
}

func (h *house) countWaiting(m *server.Metrics) {
	m.GaugeFunc("idp_phone_waiting", "Pages that wait for a phone.", func() float64 { return float64(h.factors.notifier.Waiting()) })
}

// runFactors works in the background until ctx ends; the pages that wait are
// sent elsewhere as soon as the node is told to stop.
func (h *house) runFactors(stopping, background context.Context) {
	context.AfterFunc(stopping, func() { close(h.factors.stop) })
	go h.factors.notifier.Run(background)
	if h.factors.box != nil {
		go h.factors.box.Run(background)
	}
}
