package directory

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	idp "taipeion.internal/idp"
)

// Hasher makes and checks argon2id hashes (RFC 9106) in PHC form. It bounds how
// many run at once, and how many wait, so that a flood of logins costs neither
// more memory nor more time than set.
type Hasher struct {
	Memory uint32 // KiB
	Time   uint32 // passes
	Lanes  uint8

	slots chan struct{} // running
	queue chan struct{} // running or waiting
	wait  time.Duration
	dummy string
}

// HasherOptions are the settings of a Hasher; zero fields get the defaults.
type HasherOptions struct {
	Memory     uint32        // KiB; 19456
	Time       uint32        // 2
	Lanes      uint8         // 1
	Concurrent int           // hashes at once; the number of cores
	Waiting    int           // logins that may wait for one; 256
	Wait       time.Duration // how long at most; 5 s
}

// NewHasher returns a Hasher; its parameters are those of OWASP's second choice
// (19 MiB, two passes) unless set otherwise.
func NewHasher(o HasherOptions) *Hasher {
	if o.Memory == 0 {
		o.Memory = 19456
	}
	if o.Time == 0 {
		o.Time = 2
	}
	if o.Lanes == 0 {
		o.Lanes = 1
	}
	if o.Concurrent <= 0 {
		o.Concurrent = runtime.GOMAXPROCS(0)
	}
	if o.Waiting <= 0 {
		o.Waiting = 256
	}
	if o.Wait <= 0 {
		o.Wait = 5 * time.Second
	}
	h := &Hasher{
		Memory: o.Memory, Time: o.Time, Lanes: o.Lanes, wait: o.Wait,
		slots: make(chan struct{}, o.Concurrent), queue: make(chan struct{}, o.Concurrent+o.Waiting),
	}
	// The hash that unknown names are checked against: nobody knows its password.
	salt, key := make([]byte, saltLen), make([]byte, keyLen)
	rand.Read(salt)
	rand.Read(key)
	h.dummy = h.encode(salt, key)
	return h
}

const (
	saltLen = 16
	keyLen  = 32
	// Bounds on what a kept hash may ask of us.
	maxMemory = 1 << 20 // KiB
	maxTime   = 16
)

func (h *Hasher) encode(salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.Memory, h.Time, h.Lanes,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

// enter waits for a turn. idp.ErrOverloaded: too many wait already, or it took
// too long; nothing was hashed.
func (h *Hasher) enter(ctx context.Context) (leave func(), err error) {
	select {
	case h.queue <- struct{}{}:
	default:
		return nil, idp.ErrOverloaded
	}
	timer := time.NewTimer(h.wait)
	defer timer.Stop()
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots; <-h.queue }, nil
	case <-ctx.Done():
	case <-timer.C:
	}
	<-h.queue
	return nil, idp.ErrOverloaded
}

// Hash returns the PHC form of a new password's hash.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	salt := make([]byte, saltLen)
	rand.Read(salt)
	return h.encode(salt, argon2.IDKey([]byte(password), salt, h.Time, h.Memory, h.Lanes, keyLen)), nil
}

// Verify tells whether the password is the hash's. An empty hash, that of a
// person who is not there or has no password, costs the same and is never right.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (bool, error) {
	known := hash != ""
	if !known {
		hash = h.dummy
	}
	p, err := parsePHC(hash)
	if err != nil {
		return false, err
	}
	leave, err := h.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	key := argon2.IDKey([]byte(password), p.salt, p.time, p.memory, p.lanes, uint32(len(p.key)))
	return subtle.ConstantTimeCompare(key, p.key) == 1 && known, nil
}

type phc struct {
	memory, time uint32
	lanes        uint8
	salt, key    []byte
}

var errPHC = errors.New("not an argon2id hash in PHC form")

// parsePHC reads $argon2id$v=19$m=19456,t=2,p=1$salt$key.
func parsePHC(s string) (p phc, err error) {
	f := strings.Split(s, "$")
	if len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != "v="+strconv.Itoa(argon2.Version) {
		return p, errPHC
	}
	var lanes uint64
	for i, part := range strings.Split(f[3], ",") {
		name, value, ok := strings.Cut(part, "=")
		n, err := strconv.ParseUint(value, 10, 32)
		if !ok || err != nil || i > 2 || name != string("mtp"[i]) {
			return p, errPHC
		}
		switch i {
		case 0:
			p.memory = uint32(n)
		case 1:
			p.time = uint32(n)
		case 2:
			lanes = n
		}
	}
	if p.memory < 8 || p.memory > maxMemory || p.time < 1 || p.time > maxTime || lanes < 1 || lanes > 255 {
		return p, errPHC
	}
	p.lanes = uint8(lanes)
	if p.salt, err = base64.RawStdEncoding.DecodeString(f[4]); err != nil || len(p.salt) < 8 {
		return p, errPHC
	}
	if p.key, err = base64.RawStdEncoding.DecodeString(f[5]); err != nil || len(p.key) < 16 || len(p.key) > 64 {
		return p, errPHC
	}
	return p, nil
}
