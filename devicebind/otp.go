package devicebind

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// RecoveryCodes is how many recovery codes a person gets, once.
const RecoveryCodes = 10

const (
	otpStep    = 30 // seconds (RFC 6238 section 4.1)
	otpDigits  = 6
	otpSecret  = 20 // bytes (RFC 4226 section 4, R6)
	otpOffered = 10 * time.Minute
	maxOTP     = 64
)

// OTPOffer is a secret that waits for its first code.
type OTPOffer struct {
	Secret string // base32, to be typed into an authenticator app
	URI    string // otpauth://totp/..., for QRSVG
	EndsAt time.Time
}

// OTPState says what a person has.
type OTPState struct {
	Bound        bool
	BoundAt      time.Time
	RecoveryLeft int
}

// OTP keeps one-time codes (RFC 6238: SHA-1, 6 digits, 30 s, one step to either
// side, each step once) and recovery codes.
type OTP struct {
	Store   OTPStore
	Guesses Guesses // counts guesses, apart from those of passwords
	Keeper  *Keeper
	Factors *Factors
	Issuer  string         // the name that authenticator apps show
	Rules   policy.Lockout // policy.CityLockout() if zero
	Now     func() time.Time
}

// Of tells what a person has.
func (o *OTP) Of(ctx context.Context, personID string) (OTPState, error) {
	t, err := o.Store.TOTP(ctx, personID)
	if errors.Is(err, idp.ErrNotFound) {
		return OTPState{}, nil
	}
	if err != nil {
		return OTPState{}, fmt.Errorf("read one-time code: %w", err)
	}
	if len(t.Sealed) == 0 {
		return OTPState{}, nil
	}
	return OTPState{Bound: true, BoundAt: t.BoundAt, RecoveryLeft: t.Recovery}, nil
}

// Begin makes a secret, in the place of an older one that waits. It is shown
// again to the same session until it ends (10 minutes).
// idp.Denied{ReasonFactorFresh}.
func (o *OTP) Begin(ctx context.Context, who Who) (*OTPOffer, error) {
	if err := o.Factors.Check(ctx, who); err != nil {
		return nil, err
	}
	now := o.Now()
	t, err := o.Store.TOTP(ctx, who.Person.ID)
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		return nil, fmt.Errorf("read one-time code: %w", err)
	}
	if err == nil && len(t.Pending) > 0 && t.SessionID == who.Session.ID && now.Before(t.EndsAt) {
		if secret, err := o.Keeper.sealer.Open(t.Pending, totpContext(who.Person.ID)); err == nil {
			return o.offer(who.Person, secret, t.EndsAt), nil
		}
	}
	secret := make([]byte, otpSecret)
	rand.Read(secret)
	t = &TOTP{
		PersonID: who.Person.ID, Pending: o.Keeper.sealer.Seal(secret, totpContext(who.Person.ID)),
		SessionID: who.Session.ID, EndsAt: now.Add(otpOffered),
	}
	if err := o.Store.PutPending(ctx, t); err != nil {
		return nil, fmt.Errorf("keep one-time code: %w", err)
	}
	return o.offer(who.Person, secret, t.EndsAt), nil
}

var base32NoPad = base32.StdEncoding.WithPadding(base32.NoPadding)

// offer is the key URI that authenticator apps read; SHA-1, 6 digits and 30 s
// are what all of them assume.
func (o *OTP) offer(p *idp.Person, secret []byte, endsAt time.Time) *OTPOffer {
	text := base32NoPad.EncodeToString(secret)
	name := p.Username
	if name == "" {
		name = p.Name
	}
	q := "secret=" + text + "&issuer=" + url.PathEscape(o.Issuer) + "&algorithm=SHA1&digits=6&period=30"
	return &OTPOffer{
		Secret: text, EndsAt: endsAt,
		URI: "otpauth://totp/" + url.PathEscape(o.Issuer+":"+name) + "?" + q,
	}
}

// Confirm binds the waiting secret by its first code, in the place of an older
// one, and returns the recovery codes, which nobody can read again.
// idp.Denied{ReasonOTPWrong}, {ReasonFactorFresh}, {idp.ReasonLocked}.
func (o *OTP) Confirm(ctx context.Context, who Who, code string) (recovery []string, err error) {
	if err := o.Factors.Check(ctx, who); err != nil {
		return nil, err
	}
	now := o.Now()
	t, err := o.Store.TOTP(ctx, who.Person.ID)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, denied(ReasonOTPWrong)
	}
	if err != nil {
		return nil, fmt.Errorf("read one-time code: %w", err)
	}
	if len(t.Pending) == 0 || t.SessionID != who.Session.ID || !now.Before(t.EndsAt) {
		return nil, denied(ReasonOTPWrong)
	}
	g, err := o.guess(ctx, who.Person.ID)
	if err != nil {
		return nil, err
	}
	step, err := o.match(ctx, t.Pending, who.Person.ID, code)
	if err != nil {
		return nil, err
	}
	recovery, hashes := o.newRecovery(who.Person.ID)
	ev := event(ctx, now, "otp.bind", "ok", who)
	with := o.Factors.told(Notice{Kind: ev.Kind, Person: who.Person, At: now}, ev)
	err = o.Store.BindTOTP(ctx, t, step, hashes, now, with)
	if errors.Is(err, idp.ErrUsed) {
		return nil, denied(ReasonOTPWrong)
	}
	if err != nil {
		return nil, fmt.Errorf("bind one-time code: %w", err)
	}
	if err := o.guessed(ctx, g); err != nil {
		return nil, err
	}
	return recovery, nil
}

// guess counts the try before anything is looked at.
func (o *OTP) guess(ctx context.Context, personID string) (*Guess, error) {
	g, err := o.Guesses.Guess(ctx, o.Keeper.GuessKey(personID), o.Now(), o.rules())
	if err != nil {
		return nil, fmt.Errorf("count one-time code: %w", err)
	}
	if !g.LockedUntil.IsZero() {
		return nil, locked{g.LockedUntil}
	}
	return g, nil
}

func (o *OTP) guessed(ctx context.Context, g *Guess) error {
	err := o.Guesses.Guessed(ctx, g)
	if errors.Is(err, idp.ErrConflict) {
		return denied(idp.ReasonLocked)
	}
	if err != nil {
		return fmt.Errorf("count one-time code: %w", err)
	}
	return nil
}

// locked is idp.Denied{idp.ReasonLocked} with its end.
type locked struct{ until time.Time }

func (l locked) Error() string          { return "locked" }
func (l locked) Unwrap() error          { return denied(idp.ReasonLocked) }
func (l locked) LockedUntil() time.Time { return l.until }

func (o *OTP) rules() policy.Lockout {
	if o.Rules == (policy.Lockout{}) {
		return policy.CityLockout()
	}
	return o.Rules
}

// match finds the step that the code is of: now, or one to either side
// (RFC 6238 section 5.2). All are computed, whichever it is.
func (o *OTP) match(ctx context.Context, sealed []byte, personID, code string) (step int64, err error) {
	secret, err := o.Keeper.sealer.Open(sealed, totpContext(personID))
	if err != nil {
		alarm := o.Guesses.Record(ctx, tampered(ctx, o.Now(), "otp", personID, "the secret"))
		return 0, errors.Join(denied(ReasonOTPWrong), err, alarm)
	}
	code, text := asciiDigits(code), base32NoPad.EncodeToString(secret)
	now := o.Now().Unix() / otpStep
	for s := now - 1; s <= now+1; s++ {
		want, err := hotp.GenerateCodeCustom(text, uint64(s), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, fmt.Errorf("one-time code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step = s
		}
	}
	if step == 0 {
		return 0, denied(ReasonOTPWrong)
	}
	return step, nil
}

// Renew makes new recovery codes; the old ones are dead.
func (o *OTP) Renew(ctx context.Context, who Who) (recovery []string, err error) {
	if err := o.Factors.Check(ctx, who); err != nil {
		return nil, err
	}
	recovery, hashes := o.newRecovery(who.Person.ID)
	ev := event(ctx, o.Now(), "otp.recovery", "ok", who)
	with := o.Factors.told(Notice{Kind: ev.Kind, Person: who.Person, At: ev.At}, ev)
	if err := o.Store.PutRecovery(ctx, who.Person.ID, hashes, with); err != nil {
		return nil, fmt.Errorf("keep recovery codes: %w", err)
	}
	return recovery, nil
}

// newRecovery draws codes of 50 bits, in the letters of base32, which nobody
// confuses in lower case.
func (o *OTP) newRecovery(personID string) (codes []string, hashes [][]byte) {
	for range RecoveryCodes {
		var b [7]byte
		rand.Read(b[:])
		text := strings.ToLower(base32NoPad.EncodeToString(b[:]))[:10]
		codes = append(codes, text[:5]+"-"+text[5:])
		hashes = append(hashes, o.Keeper.recoveryHash(personID, text))
	}
	return codes, hashes
}

// Remove unbinds; idp.ErrNotFound if there is nothing.
func (o *OTP) Remove(ctx context.Context, who Who) error {
	if err := o.Factors.Check(ctx, who); err != nil {
		return err
	}
	return o.remove(ctx, who.Person, event(ctx, o.Now(), "otp.remove", "ok", who))
}

// RemoveFor unbinds by an operator, who says why.
func (o *OTP) RemoveFor(ctx context.Context, person *idp.Person, actor, why string) error {
	ev := event(ctx, o.Now(), "otp.remove", "ok", Who{Person: person})
	ev.Actor, ev.Detail = actor, why
	return o.remove(ctx, person, ev)
}

func (o *OTP) remove(ctx context.Context, person *idp.Person, ev idp.Event) error {
	with := o.Factors.told(Notice{Kind: ev.Kind, Person: person, At: ev.At}, ev)
	if err := o.Store.RemoveTOTP(ctx, person.ID, with); err != nil {
		return fmt.Errorf("remove one-time code: %w", err)
	}
	return nil
}

// Verify takes a one-time code or a recovery code of the person, once, counted
// by a lock-out of its own. Spaces, dashes and full-width digits are read as
// they were meant. idp.Denied{ReasonOTPWrong} or {idp.ReasonLocked}.
func (o *OTP) Verify(ctx context.Context, personID, code string) error {
	if len(code) > maxOTP {
		return denied(ReasonOTPWrong)
	}
	g, err := o.guess(ctx, personID)
	if err != nil {
		return o.failed(ctx, personID, err)
	}
	if err := o.take(ctx, personID, asciiDigits(code)); err != nil {
		if no := (idp.Denied{}); !errors.As(err, &no) {
			// Nobody looked; the request may be gone already, the count must not stay.
			return errors.Join(err, o.Guesses.Unguessed(context.WithoutCancel(ctx), g))
		}
		return o.failed(ctx, personID, err)
	}
	return o.failed(ctx, personID, o.guessed(ctx, g))
}

func (o *OTP) take(ctx context.Context, personID, code string) error {
	t, err := o.Store.TOTP(ctx, personID)
	if errors.Is(err, idp.ErrNotFound) || err == nil && len(t.Sealed) == 0 {
		return denied(ReasonOTPWrong)
	}
	if err != nil {
		return fmt.Errorf("read one-time code: %w", err)
	}
	if len(code) != otpDigits {
		ev := event(ctx, o.Now(), "otp.recover", "ok", Who{Person: &idp.Person{ID: personID}})
		hash := o.Keeper.recoveryHash(personID, strings.ToLower(code))
		err = o.Store.UseRecovery(ctx, personID, hash, With{Events: []idp.Event{ev}})
	} else {
		var step int64
		if step, err = o.match(ctx, t.Sealed, personID, code); err == nil {
			err = o.Store.UseStep(ctx, personID, step)
		}
	}
	if errors.Is(err, idp.ErrUsed) {
		return denied(ReasonOTPWrong)
	}
	return err
}

// failed puts a refusal on record.
func (o *OTP) failed(ctx context.Context, personID string, why error) error {
	var no idp.Denied
	if !errors.As(why, &no) {
		return why
	}
	ev := event(ctx, o.Now(), "login.otp", string(no.Reason), Who{Person: &idp.Person{ID: personID}})
	if err := o.Guesses.Record(ctx, ev); err != nil {
		return fmt.Errorf("record one-time code: %w", err)
	}
	return why
}
